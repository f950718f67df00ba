//! The generated message types. One set with v1 names serves v0 and v1, since the two protocols are byte-identical
//! except for `scheduler.Call.Subscribe`.

#![allow(clippy::all, clippy::pedantic, missing_docs)]

include!(concat!(env!("OUT_DIR"), "/_modules.rs"));
