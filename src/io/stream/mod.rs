//! Streams as a reader of asyncio's manual knows them: a reader of whole items, a writer that never waits.

mod reader;
mod writer;

pub use reader::StreamReader;
pub(crate) use writer::Addrs;
pub use writer::StreamWriter;
