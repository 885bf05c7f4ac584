//! What the pools do when there is not enough of something: connections, time, a server, a network.
//! Each test has a cluster of its own, because most of them stop, fill or cut it off.
#![expect(clippy::unwrap_used, reason = "in the helpers of a test, too, a broken expectation ends it")]

mod crowd;
mod dropped;
mod http;
mod left_behind;
mod line;
#[path = "../isolation/seed.rs"]
mod seed;
mod server;
mod sign_in;
mod world;
