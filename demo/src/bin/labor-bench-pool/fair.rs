//! One client of one tenant, alone and beside very many of another one, through pools as the product makes them.
use std::sync::Arc;
use std::time::Duration;

use labor_catalog::TenantName;
use labor_db::{PoolSettings, Tenants};
use labor_demo::Failure;

use crate::Plan;
use crate::findings::{Findings, Topic, ratios};
use crate::law::Law;
use crate::load::Load;
use crate::stage::Stage;

const MANY: usize = 500;
/// How much earlier the many begin.
const AHEAD: Duration = Duration::from_secs(1);

pub(crate) async fn measure(stage: &Stage, plan: &Plan, findings: &mut Findings) -> Result<(), Failure> {
    let settings = PoolSettings::default();
    let pools = stage.pools(stage.url(), settings.budget, settings.per_tenant)?;
    let many = load(stage, &pools, stage.tenant(0)?, MANY);
    let one = load(stage, &pools, stage.tenant(1)?, 1);
    one.run(AHEAD).await?;
    let (mut quiet, mut beside, mut rates) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..plan.rounds {
        quiet.push(one.run(plan.length).await?.percentile(99));
        let late = async {
            tokio::time::sleep(AHEAD).await;
            one.run(plan.length).await
        };
        let (crowd, single) = tokio::try_join!(many.run(plan.length + AHEAD * 2), late)?;
        beside.push(single.percentile(99));
        rates.push(crowd.per_second());
    }
    findings.add(Topic::Fairness, "quiet: 99 of 100 reads within", "ms", &quiet);
    let ratio = ratios(&beside, &quiet);
    let ratio = findings.with(Topic::Fairness, "beside the many: 99 of 100 reads within", "ms", (&beside, ratio));
    findings.add(Topic::Fairness, "the many meanwhile", "/s", &rates);
    findings.at_most("a tenant's p99 beside 500 clients of another one: at most 2 × the quiet one", ratio, 2.0);
    Ok(())
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
