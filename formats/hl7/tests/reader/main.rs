//! What the reader makes of whole messages.
#![expect(clippy::unwrap_used, reason = "helpers of tests may end the test, too")]

mod damage;
mod files;
mod support;
