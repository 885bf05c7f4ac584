//! Faults of the line between the pools and the server.
use std::time::Duration;

use labor_db::{Control, PoolSettings, reports};
use labor_testing::{Mode, Proxy, until};
use tokio::time::timeout;

use crate::world::{LIMIT, Pools, World, impatient, patient};

const AN_HOUR: Duration = Duration::from_secs(3600);

async fn through_a_proxy(practices: u32, settings: PoolSettings) -> (World, Proxy, Pools) {
    let world = World::new(practices).await;
    let proxy = Proxy::start(world.postgres.port()).await.unwrap();
    let pools = world.pools(&proxy.url(world.url()).unwrap(), settings);
    (world, proxy, pools)
}

/// The request ends by itself, with "try again".
async fn is_unavailable(request: impl Future<Output = Result<(), labor_db::DbError>>) {
    // An error of the time limit: it waited for ever.
    let error = timeout(LIMIT, request).await.unwrap().unwrap_err();
    assert!(error.is_transient(), "{error:?}");
}

#[tokio::test]
async fn a_silent_line_is_given_up_and_all_that_were_idle_on_it_with_it() {
    let (world, proxy, pools) = through_a_proxy(2, PoolSettings { work: AN_HOUR, ..impatient() }).await;
    let [a, b] = &world.practices[..] else { unreachable!() };
    until("both to have a connection", LIMIT, async || {
        for practice in [a, b] {
            pools.until_served(practice).await;
        }
        Ok(if pools.figure("idle") == 2 { Ok(()) } else { Err(pools.figure("idle").to_string()) })
    })
    .await
    .unwrap();
    let (discarded, lost) = (pools.figure("discarded_total"), pools.figure("lost_total"));
    proxy.set(Mode::Blackhole);
    is_unavailable(pools.request(a)).await;
    assert_eq!((pools.figure("open"), pools.figure("tenants")), (0, 0), "connections that may be as dead are kept");
    assert_eq!((pools.figure("discarded_total"), pools.figure("lost_total")), (discarded + 1, lost + 1));
    pools.add_up();
    proxy.set(Mode::Pass);
    // On new connections at once: nobody else runs into a dead one.
    pools.until_served(b).await;
    pools.until_served(a).await;
}

#[tokio::test]
async fn a_statement_whose_line_goes_dead_under_it_does_not_wait_for_its_own_limit() {
    let (world, proxy, pools) = through_a_proxy(1, PoolSettings { work: AN_HOUR, ..impatient() }).await;
    let practice = &world.practices[0];
    let superuser = world.postgres.connect("labor").await.unwrap();
    until("two connections that know all statements", LIMIT, async || {
        // Each is held while the other one is used.
        for _ in 0..2 {
            let held = pools.session(practice).await;
            pools.until_served(practice).await;
            drop(held);
        }
        Ok(if pools.figure("idle") == 2 { Ok(()) } else { Err(pools.figure("idle").to_string()) })
    })
    .await
    .unwrap();
    superuser.batch_execute(&format!("BEGIN; LOCK TABLE {}.reports", practice.name)).await.unwrap();
    let at_work = pools.request(practice);
    let fault = async {
        until("the statement to wait", LIMIT, async || {
            let waiting = world.count("SELECT count(*) FROM pg_locks WHERE NOT granted").await;
            Ok(if waiting > 0 { Ok(()) } else { Err("nobody does".to_owned()) })
        })
        .await
        .unwrap();
        proxy.set(Mode::Blackhole);
        is_unavailable(pools.request(practice)).await;
    };
    tokio::join!(is_unavailable(at_work), fault);
    superuser.batch_execute("ROLLBACK").await.unwrap();
    proxy.set(Mode::Pass);
    pools.until_served(practice).await;
}

#[tokio::test]
async fn a_line_that_goes_dead_before_a_statement_is_prepared_does_not_wait_for_the_limit_of_its_work() {
    let (world, proxy, pools) = through_a_proxy(1, PoolSettings { work: AN_HOUR, ..impatient() }).await;
    let practice = &world.practices[0];
    // Its connection is new: no statement was prepared on it.
    let mut session =
        until("a session", LIMIT, async || Ok(pools.session(practice).await.map_err(|error| error.to_string())))
            .await
            .unwrap();
    proxy.set(Mode::Blackhole);
    is_unavailable(async { reports::list(&mut session, None, 10).await.map(drop) }).await;
    drop(session);
    proxy.set(Mode::Pass);
    pools.until_served(practice).await;
    pools.add_up();
}

#[tokio::test]
async fn a_statement_has_its_limit_also_when_nobody_else_asks() {
    // Only this limit can end anything.
    let settings = PoolSettings { work: Duration::from_millis(500), ..patient() };
    let (world, proxy, pools) = through_a_proxy(1, settings).await;
    let practice = &world.practices[0];
    pools.until_served(practice).await;
    let discarded = pools.figure("discarded_total");
    let superuser = world.postgres.connect("labor").await.unwrap();
    superuser.batch_execute(&format!("BEGIN; LOCK TABLE {}.reports", practice.name)).await.unwrap();
    is_unavailable(pools.request(practice)).await;
    assert_eq!(
        pools.figure("discarded_total"),
        discarded + 1,
        "a connection whose statement may still run is used again"
    );
    superuser.batch_execute("ROLLBACK").await.unwrap();
    drop(proxy);
}

#[tokio::test]
async fn a_line_that_is_cut_or_refused_is_opened_again() {
    let (world, proxy, pools) =
        through_a_proxy(2, PoolSettings { wait: PoolSettings::default().wait, ..patient() }).await;
    let [a, b] = &world.practices[..] else { unreachable!() };
    pools.until_served(a).await;
    proxy.cut();
    pools.until_served(a).await;
    proxy.set(Mode::Refuse);
    proxy.cut();
    is_unavailable(pools.request(b)).await;
    assert!(pools.figure("connect_failures_total") > 0);
    proxy.set(Mode::Pass);
    pools.until_served(a).await;
    pools.until_served(b).await;
    pools.add_up();
}

#[tokio::test]
async fn a_slow_line_is_slow_and_nothing_else() {
    let (world, proxy, pools) = through_a_proxy(2, PoolSettings::default()).await;
    proxy.set(Mode::Delay(Duration::from_millis(20)));
    for _ in 0..3 {
        for practice in &world.practices {
            pools.request(practice).await.unwrap();
        }
    }
    assert_eq!(pools.figure("discarded_total"), 0);
}

#[tokio::test]
async fn the_control_plane_gives_up_a_silent_line_and_comes_back() {
    let world = World::new(0).await;
    let proxy = Proxy::start(world.postgres.port()).await.unwrap();
    let control = Control::connect(&proxy.url(world.url()).unwrap(), 2).unwrap();
    tokio::try_join!(control.ping(), control.ping()).unwrap();
    proxy.set(Mode::Blackhole);
    // More than there are connections: each must give its place back.
    for _ in 0..3 {
        is_unavailable(control.ping()).await;
    }
    proxy.set(Mode::Pass);
    until("the control plane to answer", LIMIT, async || Ok(control.ping().await.map_err(|error| error.to_string())))
        .await
        .unwrap();
}

/// Connections to this port, as the kernel tells: for how many seconds each may still be silent before it asks whether the other side is
/// there; `None`: it has no such timer, or another one first.
fn keepalives(port: &str) -> Vec<Option<u64>> {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let port = format!(":{:04X}", port.parse::<u16>().unwrap());
    let lines = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let established = lines.filter(|fields| fields[2].ends_with(&port) && fields[3] == "01");
    let timer = |fields: Vec<&str>| u64::from_str_radix(fields[5].strip_prefix("02:")?, 16).ok();
    // In hundredths of a second.
    established.map(|fields| timer(fields).map(|left| left / 100)).collect()
}

#[tokio::test]
async fn the_kernel_asks_on_connections_that_nobody_uses() {
    let world = World::new(1).await;
    let proxy = Proxy::start(world.postgres.port()).await.unwrap();
    let url = proxy.url(world.url()).unwrap();
    let pools = world.pools(&url, patient());
    pools.request(&world.practices[0]).await.unwrap();
    let port = url.rsplit_once(':').unwrap().1.split('/').next().unwrap();
    until("the kernel's timer", LIMIT, async || {
        let seen = keepalives(port);
        let set = seen.len() == 1 && seen.iter().all(|left| left.is_some_and(|left| left <= 30));
        Ok(if set { Ok(()) } else { Err(format!("{seen:?}")) })
    })
    .await
    .unwrap();
}
