//! What the demo and the benchmark share: Labor's API as a client sees it, and the sample messages.
pub mod client;
pub mod samples;
