//! One client of one tenant, alone and beside very many of another one, through pools as the product makes them.
use std::sync::Arc;
use std::time::Duration;

use labor_catalog::TenantName;
use labor_db::{PoolSettings, Tenants};
use labor_demo::Failure;

use crate::Plan;
use crate::findings::{Findings, Topic, ratios};
use crate::law::Law;
use crate::load::{Answered, Load};
use crate::stage::Stage;

const MANY: usize = 500;
/// How much earlier the many begin.
const AHEAD: Duration = Duration::from_secs(1);

pub(crate) async fn measure(stage: &Stage, plan: &Plan, findings: &mut Findings) -> Result<(), Failure> {
    let settings = PoolSettings::default();
    let processors = std::thread::available_parallelism()?.get();
    let default = Pair::new(stage, settings.per_tenant)?;
    let few = Pair::new(stage, processors)?;
    let (mut quiet, mut beside, mut rates) = (Vec::new(), Vec::new(), Vec::new());
    let (mut beside_few, mut rates_few) = (Vec::new(), Vec::new());
    for _ in 0..plan.rounds {
        // The first read opens the connection.
        default.one.run(AHEAD).await?;
        quiet.push(default.one.run(plan.length).await?.percentile(99));
        for (pair, within, rates) in [(&default, &mut beside, &mut rates), (&few, &mut beside_few, &mut rates_few)] {
            let (crowd, single) = pair.together(plan.length).await?;
            within.push(single.percentile(99));
            rates.push(crowd.per_second());
        }
    }
    findings.add(Topic::Fairness, "quiet: 99 of 100 reads within", "ms", &quiet);
    let ratio = ratios(&beside, &quiet);
    let ratio = findings.with(Topic::Fairness, "beside the many: 99 of 100 reads within", "ms", (&beside, ratio));
    findings.add(Topic::Fairness, "the many meanwhile", "/s", &rates);
    let way = format!("beside the many, who have {processors} connections: 99 of 100 reads within");
    findings.with(Topic::Fairness, way, "ms", (&beside_few, ratios(&beside_few, &quiet)));
    findings.add(Topic::Fairness, "these many meanwhile", "/s", &rates_few);
    findings.at_most("a tenant's p99 beside 500 clients of another one: at most 2 × the quiet one", ratio, 2.0);
    Ok(())
}

/// The many and the one, who share pools.
struct Pair {
    many: Load,
    one: Load,
}

impl Pair {
    fn new(stage: &Stage, per_tenant: usize) -> Result<Self, Failure> {
        let pools = stage.pools(stage.url(), PoolSettings::default().budget, per_tenant)?;
        Ok(Self { many: load(stage, &pools, stage.tenant(0)?, MANY), one: load(stage, &pools, stage.tenant(1)?, 1) })
    }

    async fn together(&self, length: Duration) -> Result<(Answered, Answered), Failure> {
        let late = async {
            tokio::time::sleep(AHEAD).await;
            self.one.run(length).await
        };
        tokio::try_join!(self.many.run(length + AHEAD * 2), late)
    }
}

fn load(stage: &Stage, pools: &Tenants, tenant: &TenantName, clients: usize) -> Load {
    Load {
        pools: pools.clone(),
        tenants: Arc::new(vec![tenant.clone()]),
        wheel: Arc::new(Law::Uniform.wheel(1)),
        message: stage.message,
        clients,
    }
}
