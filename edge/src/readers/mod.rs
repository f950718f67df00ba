//! Expensive reads: builds that everybody who asks shares, rate limits, and how long things take.

pub mod rate_limiter;
pub mod singleflight;
pub mod timing;
