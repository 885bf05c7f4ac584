//! What the migrations arrive at: the files to read, the catalogue of columns, comments, names and types; and that the
//! product fits every version that it serves.
//! Must stay true: nothing here knows a table by name where the database can be asked for it.
#![expect(clippy::unwrap_used, reason = "in the helpers of a test, too, a broken expectation ends it")]

mod files;
mod rules;
mod versions;
mod world;
