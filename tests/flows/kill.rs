//! The migrator killed, cut off and left without an answer at every single statement it sends. Whatever the moment, running the same
//! command again ends where a run without faults ends.
//!
//! What must stay true: a further command is one more scenario; what is thinned out says why, and leaves no distinct statement out.
mod fleet;
mod rounds;

use self::rounds::{Scenario, cuts, every_statement};
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
