//! What readers see: entities built from the change streams, and their legacy JSON and v1 forms.
