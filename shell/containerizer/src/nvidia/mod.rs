//! NVIDIA's GPUs: the management library, and the files of the driver.
//!
//! | module | owns |
//! | --- | --- |
//! | `nvml` | the management library, which is loaded where it is installed |
//! | `driver_volume` | the directory with the driver's libraries and programs for containers |

mod driver_volume;
mod nvml;

pub use driver_volume::driver_volume;
pub use nvml::{Nvml, NvmlError};
