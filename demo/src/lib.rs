//! What the demo and the benchmarks share: Labor's API as a client sees it, the sample messages, the machine, figures, how a program
//! ends.
pub mod client;
pub mod machine;
pub mod pgbench;
pub mod psql;
pub mod run;
pub mod samples;
pub mod sections;
pub mod spread;

/// Anything that goes wrong ends a benchmark with its message.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;
