//! From a container description to isolated processes: launcher, isolators, volumes.
