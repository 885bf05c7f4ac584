//! Backfills in the middle of their batches: somebody asks the run to stop, or is in the way of a batch.
use std::time::{Duration, Instant};

use labor_testing::{Program, Running};

use super::{Fleet, LIMIT, end_of};
use crate::chain::Chain;

const COLUMN: (&str, &str) = (
    "V3__search_name",
    "-- Kind: transaction\n-- Phase: expand\nALTER TABLE patients ADD COLUMN search_name text;\nCOMMENT ON COLUMN patients.search_name IS 'x';\n",
);
/// Rows are taken in the order of their names, so that a test knows which one a batch has and which one it waits for.
const FILL: &str = "-- Kind: backfill\n-- Phase: expand\n-- Batch: {size}\n-- Pause: {pause}\n\
    UPDATE patients SET search_name = lower(family_name)\n WHERE id IN (SELECT id FROM patients WHERE search_name IS NULL ORDER BY family_name LIMIT {batch} FOR UPDATE);\n";

/// p1 is where the backfill comes next.
async fn filling(fleet: &Fleet, size: &str, pause: &str) -> Chain {
    let fill = FILL.replace("{size}", size).replace("{pause}", pause);
    let chain = Chain::copy(&fleet.files().await).with(COLUMN);
    let ran = fleet.ran(fleet.up(&chain, &["--tenant", "p1"])).await;
    assert_eq!(ran.code, Some(0), "{}", ran.text);
    chain.with(("V4__fill", &fill))
}

/// `up` of p1 in the background, which gives up a tenant at its first failure and tells of each batch that is tried again.
fn begin(fleet: &Fleet, chain: &Chain, lock_timeout: &str) -> Running {
    let arguments = ["up", "--allow-lint-errors", "--tenant", "p1", "--retries", "0", "--lock-timeout", lock_timeout];
    let program: Program = chain.migrator(&fleet.platform, &arguments).env("RUST_LOG", "labor_migrator=info");
    program.start_with_log(&fleet.platform.folder().join(format!("{}.log", fleet.platform.database()))).unwrap()
}

/// The pause is so long that whoever sits it out is found.
#[tokio::test]
async fn ctrl_c_stops_a_backfill_after_its_batch_and_up_goes_on_there() {
    let fleet = Fleet::copy("waves_ctrl_c").await;
    let chain = filling(&fleet, "2", "60 s").await;
    let running = begin(&fleet, &chain, "500ms");
    let rows = "SELECT coalesce((progress ->> 'rows')::bigint, 0) FROM control.ledger WHERE tenant = '{p1}'";
    labor_testing::until("a batch", LIMIT, async || {
        Ok(if fleet.number(rows).await == 2 { Ok(()) } else { Err(running.said()) })
    })
    .await
    .unwrap();
    let start = Instant::now();
    running.interrupt();
    let (code, said) = end_of(&running).await;
    assert!(start.elapsed() < Duration::from_secs(30), "it sat the pause out");
    assert_eq!(code, Some(3), "{said}");
    for part in ["(p1) stopped in", "stopped between two batches", "2 rows of it are done", "0 failed, 1 stopped, "] {
        assert!(said.contains(part), "{part:?} is not in: {said}");
    }
    assert_eq!(fleet.number(rows).await, 2);
    assert_eq!(fleet.number("SELECT count(*) FROM control.ledger WHERE last_error IS NOT NULL").await, 0);
    let done = "SELECT count(*) FROM {p1}.patients WHERE search_name IS NOT NULL";
    assert_eq!(fleet.number(done).await, 2, "what was committed stays");

    let verified = fleet.ran(chain.migrator(&fleet.platform, &["verify"])).await;
    assert_eq!(verified.code, Some(3), "all are behind: {}", verified.text);
    assert!(verified.text.contains("p1: note, begun: version 4 was begun"), "{}", verified.text);

    // The third row is the last: no pause comes after it.
    let ran = fleet.ran(fleet.up(&chain, &["--tenant", "p1"])).await;
    assert_eq!((ran.code, ran.of("p1").0, fleet.number(done).await), (Some(0), "migrated", 3), "{}", ran.text);
    assert_eq!(fleet.versions().await, "intake 2, p1 4, p2 2, p3 2, p4 2");
}

/// How often a batch was tried again, and the run's end.
async fn ended_well(fleet: &Fleet, running: &Running, why: &str) {
    let (code, said) = end_of(running).await;
    assert_eq!(code, Some(0), "{said}");
    let again = said.lines().find(|line| line.contains("the batch will be tried again")).unwrap_or_default();
    assert!(again.contains(why), "{why:?} was not met: {said}");
    assert_eq!(fleet.number("SELECT count(*) FROM {p1}.patients WHERE search_name = lower(family_name)").await, 3);
}

const AGAIN: &str = "the batch will be tried again";

#[tokio::test]
async fn a_batch_that_may_not_wait_for_a_row_any_longer_is_tried_again() {
    let fleet = Fleet::copy("waves_batch_lock").await;
    let chain = filling(&fleet, "2", "1 ms").await;
    let other = fleet.other().await;
    other.batch_execute(&fleet.sql("BEGIN; UPDATE {p1}.patients SET given_name = given_name")).await.unwrap();
    let running = begin(&fleet, &chain, "100ms");
    running.wait_for_line(AGAIN, LIMIT).await.unwrap();
    other.batch_execute("ROLLBACK").await.unwrap();
    ended_well(&fleet, &running, "lock timeout").await;
}

/// The batch has the first row and waits for the second; who has the second then wants the first.
#[tokio::test]
async fn a_batch_that_is_the_victim_of_a_deadlock_is_tried_again() {
    let fleet = Fleet::copy("waves_batch_deadlock").await;
    let chain = filling(&fleet, "3", "1 ms").await;
    // Who waits first looks first, and by then the other one must wait as well; the other one never looks.
    fleet
        .execute(
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET deadlock_timeout = ''4s''', current_database()); END $$",
        )
        .await;
    let other = fleet.other().await;
    let row = |name: &str| {
        fleet.sql(&format!("UPDATE {{p1}}.patients SET given_name = given_name WHERE family_name = '{name}'"))
    };
    other.batch_execute(&format!("SET deadlock_timeout = '1h'; BEGIN; {}", row("Muster2"))).await.unwrap();
    let running = begin(&fleet, &chain, "50s");
    fleet.blocked("UPDATE patients").await;
    other.batch_execute(&row("Muster1")).await.unwrap();
    other.batch_execute("ROLLBACK").await.unwrap();
    ended_well(&fleet, &running, "deadlock detected").await;
}

/// Where an operator made transactions stricter for everybody, a batch looks again at a row that was changed meanwhile.
#[tokio::test]
async fn a_batch_is_not_refused_over_a_row_that_was_changed_meanwhile() {
    let fleet = Fleet::copy("waves_batch_serial").await;
    let chain = filling(&fleet, "2", "1 ms").await;
    fleet.execute("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_isolation = ''repeatable read''', current_database()); END $$").await;
    let other = fleet.other().await;
    other.batch_execute(&fleet.sql("BEGIN; UPDATE {p1}.patients SET given_name = given_name")).await.unwrap();
    let running = begin(&fleet, &chain, "50s");
    fleet.blocked("UPDATE patients").await;
    other.batch_execute("COMMIT").await.unwrap();
    let (code, said) = end_of(&running).await;
    assert!(code == Some(0) && !said.contains("could not serialize"), "{said}");
    assert_eq!(fleet.number("SELECT count(*) FROM {p1}.patients WHERE search_name IS NULL").await, 0);
}
