//! More requests than connections, and none at all.
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use labor_db::PoolSettings;
use labor_testing::{Mode, Proxy};

use crate::world::{World, patient};

#[tokio::test]
async fn a_crowd_waits_on_its_own_connections_and_another_practice_is_served_beside_it() {
    let world = World::new(2).await;
    let [a, b] = &world.practices[..] else { unreachable!() };
    let settings = PoolSettings { budget: 2, per_tenant: 2, ..patient() };
    let pools = world.pools(world.url(), settings);
    let held = [pools.session(a).await.unwrap(), pools.session(a).await.unwrap()];
    let crowd = join_all((0..50).map(|_| pools.request(a)));
    let other = pools.request(b);
    let let_go = async {
        pools.until("waiting", 51).await;
        drop(held);
    };
    let (crowd, other, ()) = tokio::join!(crowd, other, let_go);
    assert!(other.is_ok() && crowd.iter().all(Result::is_ok));
    // One connection was closed for the other practice; the crowd went on with the one it had, and at last took its second again.
    assert!(pools.figure("evicted_total") <= 2, "{} closed", pools.figure("evicted_total"));
    assert!(pools.figure("connects_total") <= 4, "{} opened", pools.figure("connects_total"));
    assert_eq!((pools.figure("waiting"), pools.figure("discarded_total")), (0, 0));
    pools.add_up();
}

#[tokio::test]
async fn a_practice_whose_connection_is_in_use_for_long_is_not_overtaken_for_ever() {
    let world = World::new(2).await;
    let [a, b] = &world.practices[..] else { unreachable!() };
    let settings = PoolSettings { budget: 2, per_tenant: 2, ..patient() };
    let pools = world.pools(world.url(), settings);
    let slow = pools.session(a).await.unwrap();
    let done = AtomicBool::new(false);
    let crowd = async || {
        while !done.load(Ordering::Relaxed) {
            pools.request(b).await.unwrap();
        }
    };
    let other = async {
        pools.until("waiting", 3).await;
        let served = pools.request(a).await;
        done.store(true, Ordering::Relaxed);
        served
    };
    let (_, served) = tokio::join!(join_all((0..4).map(|_| crowd())), other);
    served.unwrap();
    drop(slow);
}

#[tokio::test]
async fn another_ones_idle_connection_is_had_after_a_while_although_nothing_happens() {
    let world = World::new(2).await;
    let [a, b] = &world.practices[..] else { unreachable!() };
    // Nobody sweeps either.
    let settings = PoolSettings { budget: 2, per_tenant: 2, idle: Duration::from_secs(3600), ..patient() };
    let pools = world.pools(world.url(), settings);
    let held = pools.session(a).await.unwrap();
    pools.request(b).await.unwrap();
    pools.request(a).await.unwrap();
    assert_eq!(pools.figure("evicted_total"), 1);
    drop(held);
}

#[tokio::test]
async fn one_practice_fills_its_own_line_only() {
    let world = World::new(2).await;
    let [a, b] = &world.practices[..] else { unreachable!() };
    let settings = PoolSettings { budget: 2, per_tenant: 1, waiting_per_tenant: 3, ..patient() };
    let pools = world.pools(world.url(), settings);
    let held = pools.session(a).await.unwrap();
    let crowd = join_all((0..3).map(|_| pools.request(a)));
    let more = async {
        pools.until("waiting", 3).await;
        let refused = pools.request(a).await.unwrap_err();
        assert!(refused.is_transient() && refused.to_string().contains("too many"), "{refused}");
        pools.request(b).await.unwrap();
        drop(held);
    };
    let (crowd, ()) = tokio::join!(crowd, more);
    assert!(crowd.iter().all(Result::is_ok));
    assert_eq!(pools.figure("refused_total"), 1);
}

#[tokio::test]
async fn no_more_connections_are_opened_at_once_than_allowed() {
    let world = World::new(2).await;
    let proxy = Proxy::start(world.postgres.port()).await.unwrap();
    proxy.set(Mode::Blackhole);
    // Those who wait for an attempt give up before the first one fails, so nobody takes its place.
    let (wait, connect) = (Duration::from_secs(1), Duration::from_secs(3));
    let settings = PoolSettings { connects_at_once: 2, wait, connect, ..patient() };
    let pools = world.pools(&proxy.url(world.url()).unwrap(), settings);
    // Six places each, and none of them gets an answer.
    let all = join_all((0..12).map(|n| pools.request(&world.practices[n % 2]))).await;
    assert!(all.iter().all(|result| result.as_ref().is_err_and(labor_db::DbError::is_transient)));
    assert_eq!((proxy.accepted(), proxy.most()), (2, 2));
    assert_eq!(pools.figure("connects_total"), 0);
    proxy.set(Mode::Pass);
    pools.until_served(&world.practices[0]).await;
}

#[tokio::test]
async fn idle_connections_are_closed_and_their_practices_forgotten() {
    let world = World::new(3).await;
    let pools = world.pools(world.url(), PoolSettings { idle: Duration::from_millis(200), ..patient() });
    for practice in &world.practices {
        pools.request(practice).await.unwrap();
    }
    pools.until("tenants", 0).await;
    assert_eq!((pools.figure("open"), pools.figure("retired_total")), (0, 3));
    pools.request(&world.practices[0]).await.unwrap();
    pools.add_up();
}

#[tokio::test]
async fn a_connection_that_is_too_old_is_not_used_again() {
    let world = World::new(1).await;
    let pools = world.pools(world.url(), PoolSettings { age: Duration::ZERO, ..patient() });
    for _ in 0..3 {
        pools.request(&world.practices[0]).await.unwrap();
    }
    assert_eq!((pools.figure("connects_total"), pools.figure("open")), (3, 0));
    assert_eq!(pools.figure("retired_total"), 3);
    let young = world.pools(world.url(), patient());
    for _ in 0..3 {
        young.request(&world.practices[0]).await.unwrap();
    }
    assert_eq!((young.figure("connects_total"), young.figure("idle")), (1, 1));
}
