//! Brings the files a task asks for into its sandbox, and nothing outside it.
