//! `run --all`: a backup of every tenant that changed since its last one.
//!
//! Definitions are asked of `pg_dump` once per class and not once per tenant ([`crate::layout`]). Whether a tenant changed is decided
//! by the same digests of all its rows that a restore is compared with, not by anything that could be reset, forgotten or go round.
//!
//! Must stay true: each tenant's backup is what `run --tenant` would have made; a class is dumped by its layout only after one of its
//! members' dumps, made that way, was equal to a real `pg_dump`; one tenant's failure is told and ends no other's backup.
use std::collections::{BTreeMap, BTreeSet};
use std::future::ready;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use labor_catalog::TenantName;
use serde::Serialize;
use tokio::sync::{Semaphore, mpsc};
use tokio_postgres::Client;

use crate::class::{self, Class, Member};
use crate::layout::Layout;
use crate::list::Earlier;
use crate::mac::MacKey;
use crate::manifest::{self, FORMAT, Unchanged};
use crate::program::PgDump;
use crate::proof::{self, Contents};
use crate::run::Making;
use crate::snapshot::{Server, Snapshot};
use crate::standing::Standing;
use crate::{Backup, BackupError, BackupId, Manifest, clock, workers};

/// A server process keeps what it learned of each schema; after so many tenants it gives way to a new one.
const TENANTS_PER_CONNECTION: usize = 100;

/// How a run over all tenants goes about it.
#[derive(Clone, Copy, Debug)]
pub struct FleetOptions {
    /// Tenants that are dumped at a time.
    pub jobs: usize,
    /// A tenant that has not changed is dumped all the same when its newest backup is older than so many days. 0: always.
    pub at_most_days: u16,
}

/// What became of one tenant.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// It has a new backup.
    Stored {
        /// Which.
        backup: BackupId,
        /// Rows in it.
        rows: u64,
        /// Bytes stored.
        bytes: u64,
        /// Whether by the layout of its class; else by `pg_dump`.
        by_class: bool,
        /// Whether its definitions are not those that the ledger has.
        drifted: bool,
    },
    /// Rows and definitions are those of its newest backup.
    Unchanged {
        /// Which.
        backup: BackupId,
    },
    /// It was deleted, or is being deleted, since the run began.
    Gone,
    /// It has no new backup.
    Failed {
        /// Why.
        error: String,
    },
}

/// What a run over all tenants did.
#[derive(Clone, Debug, Serialize)]
pub struct FleetRun {
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub finished_at: DateTime<Utc>,
    /// The classes of tenants with equal definitions, as the ledger has them.
    pub classes: Vec<Class>,
    /// What became of each tenant.
    pub tenants: BTreeMap<TenantName, Outcome>,
}

impl FleetRun {
    /// What somebody has to look at: tenants without a backup, and classes whose text was not `pg_dump`'s.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let classes = self.classes.iter().filter_map(|class| class.fault.clone());
        let failed = self.tenants.iter().filter_map(|(tenant, outcome)| match outcome {
            Outcome::Failed { error } => Some(format!("{tenant} has no new backup: {error}")),
            _ => None,
        });
        classes.chain(failed).collect()
    }
}

type Tell = Arc<dyn Fn(&TenantName, &Outcome) + Send + Sync>;

/// What all workers share.
struct Fleet {
    backup: Backup,
    server: Server,
    program: PgDump,
    layouts: Vec<Layout>,
    /// Connections that nobody uses at the moment.
    lines: Mutex<Vec<Line>>,
    options: FleetOptions,
    /// One for each tenant that may be dumped at a time, by this run and those beside it.
    seats: Arc<Semaphore>,
    tell: Tell,
}

impl Backup {
    /// Backs up every tenant that is not deleted and has changed. `begin` is told how many there are, `tell` what became of each, in
    /// whatever order.
    ///
    /// # Errors
    /// When nothing could be begun, or it was stopped. What fails for one tenant is in the result.
    pub async fn run_all(
        &self,
        options: FleetOptions,
        begin: impl FnOnce(usize),
        tell: impl Fn(&TenantName, &Outcome) + Send + Sync + 'static,
    ) -> Result<FleetRun, BackupError> {
        let seats = Arc::new(Semaphore::new(options.jobs.max(1)));
        Box::pin(self.run_some(None, options, seats, begin, tell)).await
    }

    /// The same of some only. Runs that share their seats dump no more at a time than one of them would.
    pub(crate) async fn run_some(
        &self,
        only: Option<&BTreeSet<TenantName>>,
        options: FleetOptions,
        seats: Arc<Semaphore>,
        begin: impl FnOnce(usize),
        tell: impl Fn(&TenantName, &Outcome) + Send + Sync + 'static,
    ) -> Result<FleetRun, BackupError> {
        let started_at = Utc::now();
        let beginning = async {
            let client = labor_connect::connect(&self.source).await?;
            clock::agrees_with_database(&client).await?;
            self.may_lock().await?;
            let server = Server::to_be_read(&client).await?;
            let program = PgDump::find(self.program_folder.as_deref(), server.major).await?;
            Ok((client, server, program))
        };
        let (client, server, program) = Box::pin(self.unless_stopped(beginning)).await?;
        let sweeping = async {
            // The whole bucket is listed for many, and one folder for one.
            let alone = only.filter(|only| only.len() == 1).and_then(BTreeSet::first);
            self.sweep(alone).await;
            Ok(())
        };
        self.unless_stopped(sweeping).await?;
        let mut members = self.unless_stopped(class::members(&client)).await?;
        members.retain(|member| only.is_none_or(|only| only.contains(&member.tenant)));
        begin(members.len());
        drop(client);
        let (layouts, classes) = Box::pin(self.layouts(&program, &members)).await?;
        let (backup, lines) = (self.clone(), Mutex::default());
        let fleet = Fleet { backup, server, program, layouts, lines, options, seats, tell: Arc::new(tell) };
        let tenants = Arc::new(fleet).all(members).await?;
        Ok(FleetRun { started_at, finished_at: Utc::now(), classes, tenants })
    }
}

impl Fleet {
    /// Everybody once; whose failure may have been the surroundings' or the layout's once more, by `pg_dump`.
    async fn all(self: Arc<Self>, members: Vec<Member>) -> Result<BTreeMap<TenantName, Outcome>, BackupError> {
        let mut outcomes = self.pass(members, Attempt::First).await?;
        let failed: Vec<_> = outcomes.values().filter(|done| done.again).map(|done| done.member.clone()).collect();
        if !failed.is_empty() {
            self.backup.say(&format!("{} tenant(s) failed and are tried once more", failed.len()));
            outcomes.extend(self.pass(failed, Attempt::Last).await?);
        }
        Ok(outcomes.into_iter().map(|(tenant, done)| (tenant, done.outcome)).collect())
    }

    async fn pass(
        self: &Arc<Self>,
        members: Vec<Member>,
        attempt: Attempt,
    ) -> Result<BTreeMap<TenantName, Done>, BackupError> {
        let work = members.into_iter().map(|member| {
            let fleet = self.clone();
            tokio::spawn(async move { Box::pin(fleet.one(member, attempt)).await })
        });
        let done = workers::all(self.options.jobs, work).await?;
        Ok(done.into_iter().map(|one| (one.member.tenant.clone(), one)).collect())
    }

    /// An error only when all is to stop.
    async fn one(&self, member: Member, attempt: Attempt) -> Result<Done, BackupError> {
        let _seat = self.seats.acquire().await.map_err(|_| BackupError::Stopped)?;
        let mut line = self.lines().pop().unwrap_or_default();
        let tried = self.backup.unless_stopped(async { line.open(&self.backup).await });
        let tried = match tried.await {
            Ok(client) => Box::pin(self.back_up(client, &member, attempt)).await,
            Err(error) => Err(error),
        };
        let (outcome, again) = match tried {
            Ok(outcome) => (outcome, false),
            Err(BackupError::Stopped) => return Err(BackupError::Stopped),
            Err(BackupError::NotFound(_)) if self.is_gone(&mut line, &member.tenant).await => (Outcome::Gone, false),
            Err(error) => {
                line = Line::default();
                let certain =
                    matches!(error, BackupError::Refused(_) | BackupError::Key { .. } | BackupError::NotFound(_));
                (Outcome::Failed { error: error.to_string() }, !certain && attempt == Attempt::First)
            }
        };
        self.lines().push(line);
        if !again {
            (self.tell)(&member.tenant, &outcome);
        }
        Ok(Done { member, outcome, again })
    }

    fn lines(&self) -> MutexGuard<'_, Vec<Line>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its schema is not there: because it is being deleted?
    async fn is_gone(&self, line: &mut Line, tenant: &TenantName) -> bool {
        let Ok(client) = line.open(&self.backup).await else {
            return false;
        };
        let state = client.query_opt("SELECT state FROM control.tenants WHERE name = $1", &[&tenant.as_str()]).await;
        state.is_ok_and(|row| row.is_none_or(|row| ["frozen", "deleted"].contains(&row.get(0))))
    }

    async fn back_up(&self, client: &mut Client, member: &Member, attempt: Attempt) -> Result<Outcome, BackupError> {
        let (backup, tenant) = (&self.backup, &member.tenant);
        let earlier = Box::pin(backup.unless_stopped(backup.earlier(tenant))).await?;
        let key = backup.key_for_run(tenant, earlier.as_ref()).await?;
        let snapshot = backup.unless_stopped(Snapshot::open(client, tenant)).await?;
        let contents = backup.unless_stopped(proof::all(&snapshot.transaction, tenant)).await?;
        if let Some(earlier) = &earlier
            && self.is_unchanged(tenant, earlier, &key.mac, &contents).await
        {
            let (begun, lsn) = (snapshot.begun, snapshot.lsn.clone());
            drop(snapshot);
            let unchanged = self.unchanged(tenant, &earlier.backup, begun, lsn, &key.mac).await?;
            backup.unless_deleted(client, tenant, &manifest::unchanged_key(tenant, &earlier.backup)).await?;
            return Ok(unchanged);
        }
        let making = Making::new(tenant, &self.server, &self.program, key, &snapshot);
        let (to_sealer, plain) = mpsc::channel(4);
        let layout = self.layouts.iter().find(|layout| attempt == Attempt::First && layout.fits(&contents));
        let known = contents.clone();
        let dumping = async {
            match layout {
                Some(layout) => layout.pass_on(&snapshot.transaction, tenant, &known, to_sealer).await,
                None => backup.dump(&self.program, tenant, &snapshot, to_sealer).await,
            }
        };
        let dumped = backup.store_dump(making, plain, dumping, ready(Ok(contents))).await?;
        drop(snapshot);
        let made = backup.finish(dumped).await?;
        backup.unless_deleted(client, tenant, &manifest::of_backup(tenant, &made.backup)).await?;
        let (rows, bytes, drifted) = (made.rows(), made.sealed.bytes, made.ledger_fingerprint.is_some());
        Ok(Outcome::Stored { backup: made.backup, rows, bytes, by_class: layout.is_some(), drifted })
    }

    /// Whether the newest backup is good, not too old, and has exactly this in it. In doubt it is not, and there is a new one.
    async fn is_unchanged(
        &self,
        tenant: &TenantName,
        earlier: &Earlier,
        mac_key: &MacKey,
        contents: &Contents,
    ) -> bool {
        let Some(manifest) = earlier.manifest.as_ref().filter(|manifest| same(manifest, contents)) else {
            return false;
        };
        let (now, days) = (Utc::now(), self.options.at_most_days);
        if !earlier.newest || days == 0 || now - manifest.started_at > TimeDelta::days(days.into()) {
            return false;
        }
        let Earlier { backup, document, found, .. } = earlier;
        let judging = self.backup.judge_document(tenant, backup.clone(), Some(document), found, mac_key, now);
        match judging.await {
            Ok(judged) => matches!(judged.standing, Standing::Good { .. }),
            Err(error) => {
                tracing::warn!(%tenant, %backup, %error, "whether it is good can't be told, so there will be another");
                false
            }
        }
    }

    async fn unchanged(
        &self,
        tenant: &TenantName,
        backup: &BackupId,
        until: DateTime<Utc>,
        snapshot_lsn: String,
        mac_key: &MacKey,
    ) -> Result<Outcome, BackupError> {
        let (tenant, backup, mac) = (tenant.clone(), backup.clone(), String::new());
        let key = manifest::unchanged_key(&tenant, &backup);
        let note = Unchanged { format: FORMAT, tenant, backup: backup.clone(), until, snapshot_lsn, mac };
        let document = manifest::sealed(&note, mac_key)?;
        self.backup.store.put(&key, document, false).await?;
        Ok(Outcome::Unchanged { backup })
    }
}

/// Whether a backup has exactly this in it. What only `pg_dump` can tell may have changed at any time.
fn same(manifest: &Manifest, contents: &Contents) -> bool {
    manifest.fingerprint == contents.fingerprint
        && contents.besides.is_some()
        && manifest.besides == contents.besides
        && manifest.schema_version == contents.version
        && manifest.tables == contents.tables
}

/// How often it was tried before.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Attempt {
    First,
    Last,
}

/// A member, and what became of it.
struct Done {
    member: Member,
    outcome: Outcome,
    again: bool,
}

/// A connection that serves one tenant after the other.
#[derive(Default)]
pub(crate) struct Line {
    client: Option<Client>,
    served: usize,
}

impl Line {
    /// The connection, or a new one.
    pub(crate) async fn open(&mut self, backup: &Backup) -> Result<&mut Client, BackupError> {
        let worn = self.served >= TENANTS_PER_CONNECTION;
        let client = match self.client.take().filter(|client| !worn && !client.is_closed()) {
            Some(client) => client,
            None => {
                self.served = 0;
                labor_connect::connect(&backup.source).await?
            }
        };
        self.served += 1;
        Ok(self.client.insert(client))
    }
}
