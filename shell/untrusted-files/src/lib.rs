//! Files whose names and contents come from others: users of containers, archives, images.
//!
//! - [`remove_tree`] and [`remove_tree_at`] remove directories that a container has filled.
//! - [`for_each_tar_member`] reads archives within bounds.
//! - [`is_link_target`] and [`target_below_root`] judge the targets of links.

mod link_target;
mod remove_tree;
mod tar_members;

pub use link_target::{MAX_LINKS, MAX_PATH, is_link_target, target_below_root};
pub use remove_tree::{remove_tree, remove_tree_at};
pub use tar_members::{AllowedReader, HeaderAllowance, MAX_HEADERS, TarMember, for_each_tar_member};
