//! Container images of an agent.
//!
//! | module | responsibility |
//! | --- | --- |
//! | `options` | the settings for images, and the configuration of their garbage collection |
//! | `images` | the images of an agent: their provisioner, its cleaning, the removal of unused images |
//! | `provide` | gives one container its images, and describes them to the launcher |
//! | `pulls` | the pulls that are under way, for the log and for readers |
//! | `garbage_collection` | removes unused images when the disk of the store fills |

mod garbage_collection;
#[allow(clippy::module_inception, reason = "the folder is named after its main type")]
mod images;
mod options;
mod provide;
mod pulls;

pub use images::{Images, PruneError};
pub use options::{ImageGcConfig, ImageOptions, InvalidGcConfig};
pub use provide::{ISOLATION, ProvidedImages, check_labels, has_images, nested_has_images, nested_image, resolved};
pub use pulls::PendingPull;
