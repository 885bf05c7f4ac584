//! How old the newest backup of the control schema is.
//! Must stay true: as long as there are tenants, one that is missing, too old or not to be opened is late: without it nobody knows whose
//! the backups are.
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::hours;
use crate::{Backup, BackupError};

/// What is left of the control schema if its database is lost now.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ControlPoint {
    /// When its newest backup was made.
    pub made_at: Option<DateTime<Utc>>,
    /// Why that can't be told.
    pub fault: Option<String>,
    /// Whether there are tenants, and it is older than a proof of theirs may be, or there is none.
    pub late: bool,
}

impl ControlPoint {
    /// What somebody has to look at.
    pub(super) fn said(&self, at: DateTime<Utc>) -> Option<String> {
        self.late.then(|| match (&self.fault, self.made_at) {
            (Some(fault), _) => format!("until when the control schema is backed up can't be told: {fault}"),
            (None, None) => {
                "the control schema, which knows whose the tenants are, has no backup: `labor-backup control run`"
                    .to_owned()
            }
            (None, Some(made_at)) => {
                let age = u64::try_from((at - made_at).num_seconds()).unwrap_or_default();
                format!("the control schema is backed up until {} ago: `labor-backup control run`", hours(age))
            }
        })
    }
}

impl Backup {
    /// What can't be read of it is its fault, and no tenant's.
    pub(super) async fn control_point(
        &self,
        wanted: bool,
        late: Duration,
        now: DateTime<Utc>,
    ) -> Result<ControlPoint, BackupError> {
        let Some(newest) = self.control_backups(now).await?.into_iter().next() else {
            return Ok(ControlPoint { late: wanted, ..ControlPoint::default() });
        };
        Ok(match self.control_made_at(&newest).await {
            Ok(made_at) => ControlPoint {
                made_at: Some(made_at),
                fault: None,
                late: wanted && (now - made_at).to_std().is_ok_and(|age| age > late),
            },
            Err(error) => ControlPoint { made_at: None, fault: Some(error.to_string()), late: wanted },
        })
    }
}
