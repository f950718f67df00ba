//! Whether a message makes sense: Mesos' checks in Mesos' order, with Mesos' reasons. Pure.
