//! The `labor` program.
fn main() {}
