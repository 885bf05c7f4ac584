//! One alert whose time limit is over: it is the next one's turn.
//! Must stay true: what happens stands in the alert's rows alone; this only asks for it and counts.
use std::time::Duration;

use chrono::{DateTime, Utc};
use labor_db::alerts::{self, Woken};
use labor_db::{Claims, TenantName};
use uuid::Uuid;

use super::{Effect, JobError};
use crate::App;

/// Passes the alert on, if it is still open and its time is over.
pub(crate) async fn escalate(
    app: &App,
    tenant: &TenantName,
    (alert, due): (Uuid, Option<DateTime<Utc>>),
    job_id: Uuid,
) -> Result<Effect, JobError> {
    let mut session = app.session(&Claims::worker(tenant.clone()), job_id).await?;
    Ok(Effect::Done(match alerts::wake(&mut session, alert, due).await? {
        Woken::NotYet(left) => return Ok(Effect::NotYet(left.max(Duration::from_secs(1)))),
        Woken::Nothing => "ended, or somebody's turn already",
        Woken::Escalated(step) => {
            app.alerts.escalated.inc();
            tracing::warn!(%alert, step, "nobody saw to an alert in time, it was passed on");
            "passed on"
        }
        Woken::Unanswered => {
            app.alerts.unanswered.inc();
            tracing::error!(%alert, "nobody saw to an alert in a day, nobody is asked again; it stays open");
            "unanswered"
        }
    }))
}
