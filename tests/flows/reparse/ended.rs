//! Runs that are killed, meet each other, or are overtaken by a correction.
use labor_testing::{postgres, until};
use tokio_postgres::Client;

use super::{READ, SAYS, begin, everything, reparse, sent, versions};
use crate::alerts::{order, post};
use crate::clinic::{Clinic, LIMIT, clinic};

/// Three messages about three reports that read otherwise.
async fn three(clinic: &Clinic) -> Vec<String> {
    let mut messages = Vec::new();
    for number in 1..=3 {
        let of = |value: &str| order(number, &format!("L-{number}"), "19661024|F", &[value]);
        messages.push(sent(clinic, &of(READ), &of(SAYS)).await);
    }
    messages
}

/// Keeps a message from being stored until it is told to end.
async fn hold(clinic: &Clinic, message: &str) -> Client {
    let client = postgres().await.connect(clinic.platform.database()).await.unwrap();
    let lock = format!("BEGIN; SELECT FROM {}.raw_messages WHERE id = '{message}' FOR UPDATE", clinic.tenants[0]);
    client.batch_execute(&lock).await.unwrap();
    client
}

async fn until_waiting(clinic: &Clinic, runs: i64) {
    let waits = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE usename = '{}_app' AND wait_event_type = 'Lock' AND query LIKE '%raw_messages%'",
        clinic.tenants[0]
    );
    until("the run to wait for a message", LIMIT, async || {
        let waiting = clinic.count(&waits).await;
        Ok(if waiting >= runs { Ok(()) } else { Err(format!("{waiting} wait")) })
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_run_that_is_killed_goes_on_where_it_stopped() {
    let clinic = clinic("reparse_killed").await;
    let messages = three(&clinic).await;
    let plan = reparse(&clinic, &[]).await.plan();
    let held = hold(&clinic, &messages[1]).await;
    let run = begin(&clinic, &["--apply", &plan]);
    until_waiting(&clinic, 1).await;
    // Dropped, it is killed.
    drop(run);
    assert_eq!(versions(&clinic).await, 4, "the first is stored");
    held.batch_execute("ROLLBACK").await.unwrap();
    let applied = reparse(&clinic, &["--apply", &plan]).await;
    assert!(applied.finished.status.success(), "{}", applied.finished.stderr);
    let said = &applied.last()["applied"];
    assert_eq!((said["messages"].as_i64(), said["messages_before"].as_i64()), (Some(2), Some(1)), "{said}");
    assert_eq!(versions(&clinic).await, 6);
    let twice = format!(
        "SELECT count(*) FROM (SELECT FROM {}.reports WHERE reading = 2 GROUP BY raw_message_id) AS once",
        clinic.tenants[0]
    );
    assert_eq!(clinic.count(&twice).await, 3);
}

/// The oldest message's row is the practice's lock, whichever messages a plan is about.
#[tokio::test]
async fn two_runs_at_once_store_everything_once() {
    let clinic = clinic("reparse_two").await;
    let messages = three(&clinic).await;
    let plan = reparse(&clinic, &["--message", &messages[1], &messages[2]]).await.plan();
    let held = hold(&clinic, &messages[0]).await;
    let runs = [begin(&clinic, &["--apply", &plan]), begin(&clinic, &["--apply", &plan])];
    until_waiting(&clinic, 2).await;
    held.batch_execute("ROLLBACK").await.unwrap();
    let (mut stored, mut before) = (0, 0);
    for run in runs {
        let ended = super::Printed::of(run.end().await.unwrap());
        assert!(ended.finished.status.success(), "{}", ended.finished.stderr);
        stored += ended.last()["applied"]["messages"].as_i64().unwrap();
        before += ended.last()["applied"]["messages_before"].as_i64().unwrap();
    }
    assert_eq!((stored, before, versions(&clinic).await), (2, 2, 5));
}

/// All is as planned when the run begins; then a correction comes.
#[tokio::test]
async fn a_correction_that_comes_in_between_is_seen_and_nothing_of_that_message_is_stored() {
    let clinic = clinic("reparse_overtaken").await;
    let messages = three(&clinic).await;
    let plan = reparse(&clinic, &[]).await.plan();
    let held = hold(&clinic, &messages[0]).await;
    let run = begin(&clinic, &["--apply", &plan]);
    until_waiting(&clinic, 1).await;
    post(&clinic, &order(4, "L-1", "19661024|F", &["K||4.5|mmol/L||N|||C"])).await;
    let corrected = everything(&clinic).await;
    held.batch_execute("ROLLBACK").await.unwrap();
    let ended = super::Printed::of(run.end().await.unwrap());
    assert!(!ended.finished.status.success());
    assert!(ended.message(&messages[0]).is_some(), "{:?}", ended.lines);
    assert_eq!(everything(&clinic).await, corrected);
}
