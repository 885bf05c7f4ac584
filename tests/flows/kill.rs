//! The migrator killed, cut off and left without an answer at every single statement it sends. Whatever the moment, running the same
//! command again ends where a run without faults ends.
//!
//! What must stay true: a further command is one more scenario; what is thinned out says why, and leaves no distinct statement out.
mod fleet;
mod rounds;

use labor_testing::Fault;

use self::rounds::{Scenario, cuts, every_statement, kills_and_cuts};
pub(crate) use self::rounds::{place, told, url};
use crate::chain::Chain;

const TAKEN: Option<&str> = Some("the sign-in name \"new\" is taken");

/// Queue, control schema, guard and first claim key on a database that is only bootstrapped.
#[tokio::test]
async fn the_first_up_ends_the_same_wherever_it_was_interrupted() {
    every_statement(&Scenario { practices: None, ..Scenario::new("kill_first_up", &["up"]) }).await;
}

/// A practice goes from version 2 to 6: each kind of migration, new row rules, several batches. Another gets what an edited file of row
/// rules brings, one transaction; the intake is where it should be.
#[tokio::test]
async fn up_ends_the_same_wherever_it_was_interrupted() {
    every_statement(&Scenario {
        practices: Some(2),
        before: (
            &[&["up", "--tenant", "intake", "--tenant", "p1"]],
            "UPDATE control.ledger SET chain_checksum = 'older', rules_checksum = 'older'
               FROM control.tenants WHERE name = tenant AND slug = 'p1'",
        ),
        chain: Some(Chain::whole),
        ..Scenario::new("kill_up", &["up", "--workers", "1"])
    })
    .await;
}

/// A release that brings a migration of the control schema, and nothing for the practices.
#[tokio::test]
async fn a_migration_of_the_control_schema_ends_the_same_wherever_it_was_interrupted() {
    every_statement(&Scenario {
        chain: Some(Chain::of_control),
        faults: cuts,
        ..Scenario::new("kill_control", &["up"])
    })
    .await;
}

/// The version that practices are born at is raised between the waves, and the second wave begins with what the first one left.
#[tokio::test]
async fn waves_end_the_same_wherever_they_were_interrupted() {
    every_statement(&Scenario {
        practices: Some(2),
        chain: Some(|into| Chain::copy(into).with(REMARK)),
        faults: between_the_waves,
        ..Scenario::new("kill_waves", &["up", "--workers", "1", "--wave", "canary=1,rest"])
    })
    .await;
}

const REMARK: (&str, &str) = (
    "V3__remark",
    "-- Why: a test.\n-- Locks: one table.\n-- Previous release: does not notice.\n-- Kind: transaction\n-- Phase: expand\n\
     ALTER TABLE orders ADD COLUMN remark text;\nCOMMENT ON COLUMN orders.remark IS 'x';\n",
);

/// What comes before the first practice, and what is done to one, is the same as in the `up` above, which is killed at all of it: only what
/// comes after the first wave's COMMIT, up to the first lock of the second wave.
fn between_the_waves(statements: &[String]) -> Vec<Fault> {
    let texts = || (1_u64..).zip(statements);
    let locks = texts().filter(|(_, text)| text.contains("pg_try_advisory_lock(hashtextextended('labor tenant"));
    let locks: Vec<u64> = locks.map(|(at, _)| at).collect();
    let commit = texts().find(|(at, text)| *at > locks[0] && text.starts_with("COMMIT")).unwrap().0;
    let between = commit..=locks[1];
    assert!(between.clone().count() > 3, "{statements:#?}");
    kills_and_cuts(statements).into_iter().filter(|fault| fault.at().is_some_and(|at| between.contains(&at))).collect()
}

/// A practice goes from version 5 back to 2: by the undo of each kind of migration. Another is at version 3; the intake is where it
/// should be.
#[tokio::test]
async fn undo_ends_the_same_wherever_it_was_interrupted() {
    every_statement(&Scenario {
        practices: Some(2),
        before: (&[&["up", "--tenant", "p1"], &["up", "--to", "3", "--tenant", "p2"]], ""),
        chain: Some(Chain::undoable),
        ..Scenario::new("kill_undo", &["undo", "--to", "2", "--yes", "--workers", "1"])
    })
    .await;
}

#[tokio::test]
async fn provision_ends_the_same_wherever_it_was_interrupted() {
    every_statement(&Scenario {
        practices: Some(1),
        faults: cuts,
        got_through: TAKEN,
        ..Scenario::new("kill_provision", &["provision", "new", "--name", "X", "--bsnr", "200000001"])
    })
    .await;
}

#[tokio::test]
async fn provision_from_the_pool_ends_the_same_wherever_it_was_interrupted() {
    every_statement(&Scenario {
        before: (&[&["pool", "--keep", "1"]], ""),
        // A spare's login belongs to the whole server: copies that open it at once get in each other's way.
        at_a_time: 1,
        got_through: TAKEN,
        ..Scenario::new("kill_from_pool", &["provision", "new", "--name", "X", "--bsnr", "200000001"])
    })
    .await;
}

/// A schema that was a practice's under another name, without its login.
#[tokio::test]
async fn baseline_ends_the_same_wherever_it_was_interrupted() {
    every_statement(&Scenario {
        practices: Some(1),
        before: (
            &[],
            "DO $$ DECLARE former text := (SELECT name FROM control.tenants WHERE slug = 'p1'); BEGIN
               EXECUTE format('ALTER SCHEMA %I RENAME TO t_killbaseline', former);
               UPDATE t_killbaseline.schema_stamp SET tenant = 't_killbaseline';
               EXECUTE format('DROP OWNED BY %1$I; DROP ROLE %1$I', former || '_app');
               DELETE FROM control.outcomes WHERE tenant = former; DELETE FROM control.ledger WHERE tenant = former;
               DELETE FROM control.tenant_identifiers WHERE tenant = former; DELETE FROM control.tenants WHERE name = former;
             END $$",
        ),
        // The login that it makes has the same name in all copies.
        at_a_time: 1,
        faults: cuts,
        got_through: Some("is registered already"),
        ..Scenario::new("kill_baseline", &["baseline", "t_killbaseline", "--slug", "new", "--name", "X", "--bsnr", "200000001"])
    })
    .await;
}

#[tokio::test]
async fn pool_ends_the_same_wherever_it_was_interrupted() {
    every_statement(&Scenario { faults: cuts, ..Scenario::new("kill_pool", &["pool", "--keep", "2"]) }).await;
}

#[tokio::test]
async fn a_change_of_the_master_secret_ends_the_same_wherever_it_was_interrupted() {
    every_statement(&Scenario {
        practices: Some(1),
        before: (&[&["suspend", "p1", "--reason", "its login stays shut"]], ""),
        secrets: "\n2:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n",
        // Logins belong to the whole server, as above.
        at_a_time: 1,
        ..Scenario::new("kill_rotate", &["rotate", "master"])
    })
    .await;
}
