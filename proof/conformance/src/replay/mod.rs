//! Recordings that are played to two masters, whose answers are compared field by field.
//!
//! | module | owns |
//! | --- | --- |
//! | `script` | the text format of a recording |
//! | `player` | sends the requests of a recording and receives the answers |
//! | `normalize` | the values that rightly differ between masters: ids, times, addresses |
//! | `compare` | the report |

mod compare;
mod normalize;
mod player;
mod script;

pub use compare::{compare, print};
pub use script::load;
