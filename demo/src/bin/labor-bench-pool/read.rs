//! One row of one tenant: through Labor, by the same driver without pipelining, and by pgbench without anything.
use std::sync::Arc;
use std::time::{Duration, Instant};

use labor_catalog::{ClaimKey, ClaimKeyId, ClaimRole, SignedClaim, TenantName};
use labor_demo::Failure;
use labor_demo::pgbench::Floor;
use labor_testing::{DataFolder, Mode, Proxy};
use tokio::task::JoinSet;

use crate::Plan;
use crate::findings::{Findings, Topic, ratios};
use crate::law::Law;
use crate::load::Load;
use crate::stage::{Stage, statement, visit};

const ROUND_TRIP: Duration = Duration::from_millis(10);
const READS_AT_A_DISTANCE: u32 = 50;
const CLAIM_LIFE: Duration = Duration::from_secs(600);
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
    let piped = Floor::new(folder.path(), "row-piped", stage.login(tenant), &piped(stage, tenant)?, &variables)?;
    load.run(Duration::from_secs(1)).await?;
    let (mut labor, mut alone, mut each, mut floor) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut together, mut one_trip) = (Vec::new(), Vec::new());
    for _ in 0..plan.rounds {
        labor.push(load.run(plan.length).await?.per_second());
        each.push(by_driver(stage, tenant, connections, plan.length, Trips::Each).await?);
        together.push(by_driver(stage, tenant, connections, plan.length, Trips::Together).await?);
        alone.push(by_driver(stage, tenant, connections, plan.length, Trips::Alone).await?);
        floor.push(bare.run(&stage.postgres, plan.connections, plan.length).await?.1);
        one_trip.push(piped.run(&stage.postgres, plan.connections, plan.length).await?.1);
    }
    findings.with(Topic::Read, "Labor: TenantSession, claim and row rules", "/s", (&labor, ratios(&labor, &labor)));
    let of_bare = ratios(&labor, &floor);
    let of_bare =
        findings.with(Topic::Read, "pgbench: the bare prepared SELECT, as superuser", "/s", (&floor, of_bare));
    let of_each = ratios(&labor, &each);
    let of_each =
        findings.with(Topic::Read, "the same driver: the same work, statement by statement", "/s", (&each, of_each));
    let of_together = ratios(&labor, &together);
    findings.with(Topic::Read, "the same driver: the same work, pipelined", "/s", (&together, of_together));
    let of_one_trip = ratios(&labor, &one_trip);
    findings.with(Topic::Read, "pgbench: the same work, pipelined", "/s", (&one_trip, of_one_trip));
    let of_alone = ratios(&labor, &alone);
    findings.with(Topic::Read, "the same driver: the bare prepared SELECT, as superuser", "/s", (&alone, of_alone));
    findings.at_least("a read through TenantSession: at least 0.55 × the bare prepared SELECT", of_bare, 0.55);
    findings.at_least("a read through TenantSession: at least 2.5 × the same statement by statement", of_each, 2.5);
    Ok(())
}

/// BEGIN, claim, SELECT and COMMIT, with one Sync at the end.
fn piped(stage: &Stage, tenant: &TenantName) -> Result<String, Failure> {
    let key = ClaimKey::new(ClaimKeyId::FIRST, &stage.master);
    let claim = SignedClaim::sign(&key, tenant, "worker", ClaimRole::Worker, CLAIM_LIFE);
    let bind = BIND_CLAIM.replace("$1", &format!("'{}'", claim.as_str()));
    let row = statement()?.replace("$1", ":message");
    Ok(format!("\\startpipeline\nBEGIN;\n{bind};\n{row};\nCOMMIT;\n\\endpipeline\n"))
}

/// How the driver is used without Labor.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trips {
    /// BEGIN, claim, SELECT, COMMIT, each awaited, with the tenant's own login.
    Each,
    /// The same, sent together and answered together.
    Together,
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
    let url = if trips == Trips::Alone { stage.superuser_url() } else { stage.login_url(tenant) };
    let config = labor_connect::parse(&url, "labor-bench-pool")?;
    let sql = qualified(tenant)?;
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
                let claim = SignedClaim::sign(&key, &tenant, "worker", ClaimRole::Worker, CLAIM_LIFE);
                let row = async || client.query(&select, &[&message]).await;
                let bound = async || client.query(&bind, &[&claim.as_str()]).await;
                let rows = match trips {
                    Trips::Alone => row().await?,
                    Trips::Each => {
                        client.batch_execute("BEGIN").await?;
                        bound().await?;
                        let rows = row().await?;
                        client.batch_execute("COMMIT").await?;
                        rows
                    }
                    Trips::Together => {
                        let (begin, commit) = (client.batch_execute("BEGIN"), client.batch_execute("COMMIT"));
                        tokio::try_join!(begin, bound(), row(), commit)?.2
                    }
                };
                if rows.len() != 1 {
                    return Err(Failure::from("the tenant's message is not there"));
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

/// One client far away, over a connection that is open and knows its statements; beside the bare SELECT, which is one round trip.
pub(crate) async fn trips(stage: &Stage, plan: &Plan, findings: &mut Findings) -> Result<(), Failure> {
    let proxy = Proxy::start(stage.postgres.port()).await?;
    proxy.set(Mode::Delay(ROUND_TRIP / 2));
    let (pools, tenant) = (stage.pools(&proxy.url(stage.url())?, 1, 1)?, stage.tenant(0)?);
    let config = labor_connect::parse(&proxy.url(&stage.superuser_url())?, "labor-bench-pool")?;
    let client = labor_connect::connect(&config).await?;
    let select = client.prepare(&qualified(tenant)?).await?;
    for _ in 0..3 {
        visit(&pools, tenant, stage.message).await?;
    }
    let (mut through, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..u32::from(plan.rounds) * READS_AT_A_DISTANCE {
        let began = Instant::now();
        visit(&pools, tenant, stage.message).await?;
        through.push(began.elapsed().as_secs_f64() * 1e3);
        let began = Instant::now();
        client.query_one(&select, &[&stage.message]).await?;
        bare.push(began.elapsed().as_secs_f64() * 1e3);
    }
    let ratio = ratios(&through, &bare);
    let found = findings.with(Topic::Trip, "Labor: TenantSession, warm connection", "ms", (&through, ratio));
    findings.add(Topic::Trip, "the same driver: the bare prepared SELECT, as superuser", "ms", &bare);
    findings.at_most("a read at a round trip of 10 ms: at most 1.3 round trips", found, 1.3);
    Ok(())
}

/// The product's statement, for whoever has not the tenant's search_path.
fn qualified(tenant: &TenantName) -> Result<String, Failure> {
    Ok(statement()?.replace("FROM raw_messages", &format!("FROM {tenant}.raw_messages")))
}
