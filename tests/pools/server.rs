//! Faults of the server itself.
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join_all;
use labor_db::PoolSettings;
use labor_testing::until;

use crate::world::{Full, LIMIT, World, impatient, patient};

#[tokio::test]
async fn a_restart_under_load_answers_nothing_but_own_results_and_try_again() {
    let world = World::new(2).await;
    let pools = world.pools(world.url(), patient());
    let done = AtomicBool::new(false);
    let client = async |n: usize| {
        let mut served = 0;
        while !done.load(Ordering::Relaxed) {
            match pools.request(&world.practices[n % 2]).await {
                Ok(()) => served += 1,
                Err(error) => assert!(error.is_transient(), "{error:?}"),
            }
            tokio::task::yield_now().await;
        }
        served
    };
    let restart = async {
        pools.until_served(&world.practices[0]).await;
        world.postgres.kill().await.unwrap();
        world.postgres.restart().await.unwrap();
        for practice in &world.practices {
            pools.until_served(practice).await;
        }
        done.store(true, Ordering::Relaxed);
    };
    let (served, ()) = tokio::join!(join_all((0..8).map(client)), restart);
    assert!(served.iter().sum::<usize>() > 0);
    assert!(pools.tenants.free() >= patient().budget - 12, "places were lost");
    pools.add_up();
}

#[tokio::test]
async fn a_server_that_stands_still_is_given_up_and_served_from_when_it_goes_on() {
    let world = World::new(2).await;
    let pools = world.pools(world.url(), impatient());
    for practice in &world.practices {
        pools.until_served(practice).await;
    }
    let frozen = world.postgres.freeze().unwrap();
    for practice in world.practices.iter().cycle().take(4) {
        let error = pools.request(practice).await.unwrap_err();
        assert!(error.is_transient(), "{error:?}");
    }
    drop(frozen);
    for practice in &world.practices {
        pools.until_served(practice).await;
    }
    pools.add_up();
}

#[tokio::test]
async fn a_connection_that_the_server_ended_is_replaced() {
    let world = World::new(1).await;
    let pools = world.pools(world.url(), patient());
    let practice = &world.practices[0];
    let end = format!(
        "SELECT count(pg_terminate_backend(pid, 60000)) FROM pg_stat_activity WHERE usename = '{}'",
        practice.name.role()
    );
    // The client may not yet know of the end when it uses the connection; mostly it does.
    let lost = until("the end of a connection to be noticed before it was used", LIMIT, async || {
        pools.until_served(practice).await;
        assert_eq!(world.count(&end).await, 1);
        pools.until_served(practice).await;
        Ok(if pools.figure("lost_total") > 0 { Ok(()) } else { Err("it was used".to_owned()) })
    });
    lost.await.unwrap();
    assert_eq!(pools.figure("open"), 1);
    pools.add_up();
}

#[tokio::test]
async fn a_server_without_a_free_connection_is_asked_again_later() {
    let world = World::new(2).await;
    let pools = world.pools(world.url(), PoolSettings { wait: PoolSettings::default().wait, ..patient() });
    let full = Full::prepare(&world.postgres).await;
    // The control plane has its connection before the server is full.
    for practice in &world.practices {
        pools.until_served(practice).await;
    }
    let all = full.take_all(&world).await;
    for practice in &world.practices {
        let error = pools.request(practice).await.unwrap_err();
        assert!(error.is_transient(), "{error:?}");
    }
    drop(all);
    for practice in &world.practices {
        pools.until_served(practice).await;
    }
}
