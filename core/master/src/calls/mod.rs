//! The scheduler calls: who may make them, and what each does.

mod accept;
mod decline;
mod dispatch;
mod http;
mod kill;
mod launch;
mod reconcile;
mod suppress;

pub(crate) use accept::{AcceptedOffers, complete};
