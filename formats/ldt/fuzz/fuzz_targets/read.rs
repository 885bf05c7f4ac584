//! Any bytes, as they are and with lengths and sums computed anew: `read` and `Tree::read` answer, and what they accept holds
//! what the crate promises.
#![no_main]

#[path = "../invariants.rs"]
mod invariants;
#[path = "../repair.rs"]
mod repair;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    invariants::hold(bytes);
    invariants::hold(&repair::render(&repair::fields(bytes)));
});
