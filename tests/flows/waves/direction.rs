//! A fleet goes one way at a time, and by the same files: `up` and `undo` never meet, two `up` do when they have the same.
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
    fleet.blocked("ALTER TABLE reports").await;
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

const OTHER: &str = "-- Why: a test.\n-- Locks: reports.\n-- Previous release: nothing.\n-- Kind: transaction\n-- Phase: expand\n\
    ALTER TABLE reports ADD COLUMN heard_at timestamptz;\nCOMMENT ON COLUMN reports.heard_at IS 'x';\n";

/// Two branches took the same number, or two releases have other row rules: the practices would be of two kinds, and no later `up` could
/// make them one.
#[tokio::test]
async fn two_up_go_together_only_by_the_same_files() {
    let fleet = Fleet::copy("waves_two_files").await;
    let chain = V3.into_iter().fold(Chain::copy(&fleet.files().await), Chain::with);
    let folder = |name: &str| fleet.platform.folder().join(name);
    let other = Chain::copy(&folder("waves_other_files")).with(("V3__heard", OTHER));
    let rules =
        V3.into_iter().fold(Chain::copy(&folder("waves_other_rules")), Chain::with).with_rules("    -- another\n");
    let reader = fleet.other().await;
    reader.batch_execute(&fleet.sql("BEGIN; SELECT id FROM {p4}.reports")).await.unwrap();
    let running = fleet.begin(&chain, &["--retries", "100", "--lock-timeout", "200ms"]);
    fleet.blocked("ALTER TABLE reports").await;
    let alone = async || {
        opposed(&fleet.ran(fleet.up(&other, &[])).await, "`up` to version 3 with other migrations (run ");
        let by = "`up` to version 3 with other row rules (db/rls/tenant.sql) (run ";
        opposed(&fleet.ran(fleet.up(&rules, &["--rules"])).await, by);
    };
    alone().await;
    let along = fleet.ran(fleet.up(&chain, &["--to", "2", "--tenant", "p4"])).await;
    assert_eq!(along.code, Some(0), "another target of the same files: {}", along.text);
    // The run's own session is lost; what its workers have in hand is theirs nevertheless.
    let holder = until("the other's session to be gone", LIMIT, async || {
        let holders = fleet.client.query(HOLDER, &[]).await.unwrap();
        Ok(if holders.len() == 1 { Ok(holders[0].get::<_, i32>(0)) } else { Err(holders.len().to_string()) })
    });
    let holder = holder.await.unwrap();
    fleet.client.query_one("SELECT pg_terminate_backend($1, 10000)", &[&holder]).await.unwrap();
    alone().await;
    reader.batch_execute("ROLLBACK").await.unwrap();
    let (code, said) = end_of(&running).await;
    assert_eq!(code, Some(0), "{said}");
    fleet.is_whole(3).await;
    let late = fleet.ran(fleet.up(&other, &[])).await;
    assert!(late.text.contains("V3__heard.sql was edited after it was applied"), "{}", late.text);
    fleet.is_whole(3).await;
}

/// As when somebody with other files has begun a practice since the files were compared: their text can't be written over any more.
#[tokio::test]
async fn no_text_is_run_that_is_not_the_recorded_one() {
    let fleet = Fleet::copy("waves_recorded").await;
    let chain = V3.into_iter().fold(Chain::copy(&fleet.files().await), Chain::with);
    let other = fleet.other().await;
    other.batch_execute("BEGIN; LOCK TABLE control.migrations IN EXCLUSIVE MODE").await.unwrap();
    let running = fleet.begin(&chain, &[]);
    fleet.blocked("INSERT INTO control.migrations").await;
    let begun = fleet.sql(
        r#"INSERT INTO control.migrations (version, name, kind, phase, body) VALUES (3, 'heard', 'concurrent', 'expand', 'SELECT 1;');
           UPDATE control.ledger SET chain_checksum = '', progress = '{"version": 3, "way": "up", "rows": 0}' WHERE tenant = '{p1}'; COMMIT"#,
    );
    other.batch_execute(&begun).await.unwrap();
    let (_, said) = end_of(&running).await;
    assert!(said.contains("V3__seen.sql was edited") && said.contains("-SELECT 1;"), "{said}");
    assert_eq!(fleet.versions().await, "intake 2, p1 2, p2 2, p3 2, p4 2");
}

/// As after a restart of the server, when somebody else is quicker.
#[tokio::test]
async fn a_run_that_lost_the_direction_begins_no_further_tenant() {
    let fleet = Fleet::copy("waves_turned").await;
    let chain = V3.into_iter().fold(Chain::copy(&fleet.files().await), Chain::with);
    let (reader, other) = (fleet.other().await, fleet.other().await);
    reader.batch_execute(&fleet.sql("BEGIN; SELECT id FROM {p1}.reports")).await.unwrap();
    let running = fleet.begin(&chain, &["--first", "p1", "--workers", "1", "--retries", "100"]);
    fleet.blocked("ALTER TABLE reports").await;
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
