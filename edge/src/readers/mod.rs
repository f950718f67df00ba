//! Expensive reads: builds shared by identical requests, rate limits, and durations.

pub mod rate_limiter;
pub mod singleflight;
pub mod timing;
