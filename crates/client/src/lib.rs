//! The Rust library for frameworks and operators (v1 API).
