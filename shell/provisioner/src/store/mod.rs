//! The store: layers and images on disk, shared by all containers and by the command line.

mod directories;
mod image;
mod layers;
mod lock;
mod prune;
mod pull;
mod store_root;

pub use image::{Image, LayerId};
pub use prune::PruneReport;
pub use pull::{Limits, PullEvent, PullOptions};
pub use store_root::Store;
