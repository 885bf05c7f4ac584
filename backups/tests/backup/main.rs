//! Backups of real tenants on a real Postgres and a real S3 server: the whole way, and every way it can go wrong.
#![expect(clippy::unwrap_used, reason = "in the helpers of a test, too, a broken expectation ends it")]

mod checked;
mod cycle;
mod damage;
mod erased;
mod forged;
mod interrupted;
mod keys;
mod place;
mod versions;
