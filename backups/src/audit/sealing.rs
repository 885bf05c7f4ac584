//! One pass over all practices: what is new in each audit gets a seal.
//!
//! Must stay true: a seal is written once and never replaced, so of two sealers one gives way; a practice can't be deleted between the look
//! at its rows and the end of the writing (the transaction holds its table), nor wait for the store longer than it is waited for ([`crate::waiting`]);
//! what a practice's session wrote makes no more work than [`SEALS`] in a pass, and of its text there is one row in memory at a time.
use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use labor_catalog::TenantName;
use serde::Serialize;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Transaction};
use uuid::Uuid;

use super::findings::parse;
use super::seal::{Link, New, Reached, Seal, SealedRow, content};
use super::{AuditHead, Audits, WINDOW, begin, key, plain, too_large};
use crate::clock::{self, CLOCKS_DIFFER};
use crate::{Backup, BackupError, PublicKey, SigningKey};

/// Rows in a seal, at most: 5 MB of document.
const ROWS: usize = 50_000;
/// Seals of one practice in a pass, at most. The next pass goes on.
const SEALS: usize = 20;
/// A practice in which nothing happens gets a seal all the same: that nothing was there is known then, too.
const QUIET: TimeDelta = TimeDelta::hours(24);

/// What a pass did for one practice.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Sealed {
    /// There was nothing new.
    Unchanged,
    /// Its new rows are sealed.
    Sealed {
        /// How many.
        rows: u64,
        /// The newest seal: keep it elsewhere, and `audit verify --head` asks for it.
        head: AuditHead,
    },
    /// Another sealer was quicker; the next pass goes on behind its seal.
    Other,
    /// It could not be sealed; the next pass tries again.
    Failed {
        /// Why, and what to do.
        error: String,
    },
}

/// What a pass did.
#[derive(Clone, Debug, Default, Serialize)]
pub struct SealRun {
    /// Of each practice.
    pub tenants: BTreeMap<TenantName, Sealed>,
    /// What is wrong with others that have seals.
    pub unknown: Vec<String>,
}

impl SealRun {
    /// Rows that were sealed.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.tenants.values().map(|sealed| if let Sealed::Sealed { rows, .. } = sealed { *rows } else { 0 }).sum()
    }

    /// What somebody has to look at.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let failed = self.tenants.iter().filter_map(|(tenant, sealed)| match sealed {
            Sealed::Failed { error } => Some(format!("the audit of {tenant} is not sealed: {error}")),
            _ => None,
        });
        failed.chain(self.unknown.iter().cloned()).collect()
    }
}

/// Seals pass after pass, and remembers what it sealed.
pub struct Sealer {
    backup: Backup,
    key: SigningKey,
    /// Keys whose seals are believed.
    keys: Vec<PublicKey>,
    jobs: usize,
    rows: usize,
    known: BTreeMap<TenantName, Known>,
    /// The newest seal of each that was there or made by this process: whatever else is forgotten, it has to be there still.
    heads: BTreeMap<TenantName, AuditHead>,
}

/// What is known of a practice's seals.
#[derive(Clone, Debug, Default)]
struct Known {
    link: Link,
    sealed_at: Option<DateTime<Utc>>,
    /// Rows that the next look would find again, and a time that none of them is after.
    recent: BTreeMap<Uuid, DateTime<Utc>>,
}

/// What became of a practice, and what is known of it afterwards.
struct Looked {
    tenant: TenantName,
    sealed: Sealed,
    known: Option<Known>,
}

impl Sealer {
    /// A sealer that signs with this key, and goes on behind seals of this one or of `former` ones; that looks into so many practices at a time.
    #[must_use]
    pub fn new(backup: Backup, key: SigningKey, former: Vec<PublicKey>, jobs: usize) -> Self {
        let keys = former.into_iter().chain([key.public().clone()]).collect();
        Self { backup, key, keys, jobs: jobs.max(1), rows: ROWS, known: BTreeMap::new(), heads: BTreeMap::new() }
    }

    /// Puts at most so many rows into a seal: 50,000 without it.
    #[must_use]
    pub fn with_rows(mut self, rows: usize) -> Self {
        self.rows = rows.clamp(1, ROWS);
        self
    }

    /// One pass over every practice, or one of them.
    ///
    /// # Errors
    /// When the practices can't be listed, a clock is wrong, the database is a standby, nothing can be locked as it was asked for, or it was
    /// stopped.
    pub async fn pass(&mut self, only: Option<&TenantName>) -> Result<SealRun, BackupError> {
        let backup = self.backup.clone();
        let work = async {
            backup.may_lock().await?;
            let client = super::connect(&backup).await?;
            clock::agrees_with_database(&client).await?;
            let Audits { tenants, faults, .. } = backup.audited(&client, only).await?;
            drop(client);
            let share = tenants.len().div_ceil(self.jobs).max(1);
            let known = &mut self.known;
            let work: Vec<_> = tenants.into_iter().map(|tenant| (known.remove(&tenant), tenant)).collect();
            let lanes = work.chunks(share).map(<[_]>::to_vec).map(|lane| self.lane(lane));
            let done: Vec<_> = stream::iter(lanes).buffer_unordered(self.jobs).collect().await;
            let (mut run, mut remembered) = (SealRun { unknown: faults, ..SealRun::default() }, BTreeMap::new());
            for Looked { tenant, sealed, known } in done.into_iter().flatten() {
                remembered.extend(known.map(|known| (tenant.clone(), known)));
                run.tenants.insert(tenant, sealed);
            }
            self.heads.extend(remembered.iter().filter_map(|(tenant, known)| Some((tenant.clone(), known.head()?))));
            self.known = remembered;
            Ok(run)
        };
        Box::pin(backup.unless_stopped(work)).await
    }

    /// Some practices, one after the other, over one connection.
    async fn lane(&self, tenants: Vec<(Option<Known>, TenantName)>) -> Vec<Looked> {
        let (mut line, mut done) = (None, Vec::with_capacity(tenants.len()));
        for (known, tenant) in tenants {
            let (sealed, known) = match Box::pin(self.seal(&mut line, &tenant, known)).await {
                Ok((sealed, known)) => (sealed, known),
                Err(error) => {
                    line = None;
                    (Sealed::Failed { error: error.to_string() }, None)
                }
            };
            done.push(Looked { tenant, sealed, known });
        }
        done
    }

    async fn seal(
        &self,
        line: &mut Option<Client>,
        tenant: &TenantName,
        known: Option<Known>,
    ) -> Result<(Sealed, Option<Known>), BackupError> {
        let from_store = known.is_none();
        let mut known = match known {
            Some(known) => known,
            None => self.remember(tenant).await?,
        };
        let (mut sealed, mut count) = (Sealed::Unchanged, 0);
        for _ in 0..SEALS {
            let client = match line {
                Some(client) => client,
                None => line.insert(super::connect(&self.backup).await?),
            };
            let transaction = begin(client, tenant).await?;
            let mut new = self.new_rows(&transaction, tenant, &known).await?;
            if new.rows.is_empty() && !known.is_quiet(new.sealed_at) && known.link.reached.is_none() {
                break;
            }
            let (more, times) = (new.reached.is_some(), std::mem::take(&mut new.times));
            let (seal, document) = Seal::make(tenant, &known.link, new, &self.key)?;
            if !self.store(tenant, seal.header.number, document).await? {
                // Just now there was none with this number.
                let sealed = if from_store && count == 0 { self.overtaken(tenant).await? } else { Sealed::Other };
                return Ok((sealed, None));
            }
            known.take(&seal, &times);
            count += seal.header.rows;
            sealed = Sealed::Sealed { rows: count, head: AuditHead { number: seal.header.number, sha256: seal.head } };
            if !more {
                break;
            }
        }
        Ok((sealed, Some(known)))
    }

    /// Whether it is there now, as ours. Another's is never replaced.
    async fn store(&self, tenant: &TenantName, number: u64, document: Vec<u8>) -> Result<bool, BackupError> {
        let (key, store) = (key(tenant, number), &self.backup.store);
        let Err(error) = store.put(&key, document, true).await else { return Ok(true) };
        // Is it another's, or nobody's?
        match store.get(&key).await {
            Ok(Some(_)) => Ok(false),
            _ => Err(error),
        }
    }

    /// Another sealer was quicker, if what is there now can be gone on from; else somebody put it there to stop us.
    async fn overtaken(&self, tenant: &TenantName) -> Result<Sealed, BackupError> {
        self.remember(tenant).await.map(|_| Sealed::Other)
    }

    /// What the store has of a practice's seals: the newest, and those before it that have rows which the next look would find again.
    async fn remember(&self, tenant: &TenantName) -> Result<Known, BackupError> {
        let mut known = Known::default();
        let (numbers, disturbed) = self.backup.seals(tenant).await?;
        if let Some(number) = disturbed.first() {
            return Err(self.not_behind(tenant, &format!("somebody deleted {} or wrote over it", key(tenant, *number))));
        }
        if let Some(head) = self.heads.get(tenant) {
            let document = self.backup.read_seal(tenant, head.number).await?;
            if !Seal::read(&document, tenant, None).is_ok_and(|seal| seal.head == head.sha256) {
                let why = format!("{} is not the one that was there before: {}", key(tenant, head.number), head.sha256);
                return Err(self.not_behind(tenant, &why));
            }
        }
        if numbers.last().is_some_and(|last| *last != numbers.len() as u64) {
            return Err(self.not_behind(tenant, "some of its seals are missing"));
        }
        for number in numbers.into_iter().rev() {
            let document = self.backup.read_seal(tenant, number).await?;
            let seal = Seal::read(&document, tenant, Some(&self.keys))
                .and_then(|seal| seal.numbered(number))
                .map_err(|reason| self.not_behind(tenant, &format!("{}: {reason}", key(tenant, number))))?;
            let at = seal.header.sealed_at;
            let newest = *known.sealed_at.get_or_insert(at);
            if known.link.number == 0 {
                known.link = seal.link();
            }
            // It goes on behind a row. What is sealed twice because of it does no harm.
            if known.link.reached.is_some() {
                break;
            }
            known.recent.extend(seal.rows.iter().map(|row| (row.id, at)));
            if newest.checked_sub_signed(WINDOW + CLOCKS_DIFFER).is_none_or(|since| at < since) {
                break;
            }
        }
        known.forget();
        Ok(known)
    }

    fn not_behind(&self, tenant: &TenantName, why: &str) -> BackupError {
        BackupError::Refused(format!(
            "{why}. If they were made with another key, name that with --former-public-key; `labor-backup audit verify --tenant {tenant}` says what of the seals holds"
        ))
    }

    /// What is new: by the rows' own times, which their writers can't choose, so that no more is read than was written since. A row that says that it is
    /// older than what was sealed is not new: it was added ([`super::findings`]).
    async fn new_rows(
        &self,
        transaction: &Transaction<'_>,
        tenant: &TenantName,
        known: &Known,
    ) -> Result<New, BackupError> {
        let during = || BackupError::during(format!("{tenant}: read its audit"));
        let row = transaction.query_one("SELECT now(), clock_timestamp()", &[]).await.map_err(during())?;
        let (begun, sealed_at): (DateTime<Utc>, DateTime<Utc>) = (row.get(0), row.get(1));
        if known.sealed_at.is_some_and(|last| last > sealed_at) {
            return Err(BackupError::Refused(format!(
                "the database says that it is {sealed_at}, and its newest seal was made later: set the clock that is wrong"
            )));
        }
        let recent: Vec<_> = known.recent.keys().collect();
        let (after, behind) = known.link.reached.as_ref().map(|reached| (reached.at, reached.id)).unzip();
        let statement = format!(
            "SELECT {}, a.at FROM ONLY {tenant}.audit a
              WHERE a.at <= $1 AND ($2::timestamptz IS NULL OR a.at >= $2) AND a.id <> ALL ($3)
                AND ($4::timestamptz IS NULL OR (a.at, a.id) > ($4, $5::uuid))
              ORDER BY a.at, a.id LIMIT {}",
            plain(transaction, tenant).await?,
            self.rows
        );
        let first = known.link.reached.as_ref().map_or(begun, |reached| reached.begun);
        let since = known.since();
        let parameters: [&(dyn ToSql + Sync); 5] = [&begun, &since, &recent, &after, &behind];
        let mut found = std::pin::pin!(transaction.query_raw(&statement, parameters).await.map_err(during())?);
        let mut new = New { begun, sealed_at, columns: Vec::new(), rows: Vec::new(), times: Vec::new(), reached: None };
        while let Some(row) = found.try_next().await.map_err(during())? {
            let text = row.get::<_, Option<&str>>(0).ok_or_else(|| too_large(tenant))?;
            let ((id, content_of), at) = (parse(text)?, row.try_get(1).map_err(during())?);
            if new.columns.is_empty() {
                new.columns = content_of.keys().cloned().collect();
                new.columns.sort_unstable();
            }
            new.times.push(at);
            new.rows.push(SealedRow { id, hash: content(&new.columns, &content_of) });
            new.reached = (new.rows.len() == self.rows).then_some(Reached { at, id, begun: first });
        }
        Ok(new)
    }
}

impl Known {
    /// From when on to look; none: the first time everything is new.
    fn since(&self) -> Option<DateTime<Utc>> {
        self.link.complete_until.and_then(|until| until.checked_sub_signed(WINDOW))
    }

    fn head(&self) -> Option<AuditHead> {
        Some(AuditHead { number: self.link.number, sha256: self.link.head.clone()? })
    }

    fn is_quiet(&self, now: DateTime<Utc>) -> bool {
        self.sealed_at.is_some_and(|sealed_at| now - sealed_at >= QUIET)
    }

    fn take(&mut self, seal: &Seal, times: &[DateTime<Utc>]) {
        self.link = seal.link();
        self.sealed_at = Some(seal.header.sealed_at);
        self.recent.extend(seal.rows.iter().map(|row| row.id).zip(times.iter().copied()));
        self.forget();
    }

    /// What no later look finds again. While there is more than one seal takes, each look goes on behind the last row, and the last of them
    /// leaves all complete until then.
    fn forget(&mut self) {
        let sealed_at = self.sealed_at.and_then(|sealed_at| sealed_at.checked_sub_signed(WINDOW));
        let since = self.since().max(sealed_at.filter(|_| self.link.reached.is_some()));
        self.recent.retain(|_, at| since.is_none_or(|since| *at >= since));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_practice_that_was_never_sealed_is_not_quiet_and_one_of_yesterday_is() {
        let now = Utc::now();
        let quiet = |sealed_at| Known { sealed_at, ..Known::default() }.is_quiet(now);
        assert!(!quiet(None) && !quiet(Some(now - TimeDelta::hours(23))) && quiet(Some(now - TimeDelta::hours(24))));
    }
}
