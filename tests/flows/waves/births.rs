//! Practices that sign up while a run is under way.
use std::collections::BTreeSet;

use super::{Fleet, LIMIT, end_of};

#[tokio::test]
async fn practices_born_during_a_run_are_missed_by_none() {
    let fleet = Fleet::copy("waves_births").await;
    let chain = fleet.whole().await;
    let born = async |slug: &str| {
        let ran = fleet.ran(chain.migrator(&fleet.platform, &["--json", "provision", slug, "--name", "X"])).await;
        assert_eq!(ran.code, Some(0), "{}", ran.text);
        ran.lines[0]["version"].as_i64().unwrap()
    };
    let (canary, last) = (fleet.other().await, fleet.other().await);
    let lock = "BEGIN; LOCK TABLE {slug}.patients IN ACCESS SHARE MODE";
    for (client, slug) in [(&canary, "p1"), (&last, "p4")] {
        client.batch_execute(&lock.replace("{slug}", fleet.name(slug))).await.unwrap();
    }
    let arguments = [
        "--first",
        "p1",
        "--wave",
        "canary=1,rest=rest",
        "--pause-between",
        "2s",
        "--workers",
        "2",
        "--retries",
        "100",
    ];
    let running = fleet.begin(&chain, &[arguments.as_slice(), &["--lock-timeout", "200ms"]].concat());
    fleet.blocked("LOCK TABLE").await;
    assert_eq!(born("early").await, 2, "the canary has not succeeded yet");
    canary.batch_execute("ROLLBACK").await.unwrap();
    running.wait_for_line(fleet.name("p1"), LIMIT).await.unwrap();
    assert_eq!(born("between").await, 6);
    running.wait_for_line("wave rest", LIMIT).await.unwrap();
    fleet.blocked("LOCK TABLE").await;
    assert_eq!(born("late").await, 6);
    last.batch_execute("ROLLBACK").await.unwrap();
    let (code, said) = end_of(&running).await;
    assert_eq!(code, Some(0), "{said}");
    fleet.is_whole(6).await;
    // Brought here from version to version, or born here as the reference is: else each proof asks for a fingerprint after all.
    let names: Vec<&str> = fleet.tenants.iter().map(|(name, _)| name.as_str()).collect();
    let born = fleet.client.query("SELECT name FROM control.tenants WHERE name <> ALL ($1)", &[&names]).await.unwrap();
    assert_eq!(born.len(), 3);
    let names: Vec<&str> = names.into_iter().chain(born.iter().map(|row| row.get(0))).collect();
    let shapes = fleet.client.query(&*labor_catalog::sql::FLEET_SHAPES, &[&names]).await.unwrap();
    let shapes: BTreeSet<&str> = shapes.iter().map(|row| row.get(1)).collect();
    assert_eq!(shapes.len(), 1);
}

/// When all were brought up one by one, a run that finds nobody behind may still meet a birth at the old version.
#[tokio::test]
async fn who_is_born_while_nobody_seems_to_be_behind_is_reached_too() {
    let fleet = Fleet::copy("waves_born_last").await;
    let chain = fleet.whole().await;
    let each = ["intake", "p1", "p2", "p3", "p4"].map(|slug| ["--tenant", fleet.name(slug)]).concat();
    assert_eq!(fleet.ran(fleet.up(&chain, &each)).await.code, Some(0));
    assert_eq!(fleet.number("SELECT generation::bigint FROM control.fleet").await, 2);
    // As a provision that has begun and is not registered yet.
    let birth = fleet.other().await;
    birth.batch_execute("BEGIN; SELECT FROM control.fleet FOR SHARE").await.unwrap();
    let running = fleet.begin(&chain, &[]);
    fleet.blocked("UPDATE control.fleet").await;
    let born = fleet.ran(chain.migrator(&fleet.platform, &["--json", "provision", "born", "--name", "X"])).await;
    assert_eq!((born.code, born.lines[0]["version"].as_i64()), (Some(0), Some(2)), "{}", born.text);
    birth.batch_execute("ROLLBACK").await.unwrap();
    let (code, said) = end_of(&running).await;
    assert_eq!(code, Some(0), "{said}");
    fleet.is_whole(6).await;
}
