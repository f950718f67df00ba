//! Small parts without knowledge of a master: ids, indices, times, the timing wheel.

mod ids;
mod key_index;
mod time;
mod timing_wheel;

pub(crate) use ids::Ids;
pub(crate) use key_index::remove_from_index;
pub(crate) use time::time_info;
pub(crate) use timing_wheel::TimingWheel;
