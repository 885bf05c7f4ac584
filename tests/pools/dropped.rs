//! Requests whose clients go away.
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use labor_db::{DbError, PoolSettings};
use labor_testing::{dropped_after, until};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::world::{LIMIT, World, patient, request};

const DROPPED: usize = 1000;
const AT_ONCE: usize = 24;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_requests_dropped_anywhere_mix_up_nothing_and_leave_nothing() {
    let world = World::new(3).await;
    let settings = PoolSettings { budget: 4, per_tenant: 3, ..patient() };
    let pools = world.pools(world.url(), settings);
    let (places, mut running) = (Arc::new(Semaphore::new(AT_ONCE)), JoinSet::new());
    let (dropped, mut points, mut number) = (Arc::new(AtomicUsize::new(0)), fastrand::Rng::with_seed(7), 0);
    while dropped.load(Ordering::Relaxed) < DROPPED {
        let place = places.clone().acquire_owned().await.unwrap();
        number += 1;
        assert!(number < 20 * DROPPED, "hardly any is dropped");
        // What is seen is looked at in `request`. One of five may stay, the others go at any point there is.
        let polls = if number % 5 == 0 { usize::MAX } else { points.usize(1..=31) };
        let counted = dropped.clone();
        let (tenants, practice) = (pools.tenants.clone(), world.practices[number % 3].clone());
        running.spawn(async move {
            let seen = dropped_after(polls, Box::pin(request(&tenants, &practice))).await;
            if seen.is_none() {
                counted.fetch_add(1, Ordering::Relaxed);
            }
            drop(place);
            seen
        });
    }
    let all: Vec<Option<Result<(), DbError>>> = running.join_all().await;
    let (dropped, done) = (all.iter().filter(|seen| seen.is_none()).count(), all.iter().flatten().count());
    assert!(dropped >= DROPPED && done > 100, "{dropped} dropped, {done} done");
    assert!(all.iter().flatten().all(Result::is_ok), "{:?}", all.iter().flatten().find(|seen| seen.is_err()));
    assert_eq!(pools.figure("waiting"), 0);
    assert_eq!(pools.figure("open"), pools.figure("idle"), "a place was lost");
    assert!(pools.figure("discarded_total") > 0);
    pools.add_up();
    until("the end of all transactions", LIMIT, async || {
        let open = world
            .count("SELECT count(*) FROM pg_stat_activity WHERE usename LIKE 't\\_%\\_app' AND xact_start IS NOT NULL")
            .await;
        Ok(if open == 0 { Ok(()) } else { Err(format!("{open} open")) })
    })
    .await
    .unwrap();
    for practice in &world.practices {
        pools.request(practice).await.unwrap();
    }
}
