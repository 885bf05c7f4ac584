//! Locks: a migration never makes readers and writers of a practice wait for longer than it may, and comes again.
use std::time::{Duration, Instant};

use labor_testing::until;

use super::{Fleet, LIMIT, end_of};
use crate::chain::Chain;

const V3: (&str, &str) = (
    "V3__seen",
    "-- Kind: transaction\n-- Phase: expand\nALTER TABLE reports ADD COLUMN seen_at timestamptz;\nCOMMENT ON COLUMN reports.seen_at IS 'x';\n",
);
const INDEX: (&str, &str) = (
    "V3__given_name",
    "-- Kind: concurrent\n-- Phase: expand\nCREATE INDEX CONCURRENTLY IF NOT EXISTS patients_given_name ON patients (given_name);\n",
);

#[tokio::test]
async fn who_reads_for_long_delays_the_migration_and_nobody_else() {
    let fleet = Fleet::copy("waves_reader").await;
    let chain = Chain::copy(&fleet.files().await).with(V3);
    let (reader, other) = (fleet.other().await, fleet.other().await);
    reader.batch_execute(&fleet.sql("BEGIN; SELECT id FROM {p1}.reports")).await.unwrap();
    let given_up = fleet.ran(fleet.up(&chain, &["--tenant", "p1", "--retries", "0", "--lock-timeout", "100ms"])).await;
    assert_eq!((given_up.code, given_up.of("p1").0), (Some(3), "failed"), "{}", given_up.text);
    let error = given_up.of("p1").1;
    assert!(error.contains("lock timeout") && error.contains("V3__seen.sql"), "{error}");
    let holds = "SELECT pid::bigint FROM pg_locks WHERE relation = '{p1}.reports'::regclass LIMIT 1";
    let pid = fleet.number(holds).await;
    assert!(
        error.contains(&format!("In its way: server process {pid} of ")) && error.contains("has reports"),
        "{error}"
    );
    let line = given_up.lines.iter().find(|line| line["tenant"] == "p1").unwrap();
    assert_eq!(
        (&line["kind"], &line["sqlstate"], &line["file"], &line["held_by"][0]["pid"]),
        (&"database".into(), &"55P03".into(), &"V3__seen.sql".into(), &pid.into()),
        "{line}"
    );

    // So long that what the machine adds is little beside it.
    let running = fleet.begin(&chain, &["--retries", "100", "--lock-timeout", "2s"]);
    let work = fleet.sql("SELECT id FROM {p1}.reports; UPDATE {p1}.reports SET notes = notes");
    let (mut longest, mut blocked) = (Duration::ZERO, 0);
    until("three attempts", LIMIT, async || {
        // Asked first: this statement comes into the queue behind the migrator's lock.
        blocked += usize::from(fleet.number("SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation WHERE NOT granted AND c.relname = 'reports' AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())").await > 0);
        let start = Instant::now();
        other.batch_execute(&work).await.unwrap();
        longest = longest.max(start.elapsed());
        Ok(if blocked >= 3 { Ok(()) } else { Err(blocked.to_string()) })
    })
    .await
    .unwrap();
    reader.batch_execute("ROLLBACK").await.unwrap();
    let (code, said) = end_of(&running).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains(" at attempt "), "{said}");
    assert!(longest < Duration::from_millis(2700), "somebody waited for {longest:?}");
    fleet.is_whole(3).await;
}

#[tokio::test]
async fn who_waits_longer_than_the_server_looks_for_deadlocks_is_warned() {
    let fleet = Fleet::copy("waves_deadlock").await;
    let chain = Chain::copy(&fleet.files().await).with(V3);
    let warning = "the server looks for deadlocks after 1000 ms";
    for (wait, tenant, warned) in [("999ms", "p1", false), ("1s", "p2", true), ("2s", "p3", true)] {
        let ran = fleet.ran(fleet.up(&chain, &["--tenant", tenant, "--lock-timeout", wait])).await;
        assert_eq!((ran.code, ran.text.contains(warning)), (Some(0), warned), "{wait}: {}", ran.text);
    }
}

/// It would try for minutes.
#[tokio::test]
async fn ctrl_c_ends_the_wait_for_a_lock_before_its_next_attempt() {
    let fleet = Fleet::copy("waves_lock_ctrl_c").await;
    let chain = Chain::copy(&fleet.files().await).with(V3);
    let reader = fleet.other().await;
    reader.batch_execute(&fleet.sql("BEGIN; SELECT id FROM {p1}.reports")).await.unwrap();
    let running = fleet.begin(&chain, &["--tenant", "p1", "--retries", "1000", "--lock-timeout", "100ms"]);
    fleet.blocked("ALTER TABLE reports").await;
    running.interrupt();
    let (code, said) = end_of(&running).await;
    assert_eq!(code, Some(3), "{said}");
    for part in ["(p1) stopped in", "stopped before its next attempt", "lock timeout", "0 failed, 1 stopped, "] {
        assert!(said.contains(part), "{part:?} is not in: {said}");
    }
    assert_eq!(fleet.number("SELECT count(*) FROM control.ledger WHERE last_error IS NOT NULL").await, 0);
    reader.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(fleet.ran(fleet.up(&chain, &[])).await.code, Some(0));
    fleet.is_whole(3).await;
}

/// It waits for every transaction that is open, for as long as that takes.
#[tokio::test]
async fn who_is_in_the_way_of_an_index_is_told_and_ctrl_c_ends_the_build() {
    let fleet = Fleet::copy("waves_index_ctrl_c").await;
    let chain = Chain::copy(&fleet.files().await).with(INDEX);
    let writer = fleet.other().await;
    writer.batch_execute(&fleet.sql("BEGIN; UPDATE {p1}.patients SET given_name = given_name")).await.unwrap();
    let pid: i32 = writer.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
    let running = fleet.begin(&chain, &["--tenant", "p1"]);
    let backend = fleet.blocked("CREATE INDEX CONCURRENTLY").await;
    let told = format!(
        "V3__given_name.sql:3 waits, and goes on when it can; Ctrl-C ends it. In its way: server process {pid} of "
    );
    until("the word who is in its way", LIMIT, async || {
        Ok(if running.said().contains(&told) { Ok(()) } else { Err(running.said()) })
    })
    .await
    .unwrap();
    running.interrupt();
    let (code, said) = end_of(&running).await;
    assert_eq!(code, Some(3), "{said}");
    for part in
        ["(p1) stopped in", "stopped while an index was being built", "version 3 was begun", "0 failed, 1 stopped, "]
    {
        assert!(said.contains(part), "{part:?} is not in: {said}");
    }
    until("the server process to end", LIMIT, async || {
        let gone = "SELECT FROM pg_stat_activity WHERE pid = $1";
        Ok(fleet.client.query_opt(gone, &[&backend]).await.unwrap().map_or(Ok(()), |_| Err(backend.to_string())))
    })
    .await
    .unwrap();
    writer.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(fleet.ran(fleet.up(&chain, &[])).await.code, Some(0));
    assert_eq!(fleet.number("SELECT count(*) FROM pg_index WHERE NOT indisvalid").await, 0);
    fleet.is_whole(3).await;
}

#[tokio::test]
async fn an_index_whose_build_was_killed_is_built_anew() {
    let fleet = Fleet::copy("waves_index").await;
    let chain = Chain::copy(&fleet.files().await).with(INDEX);
    let writer = fleet.other().await;
    writer.batch_execute(&fleet.sql("BEGIN; UPDATE {p1}.patients SET given_name = given_name")).await.unwrap();
    let running = fleet.begin(&chain, &["--tenant", "p1"]);
    let backend = fleet.blocked("CREATE INDEX CONCURRENTLY").await;
    running.kill9();
    until("the killed migrator's backend to end by itself", LIMIT, async || {
        let sql = "SELECT FROM pg_stat_activity WHERE pid = $1";
        Ok(fleet.client.query_opt(sql, &[&backend]).await.unwrap().map_or(Ok(()), |_| Err(backend.to_string())))
    })
    .await
    .unwrap();
    writer.batch_execute("ROLLBACK").await.unwrap();
    let invalid = "SELECT count(*) FROM pg_index WHERE NOT indisvalid";
    assert_eq!(fleet.number(invalid).await, 1, "the test did not test anything");
    let verified = fleet.ran(chain.migrator(&fleet.platform, &["verify"])).await;
    assert!(verified.code == Some(3) && verified.text.contains("patients_given_name is INVALID"), "{}", verified.text);
    let ran = fleet.ran(fleet.up(&chain, &[])).await;
    assert_eq!((ran.code, fleet.number(invalid).await), (Some(0), 0), "{}", ran.text);
    fleet.is_whole(3).await;
}
