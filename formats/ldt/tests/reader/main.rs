//! What the reader makes of whole messages, and the writer of trees.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may end the test, too")]

mod codes;
mod damage;
mod files;
mod ldt2;
mod ldt3;
mod mutation;
mod objects;
mod properties;
mod shapes;
mod support;
mod transport;
mod writer;
