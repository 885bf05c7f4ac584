//! Whether a practice can be reached from anywhere but itself: attacks, row rules, mistakes in the rules, sessions, the fleet.
//! What is expected is written down here as data and never derived from the SQL that it is compared with.
#![expect(clippy::unwrap_used, reason = "in the helpers of a test, too, a broken expectation ends it")]

mod alerts_found;
mod attack;
mod attack_suite;
mod attacks_left_behind;
mod attacks_on_higher_roles;
mod attacks_on_the_other;
mod attacks_on_the_server;
mod attacks_stacked;
mod budget;
mod candidates;
mod fingerprint;
mod fleet;
mod forgeries;
mod managed;
mod matrix;
mod mistakes;
mod mistakes_beside;
mod mistakes_everywhere;
mod mistakes_of_rules;
mod page;
mod proof_cost;
mod released_rows;
mod seed;
mod sessions;
mod shape;
mod stored;
mod visible_rows;
mod world;
