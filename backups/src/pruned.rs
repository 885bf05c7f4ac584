//! What `prune` is told, and what it tells.
//! Must stay true: whatever somebody has to look at is among the faults, which make the exit code; a hold and a deletion are not.
use std::collections::BTreeMap;
use std::fmt::Display;

use chrono::{DateTime, Utc};
use labor_catalog::TenantName;
use serde::Serialize;

use crate::BackupId;
use crate::retention::Retention;

/// What is to stay, and whether the rest is to go.
#[derive(Clone, Debug)]
pub struct PruneOptions {
    /// How many places there are.
    pub retention: Retention,
    /// The time zone in which a day is a day, as PostgreSQL calls it.
    pub time_zone: String,
    /// The time that it is when the run begins.
    pub now: DateTime<Utc>,
    /// Remove. Else it is only said what would be.
    pub apply: bool,
}

/// What became of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It stays.
    Stays,
    /// It would be removed.
    ToBeRemoved,
    /// It was removed. In a bucket with versioning it is hidden.
    Removed,
    /// An object lock keeps it until then: hidden where versions are, and there where none are. No fault.
    Locked {
        /// Until when.
        until: DateTime<Utc>,
    },
    /// It, or something of it, is still there.
    NotRemoved {
        /// Why.
        error: String,
    },
}

/// One backup, and why.
#[derive(Clone, Debug, Serialize)]
pub struct Pruned {
    /// Which.
    pub backup: BackupId,
    /// What became of it.
    pub fate: Fate,
    /// Why.
    pub reasons: Vec<String>,
    /// What of it can't be judged, so that somebody has to look at it.
    pub doubt: Option<String>,
}

impl Pruned {
    /// What somebody has to look at.
    pub(crate) fn fault(&self, of: impl Display) -> Option<String> {
        match (&self.fate, &self.doubt) {
            (Fate::NotRemoved { error }, _) => Some(format!("{of}: {} is not removed: {error}", self.backup)),
            (_, Some(doubt)) => Some(format!("{of}: {} stays: {doubt}", self.backup)),
            _ => None,
        }
    }
}

/// What became of the backups of the control schema, newest first.
#[derive(Clone, Debug, Serialize)]
pub struct ControlPruned {
    /// Whether it was to remove.
    pub applied: bool,
    /// Each of them.
    pub backups: Vec<Pruned>,
    /// Whether somebody stopped it before it had done all.
    pub stopped: bool,
}

impl ControlPruned {
    /// What somebody has to look at.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        self.backups.iter().filter_map(|backup| backup.fault("control schema")).collect()
    }
}

/// A tenant's backups, newest first.
#[derive(Clone, Debug, Default, Serialize)]
pub struct PrunedTenant {
    /// Why none of them is removed (any more), whatever their places are.
    pub untouched: Option<String>,
    /// Whether that is for somebody to look at. Not a hold, and not a deletion that `erase` will end.
    pub fault: bool,
    /// Each of them.
    pub backups: Vec<Pruned>,
}

/// What a run found and did.
#[derive(Clone, Debug, Serialize)]
pub struct PruneRun {
    /// Whether it was to remove.
    pub applied: bool,
    /// Tenants with anything in the bucket, as far as it came.
    pub tenants: BTreeMap<TenantName, PrunedTenant>,
    /// Whether somebody stopped it before it had seen all.
    pub stopped: bool,
    /// What ended it before it had seen all.
    pub ended_by: Option<String>,
}

impl PruneRun {
    /// What somebody has to look at.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for (tenant, one) in &self.tenants {
            if let Some(reason) = one.untouched.as_ref().filter(|_| one.fault) {
                faults.push(format!("nothing of {tenant} is removed: {reason}"));
            }
            faults.extend(one.backups.iter().filter_map(|backup| backup.fault(tenant)));
        }
        faults.extend(self.ended_by.iter().map(|error| format!("it ended before it had seen all: {error}")));
        faults
    }
}
