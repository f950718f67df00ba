//! The store: layers and images on disk, shared by all containers and by the command line.

mod boot;
mod directories;
mod fetch_layers;
mod image;
mod implied_directories;
mod import;
mod in_use;
mod layers;
mod lock;
mod progress;
mod prune;
mod pull;
mod store_root;

pub use image::{Image, LayerId};
pub use import::ImportOptions;
pub(crate) use in_use::{from_list, listed};
pub use progress::{PullEvent, PullProgress};
pub use prune::PruneReport;
pub use pull::{Limits, PullOptions};
pub use store_root::Store;
