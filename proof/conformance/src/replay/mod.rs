//! Recorded conversations, played to two masters, and their answers compared field by field.
//!
//! | module | owns |
//! | --- | --- |
//! | `script` | the text format of a conversation |
//! | `play` | saying it to a master and hearing the answers |
//! | `normal` | what two masters rightly answer differently: ids, times, addresses |
//! | `compare` | the report |

mod compare;
mod normalize;
mod player;
mod script;

pub use compare::{compare, print};
pub use script::load;
