//! Backups of real tenants on a real Postgres and a real S3 server: the whole way, and every way it can go wrong.
#![expect(clippy::unwrap_used, reason = "in the helpers of a test, too, a broken expectation ends it")]

mod between;
mod checked;
mod control_pruned;
mod cycle;
mod damage;
mod erased;
mod fleet;
mod forged;
mod interrupted;
mod judged;
mod keys;
mod late;
mod locked;
mod lost_server;
mod meanwhile;
mod over;
mod over_back;
mod over_killed;
mod over_worked;
mod place;
mod pruned;
mod row_rules;
mod runbooks;
mod scheduled;
mod schedules;
mod slow_store;
mod standby;
mod store_faults;
mod surroundings;
mod versions;
mod wrapped;
mod wrapped_anew;
mod wrapped_by_hand;
mod wrapped_by_kms;
mod wrapped_erased;
