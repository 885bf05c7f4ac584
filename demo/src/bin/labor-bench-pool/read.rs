//! One row of one tenant: through Labor, by the same driver without pipelining, and by pgbench without anything.
use std::sync::Arc;
use std::time::{Duration, Instant};

use labor_catalog::{ClaimKey, ClaimKeyId, ClaimRole, SignedClaim, TenantName};
use labor_demo::Failure;
use labor_demo::pgbench::Floor;
use labor_testing::{DataFolder, Fault, Wire};
use tokio::task::JoinSet;

use crate::Plan;
use crate::findings::{Findings, Topic, ratios};
use crate::law::Law;
use crate::load::Load;
use crate::stage::{Stage, statement, visit};

const ROUND_TRIP: Duration = Duration::from_millis(10);
const READS_AT_A_DISTANCE: u32 = 50;
const BIND_CLAIM: &str = "SELECT set_config('labor.claim', $1, true)";

/// Rates side by side.
pub(crate) async fn rates(
    stage: &Stage,
    folder: &DataFolder,
    plan: &Plan,
    findings: &mut Findings,
) -> Result<(), Failure> {
    let (tenant, connections) = (stage.tenant(0)?, usize::from(plan.connections));
    let load = Load {
        pools: stage.pools(stage.url(), connections, connections)?,
        tenants: Arc::new(vec![tenant.clone()]),
        wheel: Arc::new(Law::Uniform.wheel(1)),
        message: stage.message,
        clients: connections,
    };
    let script = format!("{};\n", statement()?.replace("$1", ":message"));
    let variables = [format!("message={}", stage.message)];
    let bare = Floor::new(folder.path(), "row-bare", stage.superuser(tenant), &script, &variables)?;
    load.run(Duration::from_secs(1)).await?;
    let (mut labor, mut alone, mut each, mut floor) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..plan.rounds {
        labor.push(load.run(plan.length).await?.per_second());
        each.push(by_driver(stage, tenant, connections, plan.length, Trips::Each).await?);
        alone.push(by_driver(stage, tenant, connections, plan.length, Trips::Alone).await?);
        floor.push(bare.run(&stage.postgres, plan.connections, plan.length).await?.1);
    }
    findings.with(Topic::Read, "Labor: TenantSession, claim and row rules", "/s", (&labor, ratios(&labor, &labor)));
    let of_bare = ratios(&labor, &floor);
    let of_bare =
        findings.with(Topic::Read, "pgbench: the bare prepared SELECT, as superuser", "/s", (&floor, of_bare));
    let of_each = ratios(&labor, &each);
    let of_each =
        findings.with(Topic::Read, "the same driver: the same work, statement by statement", "/s", (&each, of_each));
    let of_alone = ratios(&labor, &alone);
    findings.with(Topic::Read, "the same driver: the bare prepared SELECT, as superuser", "/s", (&alone, of_alone));
    findings.at_least("a read through TenantSession: at least 0.55 × the bare prepared SELECT", of_bare, 0.55);
    findings.at_least("a read through TenantSession: at least 2.5 × the same statement by statement", of_each, 2.5);
    Ok(())
}

/// How the driver is used without Labor.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trips {
    /// BEGIN, claim, SELECT, COMMIT, each awaited, with the tenant's own login.
    Each,
    /// SELECT and nothing else, as superuser.
    Alone,
}

/// Reads a second over so many connections that stay open.
async fn by_driver(
    stage: &Stage,
    tenant: &TenantName,
    connections: usize,
    length: Duration,
    trips: Trips,
) -> Result<f64, Failure> {
    let url = if trips == Trips::Each { stage.login_url(tenant) } else { stage.superuser_url() };
    let config = labor_connect::parse(&url, "labor-bench-pool")?;
    let sql = statement()?.replace("FROM raw_messages", &format!("FROM {tenant}.raw_messages"));
    let mut clients = Vec::new();
    for _ in 0..connections {
        let client = labor_connect::connect(&config).await?;
        let (bind, select) = (client.prepare(BIND_CLAIM).await?, client.prepare(&sql).await?);
        clients.push((client, bind, select));
    }
    let (began, mut tasks) = (Instant::now(), JoinSet::new());
    for (client, bind, select) in clients {
        let key = ClaimKey::new(ClaimKeyId::FIRST, &stage.master);
        let (tenant, message) = (tenant.clone(), stage.message);
        tasks.spawn(async move {
            let mut done = 0_u32;
            while began.elapsed() < length {
                if trips == Trips::Each {
                    let life = Duration::from_secs(600);
                    let claim = SignedClaim::sign(&key, &tenant, "worker", ClaimRole::Worker, life);
                    client.batch_execute("BEGIN").await?;
                    client.query(&bind, &[&claim.as_str()]).await?;
                }
                if client.query(&select, &[&message]).await?.len() != 1 {
                    return Err(Failure::from("the tenant's message is not there"));
                }
                if trips == Trips::Each {
                    client.batch_execute("COMMIT").await?;
                }
                done += 1;
            }
            Ok(done)
        });
    }
    let mut done = 0;
    while let Some(task) = tasks.join_next().await {
        done += task??;
    }
    Ok(f64::from(done) / began.elapsed().as_secs_f64())
}

/// One client far away, over a connection that is open and knows its statements.
pub(crate) async fn trips(stage: &Stage, plan: &Plan, findings: &mut Findings) -> Result<(), Failure> {
    let fault = Fault::Delay { each_way: ROUND_TRIP / 2 };
    let wire = Wire::start(("127.0.0.1", stage.postgres.port()), fault).await?;
    let (pools, tenant) = (stage.pools(&wire.url(stage.url())?, 1, 1)?, stage.tenant(0)?);
    for _ in 0..3 {
        visit(&pools, tenant, stage.message).await?;
    }
    let mut samples = Vec::new();
    for _ in 0..u32::from(plan.rounds) * READS_AT_A_DISTANCE {
        let began = Instant::now();
        visit(&pools, tenant, stage.message).await?;
        samples.push(began.elapsed().as_secs_f64() * 1e3);
    }
    let in_trips = samples.iter().map(|ms| ms / (ROUND_TRIP.as_secs_f64() * 1e3)).collect();
    let found = findings.with(Topic::Trip, "Labor: TenantSession, warm connection", "ms", (&samples, in_trips));
    findings.at_most("a read at a round trip of 10 ms: at most 1.3 round trips", found, 1.3);
    Ok(())
}
