//! What only an operating system can tell. Each platform provides:
//!
//! - `cpu_time() -> Option<Duration>`: processor time of all threads of this process;
//! - `resident_bytes() -> Option<u64>`: memory of this process that is in RAM.

#![allow(unused_imports)] // every benchmark uses its own part

#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(target_os = "linux")]
mod linux;

#[cfg(not(target_os = "linux"))]
pub use elsewhere::{cpu_time, resident_bytes};
#[cfg(target_os = "linux")]
pub use linux::{cpu_time, resident_bytes};
