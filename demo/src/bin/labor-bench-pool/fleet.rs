//! All tenants: memory, and reads a second, with fewer connections than tenants.
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use labor_demo::Failure;
use tokio::task::JoinSet;

use crate::Plan;
use crate::findings::{Findings, Topic};
use crate::law::Law;
use crate::load::Load;
use crate::memory::Memory;
use crate::stage::{Stage, statement, visit};

/// Connections, of either way to hold them.
const CONNECTIONS: usize = 100;
const BUDGETS: [usize; 3] = [100, 200, 400];
const CLIENTS: usize = 64;
const PER_TENANT: usize = 6;
/// Each tenant is visited so often through Labor's pools.
const VISITS: usize = 2;

/// After every tenant was visited: Labor's pools, then pools that all tenants share.
pub(crate) async fn memory(stage: &Stage, findings: &mut Findings) -> Result<(), Failure> {
    let labor = of_labor(stage).await?;
    let as_often = of_shared(stage, (stage.tenants.len() * VISITS).div_ceil(CONNECTIONS)).await?;
    let shared = of_shared(stage, stage.tenants.len()).await?;
    for (way, memory) in [
        ("Labor: a login per tenant", labor),
        ("one pool for all tenants, superuser, after as many visits", as_often),
        ("the same after each connection has visited every tenant", shared),
    ] {
        let each = memory.mebibytes / f64::from(memory.backends);
        let way = format!("{way}: {} backends, {each:.1} MiB each", memory.backends);
        findings.with(Topic::Memory, way, "MiB", (&[memory.mebibytes], vec![memory.mebibytes / as_often.mebibytes]));
    }
    let (now, later) = (labor.mebibytes / as_often.mebibytes, labor.mebibytes / shared.mebibytes);
    findings.at_most("memory of as many backends after as many visits: at most that of a shared pool", now, 1.0);
    findings.at_most("the same once each of the shared pool's connections has visited every tenant", later, 1.0);
    Ok(())
}

async fn of_labor(stage: &Stage) -> Result<Memory, Failure> {
    let pools = stage.pools(stage.url(), CONNECTIONS, PER_TENANT)?;
    let (tenants, next, message) = (Arc::new(stage.tenants.clone()), Arc::new(AtomicUsize::new(0)), stage.message);
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS.min(CONNECTIONS) {
        let (pools, tenants, next) = (pools.clone(), tenants.clone(), next.clone());
        clients.spawn(async move {
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= tenants.len() * VISITS {
                    return Ok::<_, Failure>(());
                }
                let Some(tenant) = tenants.get(n % tenants.len()) else { return Ok(()) };
                visit(&pools, tenant, message).await?;
            }
        });
    }
    while let Some(client) = clients.join_next().await {
        client??;
    }
    Memory::of(&stage.backends("t\\_%\\_app").await?)
}

/// Each connection visits so many tenants, the next one those that follow; all of them, as it comes to when tenants share connections for
/// long enough. Statements are not kept: what would be kept for each tenant comes on top.
async fn of_shared(stage: &Stage, visits: usize) -> Result<Memory, Failure> {
    let config = labor_connect::parse(&stage.superuser_url(), "labor-bench-pool")?;
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        clients.push(labor_connect::connect(&config).await?);
    }
    let sql = statement()?;
    let mut pids = Vec::new();
    let mut tasks = JoinSet::new();
    for (number, client) in clients.into_iter().enumerate() {
        pids.push(client.query_one("SELECT pg_backend_pid()", &[]).await?.get(0));
        let tenants: Vec<_> = stage.tenants.iter().cycle().skip(number * visits).take(visits).cloned().collect();
        let message = stage.message;
        tasks.spawn(async move {
            for tenant in &tenants {
                let sql = sql.replace("FROM raw_messages", &format!("FROM {tenant}.raw_messages"));
                client.query(&sql, &[&message]).await?;
            }
            Ok::<_, Failure>(client)
        });
    }
    let mut open = Vec::new();
    while let Some(task) = tasks.join_next().await {
        open.push(task??);
    }
    let memory = Memory::of(&pids);
    drop(open);
    memory
}

/// By each law and budget.
pub(crate) async fn throughput(stage: &Stage, plan: &Plan, findings: &mut Findings) -> Result<(), Failure> {
    let tenants = Arc::new(stage.tenants.clone());
    for law in Law::ALL {
        let wheel = Arc::new(law.wheel(u32::try_from(tenants.len())?));
        for budget in BUDGETS {
            let pools = stage.pools(stage.url(), budget, PER_TENANT)?;
            let (tenants, wheel, message) = (tenants.clone(), wheel.clone(), stage.message);
            let load = Load { pools, tenants, wheel, message, clients: CLIENTS };
            load.run(Duration::from_secs(2)).await?;
            let (mut rates, mut refused) = (Vec::new(), Vec::new());
            for _ in 0..plan.rounds {
                let answered = load.run(plan.length).await?;
                rates.push(answered.per_second());
                refused.push(f64::from(answered.refused));
            }
            findings.with(Topic::Throughput, format!("{}: {budget} connections", law.name()), "/s", (&rates, refused));
        }
    }
    Ok(())
}
