//! What the demo and the benchmarks share: Labor's API as a client sees it, sample messages and many like them, a practice to measure
//! with, loads and floors, the machine, figures, how a program ends.
pub mod client;
pub mod cpu;
pub mod figures;
pub mod floor;
pub mod load;
pub mod machine;
pub mod memory;
pub mod messages;
pub mod pgbench;
pub mod practice;
pub mod psql;
pub mod run;
pub mod samples;
pub mod sections;
pub mod spread;

/// Anything that goes wrong ends a benchmark with its message.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;
