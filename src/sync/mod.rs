//! Locks, signals and their kin, for the tasks of one thread.

pub(crate) mod wait_list;
