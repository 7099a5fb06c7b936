//! Streams as a reader of asyncio's manual knows them: a reader of whole items.

mod reader;

pub use reader::StreamReader;
