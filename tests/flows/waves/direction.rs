//! A fleet goes one way at a time: `up` and `undo` never meet, two `up` do.
use labor_testing::until;

use super::{Fleet, LIMIT, Ran, end_of};
use crate::chain::Chain;

const V3: [(&str, &str); 2] = [
    (
        "V3__seen",
        "-- Why: a test.\n-- Locks: reports.\n-- Previous release: nothing.\n-- Kind: transaction\n-- Phase: expand\n\
         ALTER TABLE reports ADD COLUMN seen_at timestamptz;\nCOMMENT ON COLUMN reports.seen_at IS 'x';\n",
    ),
    ("V3__seen.undo", "-- Why: a test.\nALTER TABLE reports DROP COLUMN seen_at;\n"),
];
const UNDO: [&str; 4] = ["undo", "--to", "2", "--yes"];
const HOLDER: &str = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1
    AND ((classid::bigint << 32) | objid::bigint) = hashtextextended('labor direction', 0)
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";

/// Refused as one that was not tried, and told by whom.
fn opposed(ran: &Ran, by: &str) {
    assert_eq!(ran.code, Some(3), "{}", ran.text);
    assert!(ran.text.contains(by) && ran.text.contains("one way at a time"), "{}", ran.text);
}

#[tokio::test]
async fn up_and_undo_never_meet_and_two_up_do() {
    let fleet = Fleet::copy("waves_opposed").await;
    let chain = V3.into_iter().fold(Chain::copy(&fleet.files().await), Chain::with);
    let reader = fleet.other().await;
    let (read, wait) =
        (fleet.sql("BEGIN; SELECT id FROM {p4}.reports"), ["--retries", "100", "--lock-timeout", "200ms"]);
    let migrator = |arguments: &[&str]| chain.migrator(&fleet.platform, arguments).limit(LIMIT);

    reader.batch_execute(&read).await.unwrap();
    let running = fleet.begin(&chain, &wait);
    fleet.blocked("ADD COLUMN seen_at").await;
    let before = fleet.number("SELECT generation::bigint FROM control.fleet").await;
    opposed(&fleet.ran(migrator(&UNDO)).await, "`up` to version 3 (run ");
    assert_eq!(fleet.number("SELECT generation::bigint FROM control.fleet").await, before, "it was not even begun");
    assert_eq!(fleet.ran(fleet.up(&chain, &["--tenant", "p1"])).await.code, Some(0));
    reader.batch_execute("ROLLBACK").await.unwrap();
    let (code, said) = end_of(&running).await;
    assert_eq!(code, Some(0), "{said}");
    fleet.is_whole(3).await;

    reader.batch_execute(&read).await.unwrap();
    let log = fleet.platform.folder().join("waves_opposed_undo.log");
    let running = migrator(&[UNDO.as_slice(), &wait].concat()).start_with_log(&log).unwrap();
    fleet.blocked("LOCK TABLE").await;
    opposed(&fleet.ran(fleet.up(&chain, &[])).await, "`undo` to version 2 (run ");
    opposed(&fleet.ran(migrator(&UNDO)).await, "`undo` to version 2 (run ");
    let born = fleet.ran(migrator(&["--json", "provision", "born", "--name", "X"])).await;
    assert_eq!((born.code, &born.lines[0]["version"]), (Some(0), &2.into()), "signing up goes on: {}", born.text);
    reader.batch_execute("ROLLBACK").await.unwrap();
    let (code, said) = end_of(&running).await;
    assert_eq!(code, Some(0), "{said}");
    fleet.is_whole(2).await;
}

/// As after a restart of the server, when somebody else is quicker.
#[tokio::test]
async fn a_run_that_lost_the_direction_begins_no_further_tenant() {
    let fleet = Fleet::copy("waves_turned").await;
    let chain = V3.into_iter().fold(Chain::copy(&fleet.files().await), Chain::with);
    let (reader, other) = (fleet.other().await, fleet.other().await);
    reader.batch_execute(&fleet.sql("BEGIN; SELECT id FROM {p1}.reports")).await.unwrap();
    let running = fleet.begin(&chain, &["--first", "p1", "--workers", "1", "--retries", "100"]);
    fleet.blocked("ADD COLUMN seen_at").await;
    let holder: i32 = other.query_one(HOLDER, &[]).await.unwrap().get(0);
    other.query_one("SELECT pg_terminate_backend($1, 10000)", &[&holder]).await.unwrap();
    other.batch_execute("SELECT pg_advisory_lock(hashtextextended('labor direction', 0))").await.unwrap();
    reader.batch_execute("ROLLBACK").await.unwrap();
    let (code, said) = end_of(&running).await;
    assert!(code == Some(3) && said.contains("`undo` (server process "), "{said}");
    assert_eq!(fleet.versions().await, "intake 2, p1 3, p2 2, p3 2, p4 2");
    assert_eq!(fleet.number("SELECT count(*) FROM control.runs WHERE outcome = 'failed'").await, 1);
    drop(other);
    until("the direction to be given back", LIMIT, async || {
        Ok(fleet.client.query_opt(HOLDER, &[]).await.unwrap().map_or(Ok(()), |_| Err("not yet".to_owned())))
    })
    .await
    .unwrap();
    assert_eq!(fleet.ran(fleet.up(&chain, &[])).await.code, Some(0));
    fleet.is_whole(3).await;
}

/// A wave may end well although a worker ended because the direction was lost: what comes after it, such as raising the version of
/// births, must not happen either.
#[tokio::test]
async fn a_run_that_lost_the_direction_raises_no_generation() {
    let fleet = Fleet::copy("waves_unraised").await;
    let chain = V3.into_iter().fold(Chain::copy(&fleet.files().await), Chain::with);
    let (reader, other) = (fleet.other().await, fleet.other().await);
    reader.batch_execute(&fleet.sql("BEGIN; SELECT id FROM {p1}.reports")).await.unwrap();
    let arguments = ["--wave", "canary=2,rest", "--first", "p1", "--first", "p2", "--workers", "2", "--retries", "100"];
    let running = fleet.begin(&chain, &arguments);
    let alone = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'labor-migrator'";
    until("the worker of p2 to be gone", LIMIT, async || {
        let (done, sessions) = (fleet.versions().await.contains("p2 3"), fleet.number(alone).await);
        Ok(if done && sessions == 2 { Ok(()) } else { Err(sessions.to_string()) })
    })
    .await
    .unwrap();
    let holder: i32 = other.query_one(HOLDER, &[]).await.unwrap().get(0);
    other.query_one("SELECT pg_terminate_backend($1, 10000)", &[&holder]).await.unwrap();
    other.batch_execute("SELECT pg_advisory_lock(hashtextextended('labor direction', 0))").await.unwrap();
    reader.batch_execute("ROLLBACK").await.unwrap();
    let (code, said) = end_of(&running).await;
    assert!(code == Some(3) && said.contains("`undo` (server process "), "{said}");
    assert_eq!(fleet.versions().await, "intake 2, p1 3, p2 3, p3 2, p4 2");
    assert_eq!(fleet.number("SELECT generation::bigint FROM control.fleet").await, 2);
    assert_eq!(fleet.number("SELECT count(*) FROM control.runs WHERE outcome = 'failed'").await, 1);
}
