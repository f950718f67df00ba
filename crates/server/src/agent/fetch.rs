//! Fills a sandbox with the files that a command names.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use ::agent::ContainerLaunch;
use containerizer::User;

/// Blocks for as long as the downloads take.
pub fn fetch(launch: &ContainerLaunch, _user: Option<&User>, _cancelled: &Arc<AtomicBool>) -> Result<(), String> {
    let command = launch.executor_info.command.as_deref();
    match command.is_none_or(|command| command.uris.is_empty()) {
        true => Ok(()),
        false => Err("fetching files is not supported".to_owned()),
    }
}
