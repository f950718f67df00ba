//! The scheduler calls: the checks whether they may be made, and their handlers.

mod accept;
mod accepted_offers;
mod decline;
mod dispatch;
mod http;
mod kill;
mod launch;
mod operator;
mod reconcile;
mod suppress;

pub(crate) use accept::{accept, complete};
pub(crate) use accepted_offers::AcceptedOffers;
pub(crate) use decline::decline;
pub(crate) use dispatch::dispatch;
pub(crate) use http::scheduler_call;
pub(crate) use kill::kill;
pub(crate) use operator::{kill_by_operator, operator_call};
pub(crate) use reconcile::reconcile;
pub(crate) use suppress::revive;
