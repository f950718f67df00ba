//! Mesos' older JSON forms, which master and agent share. Each form was written by hand and follows no common rule, and
//! monitoring programs rely on them.

mod infos;
mod quantities;
mod tasks;

pub(crate) use infos::{
    agent_capability, attributes, build, domain, executor_info, framework_roles, labels, master_info, names,
};
pub(crate) use quantities::{by_role, full, quantities, resources};
pub(crate) use tasks::{role, task};
