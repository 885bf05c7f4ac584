//! `prune`: removes the backups that have no place any more (`retention`).
//!
//! Must stay true: nothing is removed unless it was asked for; a tenant under a hold, one that is deleted (`erase` sees to it), one that
//! the registry does not know, and one of which something can't be read keep everything, and it is said; holds are looked for before
//! each removal; what the removal leans on (the two newest good ones and the newest verified one) is asked for by name before, not out of the
//! listing; of a backup the manifest goes first, so that a run that is cut off leaves no manifest without an object; what is broken
//! goes a day after it was noted down, not before; what the store refuses to delete is told, and the others go on; what was done is
//! told, however the run ends.
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use labor_catalog::TenantName;
use tokio_postgres::Client;

use crate::list::{AT_ONCE, Found};
use crate::manifest::{self, Broken, FORMAT};
use crate::pruned::{Fate, PruneOptions, PruneRun, Pruned, PrunedTenant};
use crate::retention::{self, Candidate, Decision};
use crate::standing::{Judged, Standing};
use crate::{Backup, BackupError, BackupId, clock};

/// The database's own list, which is what it then reckons with. A word such as `B1` would be taken for a zone too.
const ZONE: &str = "SELECT EXISTS (SELECT FROM pg_timezone_names WHERE name = $1)";

const DAYS: &str =
    "SELECT (at AT TIME ZONE $1)::date FROM unnest($2::timestamptz[]) WITH ORDINALITY AS t (at, place) ORDER BY place";

/// Holds by their ids: who placed one may be a person.
const TENANT: &str = "SELECT t.state = 'deleted',
         (SELECT string_agg(h.id || coalesce(' until ' || h.until, ''), ', ' ORDER BY h.created_at)
            FROM control.holds h WHERE h.tenant = t.name AND (h.until IS NULL OR h.until >= current_date))
    FROM control.tenants t WHERE t.name = $1";

type Stock = BTreeMap<BackupId, Found>;

impl PrunedTenant {
    /// From here on nothing is removed; what is not told yet stays.
    fn keep(&mut self, untouched: Untouched, rest: &Stock) {
        (self.untouched, self.fault) = (Some(untouched.reason), untouched.fault);
        let stays = |backup: &BackupId| {
            let backup = backup.clone();
            Pruned { backup, fate: Fate::Stays, reasons: Vec::new(), doubt: None }
        };
        self.backups.extend(rest.keys().rev().map(stays));
    }

    /// What can't be read is one tenant's trouble; a lost database or a stop is everybody's.
    fn unreadable(&mut self, error: BackupError, rest: &Stock) -> Result<(), BackupError> {
        if matches!(error, BackupError::Stopped | BackupError::Database { .. }) {
            return Err(error);
        }
        let reason = format!("which of its backups are good can't be told: {error}");
        self.keep(Untouched { reason, fault: true }, rest);
        Ok(())
    }
}

/// Why nothing of a tenant may be removed, and whether somebody has to look at it.
struct Untouched {
    reason: String,
    fault: bool,
}

/// What each tenant's part of a run needs.
struct Pruning<'a> {
    client: &'a Client,
    options: &'a PruneOptions,
    now: DateTime<Utc>,
}

impl Backup {
    /// Removes what has no place, of one tenant or of all that have something in the bucket.
    ///
    /// # Errors
    /// When nothing could be begun: the database or the store can't be read, the time zone is unknown, the database is a standby. What
    /// happens after that is in the result.
    pub async fn prune(&self, tenant: Option<&TenantName>, options: &PruneOptions) -> Result<PruneRun, BackupError> {
        let looking = async {
            match tenant {
                Some(tenant) if self.found(Some(tenant)).await?.is_empty() => {
                    Err(BackupError::NotFound(format!("there is no backup of {tenant}")))
                }
                Some(tenant) => Ok(BTreeSet::from([tenant.clone()])),
                None => self.tenants_in_bucket().await,
            }
        };
        let there = Box::pin(self.unless_stopped(looking)).await?;
        self.prune_these(there, options).await
    }

    /// The same of these tenants, one after the other.
    pub(crate) async fn prune_these(
        &self,
        there: BTreeSet<TenantName>,
        options: &PruneOptions,
    ) -> Result<PruneRun, BackupError> {
        let begun = Instant::now();
        let beginning = async {
            let client = labor_connect::connect(&self.source).await?;
            clock::agrees_with_database(&client).await?;
            may_prune(&client, &options.time_zone).await?;
            Ok(client)
        };
        let client = Box::pin(self.unless_stopped(beginning)).await?;
        let mut run = PruneRun { applied: options.apply, tenants: BTreeMap::new(), stopped: false, ended_by: None };
        for tenant in there {
            // A run over all takes hours, in which others make backups.
            let now = options.now + TimeDelta::from_std(begun.elapsed()).unwrap_or_default();
            let (pruning, mut pruned) = (Pruning { client: &client, options, now }, PrunedTenant::default());
            let ended = Box::pin(self.prune_one(&pruning, &tenant, &mut pruned)).await.err();
            if pruned.untouched.is_some() || !pruned.backups.is_empty() {
                run.tenants.insert(tenant, pruned);
            }
            run.stopped = matches!(ended, Some(BackupError::Stopped));
            if let Some(error) = ended {
                run.ended_by = Some(error.to_string());
                break;
            }
        }
        Ok(run)
    }

    /// Tells what it finds and does as it goes. An error only when all is to end.
    async fn prune_one(
        &self,
        pruning: &Pruning<'_>,
        tenant: &TenantName,
        into: &mut PrunedTenant,
    ) -> Result<(), BackupError> {
        // Each one's own listing, a moment before it is acted upon.
        let stock: Stock = match self.unless_stopped(self.found(Some(tenant))).await {
            Ok(found) => found.into_iter().map(|((backup, _), found)| (backup, found)).collect(),
            Err(error) => return into.unreadable(error, &Stock::new()),
        };
        // Asked first, so that it is told also when nothing is to go.
        let asking = async { if stock.is_empty() { Ok(None) } else { untouched(pruning.client, tenant).await } };
        if let Some(untouched) = self.unless_stopped(asking).await? {
            into.keep(untouched, &stock);
            return Ok(());
        }
        let decided = match Box::pin(self.unless_stopped(self.decided(pruning, tenant, &stock))).await {
            Ok(decided) => decided,
            Err(error) => return into.unreadable(error, &stock),
        };
        if pruning.options.apply && decided.iter().any(|decision| !decision.stays) {
            match Box::pin(self.unless_stopped(self.is_there(tenant, &decided, pruning.now))).await {
                Ok(None) => {}
                Ok(Some(missing)) => {
                    let reason = format!(
                        "{missing} is not there, or not good any more, when it is asked for by name, although it is listed: the store's listing is of before. Try again later"
                    );
                    into.keep(Untouched { reason, fault: true }, &stock);
                    return Ok(());
                }
                Err(error) => return into.unreadable(error, &stock),
            }
        }
        for decision in decided {
            if let Some(found) = stock.get(&decision.backup) {
                Box::pin(self.act(pruning, tenant, decision, found, into)).await?;
            }
        }
        Ok(())
    }

    /// What is to become of each, newest first.
    async fn decided(
        &self,
        pruning: &Pruning<'_>,
        tenant: &TenantName,
        stock: &Stock,
    ) -> Result<Vec<Decision>, BackupError> {
        let Pruning { client, options, now } = *pruning;
        let mac_key = self.keys.sealing(tenant.as_str()).await?.mac;
        let mut judging = Vec::new();
        for (backup, found) in stock.iter().rev() {
            judging.push(self.judge(tenant, backup.clone(), found, &mac_key, now));
        }
        let judged: Vec<Judged> = stream::iter(judging).buffered(AT_ONCE).try_collect().await?;
        let candidates = candidates(client, &options.time_zone, judged).await?;
        Ok(retention::decide(options.retention, &candidates))
    }

    /// Does with one backup what was decided. An error only when all is to end; a backup that was begun is removed wholly.
    async fn act(
        &self,
        pruning: &Pruning<'_>,
        tenant: &TenantName,
        decision: Decision,
        found: &Found,
        into: &mut PrunedTenant,
    ) -> Result<(), BackupError> {
        let Decision { backup, standing, stays, reasons, doubt } = decision;
        let mut doubt = doubt.map(str::to_owned);
        let mut fate = Fate::Stays;
        if !stays && !pruning.options.apply {
            fate = Fate::ToBeRemoved;
        } else if !stays && into.untouched.is_none() {
            // Before each of them: a hold that was placed meanwhile is seen.
            match self.unless_stopped(untouched(pruning.client, tenant)).await? {
                Some(untouched) => into.keep(untouched, &Stock::new()),
                None => fate = self.remove(tenant, &backup, found, pruning.now).await,
            }
        } else if stays && pruning.options.apply {
            let noting = Box::pin(self.note_down(tenant, &backup, standing, found, pruning.now));
            let noted = Box::pin(self.unless_stopped(noting)).await;
            match noted {
                Err(BackupError::Stopped) => return Err(BackupError::Stopped),
                Err(error) => doubt = doubt.or(Some(error.to_string())),
                Ok(()) => {}
            }
        }
        into.backups.push(Pruned { backup, fate, reasons, doubt });
        Ok(())
    }

    /// Notes down what is broken, so that it goes a day from now: until then somebody can mend it. When it was mended, the note goes.
    async fn note_down(
        &self,
        tenant: &TenantName,
        backup: &BackupId,
        standing: Standing,
        found: &Found,
        now: DateTime<Utc>,
    ) -> Result<(), BackupError> {
        let key = manifest::broken_key(tenant, backup);
        match standing {
            Standing::Damaged { due: false } | Standing::Incomplete { due: false } => {
                // One that is old and still not due was made by somebody else.
                if found.broken.is_some() && found.is_young(now) {
                    return Ok(());
                }
                let mac_key = self.keys.sealing(tenant.as_str()).await?.mac;
                let (tenant, backup, mac) = (tenant.clone(), backup.clone(), String::new());
                let note = Broken { format: FORMAT, tenant, backup, found_at: now, mac };
                self.store.put(&key, manifest::sealed(&note, &mac_key)?, false).await
            }
            Standing::Good { .. } | Standing::Failed if found.broken.is_some() => self.store.delete(&key).await,
            _ => Ok(()),
        }
    }

    /// Removes a backup wholly, whoever stops the run meanwhile.
    async fn remove(&self, tenant: &TenantName, backup: &BackupId, found: &Found, now: DateTime<Utc>) -> Fate {
        // A run may have ended since it was listed.
        let manifest = match &found.manifest {
            None => self.store.get(&manifest::manifest_key(tenant, backup)).await,
            Some(_) => Ok(None),
        };
        match manifest {
            Ok(None) => {}
            Ok(Some(_)) => return Fate::Stays,
            Err(error) => return Fate::NotRemoved { error: error.to_string() },
        }
        let fate = self.delete_in_order(&manifest::dump_key(tenant, backup), &found.keys(tenant, backup), now).await;
        if fate == Fate::Removed {
            self.say(&format!("{tenant}: {backup} is removed"));
        }
        fate
    }

    /// Deletes these objects, as far as a lock on the first named one lets it.
    pub(crate) async fn delete_in_order(&self, locked: &str, keys: &[String], now: DateTime<Utc>) -> Fate {
        let until = match self.store.locked_until(locked).await {
            Ok(until) => until.filter(|until| *until > now),
            Err(error) => return Fate::NotRemoved { error: error.to_string() },
        };
        for key in keys {
            if let Err(error) = self.store.delete(key).await {
                // Where older versions can't be hidden, the lock keeps the newest from being deleted.
                return until
                    .map_or_else(|| Fate::NotRemoved { error: error.to_string() }, |until| Fate::Locked { until });
            }
        }
        until.map_or(Fate::Removed, |until| Fate::Locked { until })
    }
}

/// With the local days that each of them stands for.
pub(crate) async fn candidates(
    client: &Client,
    time_zone: &str,
    judged: Vec<Judged>,
) -> Result<Vec<Candidate>, BackupError> {
    let times: Vec<_> = judged.iter().flat_map(|one| [one.made, one.until]).collect();
    let days = client.query(DAYS, &[&time_zone, &times]).await;
    let days = days.map_err(BackupError::during("reckon local days"))?;
    let days: Vec<NaiveDate> = days.iter().map(|row| row.get(0)).collect();
    let candidates = judged.into_iter().zip(days.chunks_exact(2)).filter_map(|(judged, days)| match days {
        [first, last] => {
            let Judged { backup, standing, doubt, .. } = judged;
            Some(Candidate { backup, standing, doubt, first: *first, last: *last })
        }
        _ => None,
    });
    Ok(candidates.collect())
}

pub(crate) async fn may_prune(client: &Client, time_zone: &str) -> Result<(), BackupError> {
    known_zone(client, time_zone).await?;
    let row = client.query_one("SELECT pg_is_in_recovery()", &[]).await;
    if row.map_err(BackupError::during("ask whether the database is a standby"))?.get(0) {
        let reason = "the database is a standby, which learns of a hold later than it was placed; LABOR_BACKUP_URL must name the primary";
        return Err(BackupError::Refused(reason.to_owned()));
    }
    Ok(())
}

/// Whether the database can reckon in a time zone.
pub(crate) async fn known_zone(client: &Client, time_zone: &str) -> Result<(), BackupError> {
    let row = client.query_one(ZONE, &[&time_zone]).await.map_err(BackupError::during("look up the time zone"))?;
    if row.get(0) {
        return Ok(());
    }
    Err(BackupError::Invalid(format!(
        "{time_zone:?} is no time zone that the database knows; give one such as Europe/Berlin"
    )))
}

/// Why nothing of a tenant may be removed.
async fn untouched(client: &Client, tenant: &TenantName) -> Result<Option<Untouched>, BackupError> {
    let row = client.query_opt(TENANT, &[&tenant.as_str()]).await;
    let row = row.map_err(BackupError::during("look for holds"))?;
    let Some(row) = row else {
        let reason = "this database does not know it. Is LABOR_BACKUP_URL the right one?".to_owned();
        return Ok(Some(Untouched { reason, fault: true }));
    };
    if row.get(0) {
        let reason = "it is deleted; `labor-backup erase` sees to what is left".to_owned();
        return Ok(Some(Untouched { reason, fault: false }));
    }
    let holds: Option<String> = row.get(1);
    Ok(holds.map(|holds| Untouched { reason: format!("a hold stands: {holds}"), fault: false }))
}
