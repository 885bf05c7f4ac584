//! The contract with laboratories' channels: a channel that behaves as the real engine does (`labor_testing::Channel`) against the real
//! programs on a real Postgres, one behaviour at a time. What is promised here stands in docs/mirth.md.
#![expect(clippy::unwrap_used, reason = "a test says what is wrong by failing")]

mod bodies;
#[path = "../flows/clinic.rs"]
#[expect(dead_code, reason = "written for the flows, which use more of it")]
mod clinic;
mod document;
mod edge;
mod faults;
mod outage;
mod queue;
mod raw;
mod routes;
mod self_test;
mod world;
