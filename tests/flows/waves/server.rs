//! The database server restarted, or gone, in the middle of a wave.
use std::time::{Duration, Instant};

use labor_testing::{Platform, Postgres, scratch};

use super::{Fleet, end_of, populate};

/// A run in which one practice has to wait, on a cluster of its own.
async fn in_the_middle(name: &str) -> (Postgres, Fleet, labor_testing::Running) {
    let folder = scratch().await.unwrap().join(name);
    let cluster = Postgres::start(&folder.join("postgres")).await.unwrap();
    let platform = Platform::create(&cluster, &folder, "labor").await.unwrap();
    populate(&platform, &cluster.connect("labor").await.unwrap(), 3).await;
    let fleet = Fleet::of(platform, cluster.connect("labor").await.unwrap()).await;
    let chain = crate::chain::Chain::whole(&folder.join("db"));
    let reader = cluster.connect("labor").await.unwrap();
    reader.batch_execute(&fleet.sql("BEGIN; SELECT id FROM {p2}.patients")).await.unwrap();
    let running = fleet.begin(&chain, &["--workers", "2", "--retries", "10"]);
    fleet.blocked("search_name").await;
    (cluster, fleet, running)
}

#[tokio::test]
async fn a_server_that_is_restarted_in_the_middle_of_a_wave_is_waited_for() {
    let (cluster, fleet, running) = in_the_middle("waves_restart").await;
    cluster.restart().await.unwrap();
    let (code, said) = end_of(&running).await;
    assert_eq!(code, Some(0), "{said}");
    let fleet = Fleet::of(fleet.platform, cluster.connect("labor").await.unwrap()).await;
    fleet.is_whole(6).await;
}

#[tokio::test]
async fn a_server_that_stays_away_is_told_in_bounded_time() {
    let (cluster, fleet, running) = in_the_middle("waves_away").await;
    cluster.stop().await.unwrap();
    let start = Instant::now();
    let (code, said) = end_of(&running).await;
    assert!(start.elapsed() < Duration::from_secs(50));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("can't connect to labor_migrator at 127.0.0.1:"), "{said}");
    // What came first is the error, and it says whose it is.
    let last = said.lines().last().unwrap_or_default();
    assert!(last.starts_with("labor-migrator: "), "{said}");
    assert!(fleet.tenants.iter().any(|tenant| last.contains(&tenant.0)), "{said}");
}
