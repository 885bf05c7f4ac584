//! The five ways data goes, each from end to end with the real programs on real Postgres and real S3.
//! The files have the names of the sections in ARCHITECTURE.md.
#![expect(clippy::unwrap_used, reason = "a test says what is wrong by failing")]

mod back_up;
mod clinic;
mod crash;
mod export_delete;
mod kill;
mod half_migrated;
mod migrate;
mod patient_data;
mod read;
mod receive;
