//! Which tenants a run is about, and in which order its workers get them.
//! Must stay true: memory is that of a page, whatever the number of tenants; nobody is given out, and no generation set,
//! while the fleet may go the other way.
use std::collections::{BTreeSet, VecDeque};
use std::time::Instant;

use labor_catalog::TenantName;
use tokio_postgres::Client;

use crate::begun::REACHED;
use crate::named::SLUG;
use crate::step::Way;
use crate::worker::{CONNECT_ATTEMPTS, reconnect};
use crate::{Migrator, MigratorError, direction, named, recorded};

/// So many names are read at a time.
const PAGE: i64 = 256;

/// Tenants that are to be migrated, page by page.
pub(crate) struct Queue {
    client: Client,
    /// Whether the connection holds the fleet's direction: one that was made anew doesn't.
    directed: bool,
    /// The server was waited for in vain: whoever asks the queue next does not wait for it again.
    gone: bool,
    selection: Selection,
    /// Still to come before all others.
    first: VecDeque<TenantName>,
    page: VecDeque<(TenantName, Option<String>)>,
    last: String,
    left: Option<u64>,
    /// Held by another migrator when they were tried: they come again when nobody else is left in the wave.
    busy: VecDeque<Turn>,
    /// Those that were to come first when the wave began: no page brings them.
    excluded: Vec<String>,
    /// Who is left to a later wave as long as there is anybody else.
    spared: Spared,
    /// Whether anybody was given out in this wave.
    begun: bool,
}

/// Who is not in a wave as long as there is anybody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spared {
    /// Spares and suspended practices, in which nobody works and nothing would be noticed, and the intake.
    Idle,
    /// The intake: all practices' unknown messages wait behind it.
    Intake,
    Nobody,
}

/// A tenant that a worker takes.
pub(crate) struct Turn {
    pub(crate) tenant: TenantName,
    /// What people type at sign-in.
    pub(crate) slug: Option<String>,
    pub(crate) started: Instant,
    /// How often another migrator held it.
    pub(crate) busy: i32,
}

/// Which tenants a run is about.
#[derive(Debug, Clone)]
pub(crate) struct Selection {
    pub(crate) way: Way,
    pub(crate) task: uuid::Uuid,
    pub(crate) checksum: String,
    pub(crate) version: i32,
    /// Also those that are where they should be.
    pub(crate) settled_too: bool,
    /// Only these; `None`: all.
    pub(crate) only: Option<Vec<String>>,
    /// These before all others.
    pub(crate) first: Vec<String>,
    /// These have failed in this run, and not even that could be written down: they would come again at once.
    pub(crate) unwritten: Vec<String>,
}

/// Not at the target, not held, and not yet through in this run.
const PENDING: &str = "
    FROM control.ledger l JOIN control.tenants t ON t.name = l.tenant
   WHERE (l.chain_checksum <> $1 OR $5) AND l.held_at IS NULL AND t.state <> 'deleted'
     AND ($3::text[] IS NULL OR l.tenant = ANY ($3)) AND l.tenant <> ALL ($6)
     AND NOT EXISTS (SELECT FROM control.outcomes o WHERE o.run_id = $4 AND o.tenant = l.tenant AND o.outcome <> 'running')";

impl Selection {
    /// Upwards also those at the target's version whose row rules are older; back only those after it. Who has begun a later version
    /// is after it.
    fn pending(&self) -> String {
        match self.way {
            Way::Up => format!("{PENDING} AND {REACHED} <= $2"),
            Way::Back => format!("{PENDING} AND {REACHED} > $2"),
        }
    }

    /// How many there are, and the lowest and the highest version among them.
    pub(crate) async fn count(&self, client: &Client) -> Result<(u64, i32, i32), MigratorError> {
        let sql =
            format!("SELECT count(*), coalesce(min(l.version), $2), coalesce(max({REACHED}), $2) {}", self.pending());
        let row = client
            .query_one(
                &sql,
                &[&self.checksum, &self.version, &self.only, &self.task, &self.settled_too, &self.unwritten],
            )
            .await
            .map_err(MigratorError::during("count the tenants"))?;
        Ok((u64::try_from(row.get::<_, i64>(0)).unwrap_or_default(), row.get(1), row.get(2)))
    }

    /// Leaves of the tenants that are to come first those that are to be migrated, each once, in the order given.
    pub(crate) async fn choose_first(&mut self, client: &Client) -> Result<(), MigratorError> {
        if let (Some(only), Some(name)) =
            (&self.only, self.first.iter().find(|name| self.only.as_ref().is_some_and(|only| !only.contains(name))))
        {
            return Err(MigratorError::Invalid(format!(
                "{name} is to come first (--first), but is not among the {} selected (--tenant); nothing was changed",
                only.len()
            )));
        }
        if self.first.is_empty() {
            return Ok(());
        }
        let sql = format!("SELECT l.tenant {} AND l.tenant = ANY ($7)", self.pending());
        let rows = client
            .query(
                &sql,
                &[
                    &self.checksum,
                    &self.version,
                    &self.only,
                    &self.task,
                    &self.settled_too,
                    &self.unwritten,
                    &self.first,
                ],
            )
            .await
            .map_err(MigratorError::during("look up the tenants that come first"))?;
        let mut pending: BTreeSet<String> = rows.iter().map(|row| row.get(0)).collect();
        self.first.retain(|name| pending.remove(name));
        Ok(())
    }
}

impl Queue {
    /// With the connection that holds the fleet's direction.
    pub(crate) fn new(client: Client, selection: Selection) -> Self {
        let first = selection.first.iter().filter_map(|name| TenantName::parse(name).ok()).collect();
        let (page, last, left, busy, excluded) = (VecDeque::new(), String::new(), Some(0), VecDeque::new(), Vec::new());
        Self {
            client,
            directed: true,
            gone: false,
            selection,
            first,
            page,
            last,
            left,
            busy,
            excluded,
            spared: Spared::Nobody,
            begun: false,
        }
    }

    /// Begins a wave of so many tenants; `None`: all that are left. A canary wave is of practices that work: not of spares,
    /// suspended practices and the intake, unless they come first by name or nobody else is left.
    pub(crate) fn begin(&mut self, size: Option<u64>, canary: bool) {
        (self.spared, self.begun) = (if canary { Spared::Idle } else { Spared::Nobody }, false);
        self.left = size;
        self.last.clear();
        self.page.clear();
        self.busy.clear();
        self.excluded = self.first.iter().map(|name| name.as_str().to_owned()).collect();
    }

    /// The queue's connection, made anew when it was lost, while the fleet goes this way: what is changed with it, such as the
    /// generation, is the run's alone to change.
    pub(crate) async fn client(&mut self, migrator: &Migrator) -> Result<&mut Client, MigratorError> {
        self.undirected(migrator).await?;
        if !self.directed {
            // Meanwhile the fleet may have gone the other way, or by other files.
            direction::take(&self.client, self.selection.way, migrator.chain()).await?;
            if self.selection.way == Way::Up {
                recorded::require(&self.client, migrator.chain(), self.selection.version).await?;
            }
            self.directed = true;
        }
        Ok(&mut self.client)
    }

    /// The same whichever way the fleet goes by now: only for the run's own record, which is written also when the direction is lost.
    async fn undirected(&mut self, migrator: &Migrator) -> Result<&mut Client, MigratorError> {
        if self.client.is_closed() {
            self.directed = false;
            let attempts = if self.gone { 1 } else { CONNECT_ATTEMPTS };
            let again = reconnect(migrator, self.selection.task, attempts).await;
            self.gone = again.is_err();
            self.client = again?.client;
        }
        Ok(&mut self.client)
    }

    /// How many are still to come, while the fleet goes this way.
    pub(crate) async fn pending(&mut self, migrator: &Migrator) -> Result<u64, MigratorError> {
        self.client(migrator).await?;
        Ok(self.selection.count(&self.client).await?.0)
    }

    /// The same for the run's record, whichever way the fleet goes by now; with the connection that it is written with.
    pub(crate) async fn left(&mut self, migrator: &Migrator) -> Result<(u64, &Client), MigratorError> {
        self.undirected(migrator).await?;
        Ok((self.selection.count(&self.client).await?.0, &self.client))
    }

    /// Failed, and not even that could be written down: it is not tried again in this run.
    pub(crate) fn leave_out(&mut self, tenant: &TenantName) {
        self.selection.unwritten.push(tenant.to_string());
    }

    /// Comes again at the end of the wave.
    pub(crate) fn put_back(&mut self, turn: Turn) {
        self.busy.push_back(turn);
    }

    /// A tenant with which nothing was done takes no place in its wave.
    pub(crate) fn free_place(&mut self) {
        self.left = self.left.map(|left| left + 1);
    }

    /// The next one, while the fleet goes this way.
    pub(crate) async fn next(&mut self, migrator: &Migrator) -> Result<Option<Turn>, MigratorError> {
        self.client(migrator).await?;
        if self.left != Some(0)
            && let Some((tenant, slug)) = self.fresh().await?
        {
            self.left = self.left.map(|left| left - 1);
            return Ok(Some(Turn { tenant, slug, started: Instant::now(), busy: 0 }));
        }
        Ok(self.busy.pop_front())
    }

    /// One that was not taken in this wave yet.
    async fn fresh(&mut self) -> Result<Option<(TenantName, Option<String>)>, MigratorError> {
        if let Some(tenant) = self.first.front().cloned() {
            let slug = named::of(&self.client, &tenant).await.map_err(MigratorError::during("list the tenants"))?;
            self.first.pop_front();
            self.begun = true;
            return Ok(Some((tenant, slug)));
        }
        if self.page.is_empty() {
            self.turn_page().await?;
        }
        while self.page.is_empty() && self.spared != Spared::Nobody && !self.begun {
            self.spared = if self.spared == Spared::Idle { Spared::Intake } else { Spared::Nobody };
            self.last.clear();
            self.turn_page().await?;
        }
        self.begun |= !self.page.is_empty();
        Ok(self.page.pop_front())
    }

    /// The next names, in their order.
    async fn turn_page(&mut self) -> Result<(), MigratorError> {
        let s = &self.selection;
        let sql = format!(
            "SELECT l.tenant, {SLUG} {} AND l.tenant > $7 AND l.tenant <> ALL ($8) AND NOT ($9 AND t.kind = 'intake')
                AND NOT ($10 AND t.state IN ('spare', 'frozen'))
              ORDER BY l.tenant LIMIT {PAGE}",
            s.pending()
        );
        let (last, excluded) = (&self.last, &self.excluded);
        let (no_intake, no_idle) = (self.spared != Spared::Nobody, self.spared == Spared::Idle);
        let rows = self
            .client
            .query(
                &sql,
                &[
                    &s.checksum,
                    &s.version,
                    &s.only,
                    &s.task,
                    &s.settled_too,
                    &s.unwritten,
                    last,
                    excluded,
                    &no_intake,
                    &no_idle,
                ],
            )
            .await
            .map_err(MigratorError::during("list the tenants"))?;
        for row in rows {
            row.get::<_, &str>(0).clone_into(&mut self.last);
            self.page.push_back((crate::parse_name(&self.last)?, row.get(1)));
        }
        Ok(())
    }
}
