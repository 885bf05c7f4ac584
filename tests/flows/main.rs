//! The five ways data goes, each from end to end with the real programs on real Postgres and real S3.
//! The files have the names of the sections in ARCHITECTURE.md.
#![expect(clippy::unwrap_used, reason = "a test says what is wrong by failing")]

mod acknowledge;
mod alerts;
mod alerts_corrected;
mod alerts_ladder;
mod alerts_limits;
mod alerts_matching;
mod alerts_others;
mod back_up;
mod baseline;
mod chain;
mod clinic;
mod crash;
mod deletion_waits;
mod export_delete;
mod exported;
mod half_migrated;
mod hl7;
mod kill;
mod kill_ingest;
mod kill_shut;
mod lock_budget;
mod locks;
mod logs;
mod matching;
mod migrate;
mod patient_data;
mod plan;
mod planted;
mod queue;
mod read;
mod receive;
mod rehearse;
mod release;
mod release_taken_back;
mod reparse;
mod rotation;
mod said;
mod served_wave;
mod steer;
mod under_load;
mod undo;
mod verify;
mod waves;
