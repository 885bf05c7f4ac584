//! The number of open connections under more sessions than the budget has room for.
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use labor_db::{Claims, Control, DbError, PoolSettings, Tenants, reports};
use labor_testing::until;
use tokio_postgres::Client;
use uuid::Uuid;

use crate::world::{Practice, World, superuser, world};

const BUDGET: usize = 4;
/// For what must happen, however slow the machine is.
const LIMIT: Duration = Duration::from_secs(60);

fn pools(world: &World, wait: Duration) -> Tenants {
    // No other limit ends anything.
    let settings = PoolSettings { connect: LIMIT, answer: LIMIT, work: LIMIT, ..PoolSettings::default() };
    let settings = PoolSettings { budget: BUDGET, per_tenant: 3, wait, ..settings };
    let url = world.platform.setting("LABOR_CONTROL_URL");
    Tenants::new(url, world.master.clone(), settings, Control::connect(url, 2).unwrap()).unwrap()
}

async fn three(world: &World, name: &str, first: u32) -> Vec<Practice> {
    let mut practices = Vec::new();
    for number in first..first + 3 {
        practices.push(world.another(&format!("{name}{number}"), number).await);
    }
    practices
}

async fn open(superuser: &Client, practices: &[Practice]) -> usize {
    let roles: Vec<String> = practices.iter().map(|practice| practice.name.role()).collect();
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE usename = ANY ($1)";
    let count: i64 = superuser.query_one(sql, &[&roles]).await.unwrap().get(0);
    usize::try_from(count).unwrap()
}

async fn one_request(tenants: &Tenants, practice: &Practice) -> Result<(), DbError> {
    let mut session = tenants.session(Claims::worker(practice.name.clone()), Uuid::now_v7()).await?;
    let page = reports::list(&mut session, None, 10).await?;
    assert!(page.items.iter().all(|report| report.laboratory_name == practice.seeds.mark));
    Ok(())
}

/// The most connections seen while the requests ran and when they had. The server notices a closed socket after we closed it, so what
/// is more than the budget counts only when it stays.
async fn most_that_stayed(superuser: &Client, practices: &[Practice], done: &AtomicBool) -> usize {
    let (mut most, mut last) = (0, false);
    while !last {
        // Once more when all are done: then nothing is closed any more.
        last = done.load(Ordering::Relaxed);
        let mut seen = open(superuser, practices).await;
        if seen > BUDGET {
            let _ = until("the budget to be kept", LIMIT, async || {
                seen = seen.min(open(superuser, practices).await);
                Ok(if seen <= BUDGET { Ok(()) } else { Err(seen.to_string()) })
            })
            .await;
        }
        most = most.max(seen);
        tokio::task::yield_now().await;
    }
    most
}

#[tokio::test]
async fn more_requests_than_the_budget_all_succeed_and_never_open_more_connections() {
    let world = world().await;
    let practices = three(world, "budget", 20).await;
    let tenants = pools(world, LIMIT);
    let (done, superuser) = (AtomicBool::new(false), superuser().await);
    let requests = async {
        let results = join_all((0..90).map(|n| one_request(&tenants, &practices[n % 3]))).await;
        done.store(true, Ordering::Relaxed);
        results
    };
    let (results, most) = tokio::join!(requests, most_that_stayed(&superuser, &practices, &done));
    let failed: Vec<_> = results.into_iter().filter_map(Result::err).collect();
    assert!(failed.is_empty(), "{} failed: {:?}", failed.len(), failed.first());
    assert!((1..=BUDGET).contains(&most), "{most} connections");
}

#[tokio::test]
async fn the_connection_that_was_idle_for_longest_is_closed_first() {
    let world = world().await;
    let practices = three(world, "lru", 30).await;
    let tenants = pools(world, LIMIT);
    let superuser = superuser().await;
    // Two idle connections of the first, two of the second: the budget is used up.
    for practice in &practices[..2] {
        let claims = Claims::worker(practice.name.clone());
        let one = tenants.session(claims.clone(), Uuid::now_v7()).await.unwrap();
        let two = tenants.session(claims, Uuid::now_v7()).await.unwrap();
        drop((one, two));
    }
    assert_eq!(tenants.free(), 0);
    one_request(&tenants, &practices[2]).await.unwrap();
    until("a connection of the first tenant to be closed", LIMIT, async || {
        let first = open(&superuser, &practices[..1]).await;
        Ok(if first == 1 { Ok(()) } else { Err(format!("{first} open")) })
    })
    .await
    .unwrap();
    assert_eq!(open(&superuser, &practices[1..2]).await, 2, "the second tenant's were closed too");
}

#[tokio::test]
async fn when_the_budget_is_held_a_request_waits_for_its_limit_and_says_so() {
    let world = world().await;
    let practices = three(world, "held", 40).await;
    let tenants = pools(world, Duration::from_millis(300));
    let session = async |practice: &Practice| {
        // On a busy machine its own first connection may take longer than the limit.
        until("a session", LIMIT, async || {
            let session = tenants.session(Claims::worker(practice.name.clone()), Uuid::now_v7()).await;
            Ok(session.map_err(|error| error.to_string()))
        })
        .await
        .unwrap()
    };
    let mut held = Vec::new();
    for n in 0..BUDGET {
        held.push(session(&practices[n % 2]).await);
    }
    let error = one_request(&tenants, &practices[2]).await.unwrap_err();
    assert!(matches!(error, DbError::Unavailable(_)) && error.is_transient(), "{error:?}");
    held.clear();
    drop(session(&practices[2]).await);
}
