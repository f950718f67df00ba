//! Mesos flags: command line, MESOS_* variables and file:// values.
