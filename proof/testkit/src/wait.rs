//! Until something is so: for what another thread or process does in its own time.

use std::time::{Duration, Instant};

/// Far more than anything takes that a test waits for; reached only by a test that is about to fail.
pub const TIMEOUT: Duration = Duration::from_secs(60);

/// Between two looks. A look may be a request to a server or a start of a program, so it is not done without pause.
const PAUSE: Duration = Duration::from_millis(5);

/// Looks again and again until there is something, and returns it.
///
/// # Panics
///
/// Panics with `what` if there is nothing within [`TIMEOUT`].
pub fn until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    until_within(TIMEOUT, what, look)
}

/// The same with a deadline of one's own.
///
/// # Panics
///
/// Panics with `what` if there is nothing in that time.
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

/// The same in an async test, whose other tasks go on meanwhile.
///
/// # Panics
///
/// Panics with `what` if there is nothing within [`TIMEOUT`].
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
