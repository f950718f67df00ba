//! Waits with a deadline until another thread or process has done something.

use std::time::{Duration, Instant};

/// Far longer than anything takes that a test waits for. Only a test that is about to fail reaches it.
pub const TIMEOUT: Duration = Duration::from_secs(60);

/// The pause between two calls of `look`, which may send a request to a server or start a program.
const PAUSE: Duration = Duration::from_millis(5);

/// Calls `look` again and again until it returns something, and returns that.
///
/// # Panics
///
/// Panics with `what` if `look` returns nothing within [`TIMEOUT`].
pub fn until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    until_within(TIMEOUT, what, look)
}

/// Waits like [`until`], with a deadline of the caller.
///
/// # Panics
///
/// Panics with `what` if `look` returns nothing in that time.
pub fn until_within<T>(time: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < time, "never: {what}");
        std::thread::sleep(PAUSE);
    }
}

/// Waits like [`until`] in an async test, whose other tasks go on meanwhile.
///
/// # Panics
///
/// Panics with `what` if `look` returns nothing within [`TIMEOUT`].
#[cfg(feature = "hosts")]
pub async fn until_async<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(begun.elapsed() < TIMEOUT, "never: {what}");
        tokio::time::sleep(PAUSE).await;
    }
}
