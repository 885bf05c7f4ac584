//! What `history` says of runs that have not ended: those that are at work, and those that never will.
use labor_testing::until;

use super::{Fleet, LIMIT, end_of};

/// The outcomes of all `up`, newest first.
async fn outcomes(fleet: &Fleet) -> Vec<Option<String>> {
    let runs = fleet.platform.json("labor-migrator", &["--json", "history"], "").await.unwrap();
    let ups = runs.as_array().unwrap().iter().filter(|run| run["command"] == "up");
    ups.map(|run| run["outcome"].as_str().map(str::to_owned)).collect()
}

/// The sessions that hold the lock of a run. The keys of practices are held by one session alone.
async fn sessions(fleet: &Fleet) -> Vec<i32> {
    let sql = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ShareLock'
                  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    fleet.client.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn a_killed_run_is_told_from_one_that_is_at_work() {
    let fleet = Fleet::copy("waves_killed").await;
    let chain = fleet.whole().await;
    let reader = fleet.other().await;
    reader.batch_execute(&fleet.sql("BEGIN; SELECT id FROM {p1}.patients")).await.unwrap();
    let running = fleet.begin(&chain, &["--tenant", "p1", "--retries", "100"]);
    fleet.blocked("LOCK TABLE").await;
    assert_eq!(outcomes(&fleet).await, [None], "it is at work");
    running.kill9();
    until("the end of its sessions", LIMIT, async || {
        let left = sessions(&fleet).await;
        Ok(if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) })
    })
    .await
    .unwrap();
    assert_eq!(outcomes(&fleet).await, [Some("killed".to_owned())]);
    reader.batch_execute("ROLLBACK").await.unwrap();
    let said = fleet.ran(fleet.platform.program("labor-migrator").unwrap().args(["history"])).await;
    assert!(said.text.contains("killed") && !said.text.contains("running"), "{}", said.text);
    assert_eq!(fleet.ran(fleet.up(&chain, &[])).await.code, Some(0));
    assert_eq!(outcomes(&fleet).await, [Some("completed".to_owned()), Some("killed".to_owned())]);
}

#[tokio::test]
async fn who_interrupts_twice_ends_the_run_at_once_and_the_server_takes_back_what_was_open() {
    let fleet = Fleet::copy("waves_twice_interrupted").await;
    let chain = fleet.whole().await;
    let reader = fleet.other().await;
    reader.batch_execute(&fleet.sql("BEGIN; SELECT id FROM {p1}.patients")).await.unwrap();
    let running = fleet.begin(&chain, &["--first", "p1", "--workers", "1", "--lock-timeout", "10m"]);
    fleet.blocked("LOCK TABLE").await;
    running.interrupt();
    running.wait_for_line("once more ends at once", LIMIT).await.unwrap();
    assert!(running.exited().is_none(), "the first waits for the practice in hand: {}", running.said());
    running.interrupt();
    let (code, said) = end_of(&running).await;
    assert_eq!(code, Some(130), "{said}");
    assert!(!said.contains(" migrated in "), "{said}");
    until("the end of its sessions", LIMIT, async || {
        let left = sessions(&fleet).await;
        Ok(if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) })
    })
    .await
    .unwrap();
    assert_eq!(fleet.versions().await, "intake 2, p1 2, p2 2, p3 2, p4 2");
    reader.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(fleet.ran(fleet.up(&chain, &[])).await.code, Some(0));
    fleet.is_whole(6).await;
}

/// Also while it rests between two waves, when only one session is left and nothing is asked of it.
#[tokio::test]
async fn a_run_whose_connections_were_lost_is_at_work_as_soon_as_it_is_back() {
    let fleet = Fleet::copy("waves_cut_off").await;
    let chain = fleet.whole().await;
    let running = fleet.begin(&chain, &["--wave", "canary=1,rest=rest", "--pause-between", "10m"]);
    running.wait_for_line("migrated in", LIMIT).await.unwrap();
    // The last that is asked before the rest, but for who is left: a statement that is cut off ends the run.
    until("the version of births", LIMIT, async || {
        let version = fleet.number("SELECT generation::bigint FROM control.fleet").await;
        Ok(if version == 6 { Ok(()) } else { Err(version.to_string()) })
    })
    .await
    .unwrap();
    let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                WHERE datname = current_database() AND application_name = 'labor-migrator'";
    let before = sessions(&fleet).await;
    assert!(fleet.number(cut).await > 0 && !before.is_empty());
    until("new sessions of the run", LIMIT, async || {
        let now = sessions(&fleet).await;
        let new = !now.is_empty() && now.iter().all(|pid| !before.contains(pid));
        Ok(if new { Ok(()) } else { Err(format!("{now:?} after {before:?}")) })
    })
    .await
    .unwrap();
    assert_eq!(outcomes(&fleet).await, [None]);
    // As a service manager ends it.
    let (code, said) = (running.terminate(LIMIT).await.unwrap().code(), running.said());
    assert_eq!(code, Some(3), "{said}");
    assert_eq!(outcomes(&fleet).await, [Some("stopped".to_owned())], "{said}");
}
