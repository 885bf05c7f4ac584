//! Clients that read one after the other until the time is over.
use std::sync::Arc;
use std::time::{Duration, Instant};

use labor_catalog::TenantName;
use labor_db::Tenants;
use labor_demo::Failure;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::law::{Dice, Wheel};
use crate::stage::visit;

/// So long a client waits after it was refused, as one that is asked to come again later.
pub(crate) const AFTER_REFUSAL: Duration = Duration::from_millis(20);

/// Who reads what.
pub(crate) struct Load {
    pub(crate) pools: Tenants,
    pub(crate) tenants: Arc<Vec<TenantName>>,
    pub(crate) wheel: Arc<Wheel>,
    pub(crate) message: Uuid,
    pub(crate) clients: usize,
}

/// What came of it.
#[derive(Default)]
pub(crate) struct Answered {
    /// Of each read that was answered.
    pub(crate) milliseconds: Vec<f64>,
    pub(crate) refused: u32,
    pub(crate) seconds: f64,
}

impl Load {
    pub(crate) async fn run(&self, length: Duration) -> Result<Answered, Failure> {
        let (began, mut clients) = (Instant::now(), JoinSet::new());
        for client in 0..self.clients {
            let (pools, tenants, wheel) = (self.pools.clone(), self.tenants.clone(), self.wheel.clone());
            let (message, until) = (self.message, began + length);
            clients.spawn(async move {
                let (mut answered, mut dice) = (Answered::default(), Dice::new(client));
                while Instant::now() < until {
                    let Some(tenant) = tenants.get(wheel.turn(&mut dice)) else { break };
                    let start = Instant::now();
                    match visit(&pools, tenant, message).await {
                        Ok(true) => answered.milliseconds.push(start.elapsed().as_secs_f64() * 1e3),
                        Ok(false) => return Err(Failure::from("a tenant's message is not there")),
                        Err(labor_db::DbError::Unavailable(_)) => {
                            answered.refused += 1;
                            tokio::time::sleep(AFTER_REFUSAL).await;
                        }
                        Err(error) => return Err(error.into()),
                    }
                }
                Ok(answered)
            });
        }
        let mut all = Answered::default();
        while let Some(client) = clients.join_next().await {
            let client = client??;
            all.milliseconds.extend(client.milliseconds);
            all.refused += client.refused;
        }
        all.seconds = began.elapsed().as_secs_f64();
        all.milliseconds.sort_by(f64::total_cmp);
        if all.milliseconds.is_empty() {
            return Err("no read was answered".into());
        }
        Ok(all)
    }
}

impl Answered {
    pub(crate) fn per_second(&self) -> f64 {
        f64::from(u32::try_from(self.milliseconds.len()).unwrap_or(u32::MAX)) / self.seconds
    }

    /// So many of a hundred were answered within this many milliseconds.
    pub(crate) fn percentile(&self, share: usize) -> f64 {
        labor_demo::spread::percentile(&self.milliseconds, share)
    }
}
