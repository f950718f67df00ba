//! The invariants: books that are kept beside the cluster and compared with it after every step.

mod all;
mod books;
mod conduct;
mod holdings;
mod readers;
mod tasks;
mod updates;

pub use all::Checks;
pub use books::Books;
pub use conduct::Conduct;
pub use holdings::{Deed, Holdings};
pub use readers::Readers;
pub use tasks::Tasks;
pub use updates::Updates;
