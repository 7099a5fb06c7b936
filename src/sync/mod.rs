//! Locks, signals and their kin, for the tasks of one thread.

mod wait_list;
