//! Small parts without knowledge of a master: ids, times, the timing wheel.

mod ids;
mod time;
mod timing_wheel;

pub(crate) use ids::Ids;
pub(crate) use time::time_info;
pub(crate) use timing_wheel::TimingWheel;
