//! Tenant-bound connections: few per tenant and role, under one global budget, lent to one session at a time.
//! Must stay true: no more connections are open than the budget, but for those that are being closed; who has fewer goes first (`turns`); every wait is
//! bounded; a connection that may hold a transaction, or was a patient's, is closed and never lent again; a tenant whose schema this release can't serve
//! gets no session; when nobody asks for connections, their memory returns.
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use labor_catalog::{ClaimKey, ClaimRole, SecretNumber};
use uuid::Uuid;

use self::connect::Connector;
use self::connection::Connection;
use self::metrics::Counters;
use self::patience::{Lost, Patience};
use self::turns::{Grant, InLine, Key, Limits, Turns};
use crate::secrets::Secrets;
use crate::{Claims, Control, DbError, TenantSession};

mod connect;
mod connection;
mod metrics;
mod patience;
mod turns;

/// When there are more busy tenants than connections, none keeps its last one for longer, and none is overtaken for longer.
const TURN: Duration = Duration::from_millis(200);
/// A tenant's connection is not taken by those that have as many until it was idle for so long.
const KEEP: Duration = Duration::from_secs(1);

/// Limits of the pools.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolSettings {
    /// Connections to tenants, all together.
    pub budget: usize,
    /// Connections to one tenant in one role.
    pub per_tenant: usize,
    /// How long a request waits for its turn.
    pub wait: Duration,
    /// Requests of one tenant in one role that may wait; one more is refused at once.
    pub waiting_per_tenant: usize,
    /// Connections that are opened at the same time; half of them at most for sign-ins, and three quarters for these and patients.
    pub connects_at_once: usize,
    /// How long opening a connection may take.
    pub connect: Duration,
    /// How long the server may take to answer a BEGIN, which asks nothing of it. Then it, or the way to it, is taken for dead.
    pub answer: Duration,
    /// How long one round trip of a session may take in all. Longer than the server's own limit for a statement (20 s), which comes
    /// first when the server lives.
    pub work: Duration,
    /// A connection that nobody used for so long is closed.
    pub idle: Duration,
    /// No connection gets older; each is closed after three quarters to all of it. What the server keeps for it then returns.
    pub age: Duration,
}

impl Default for PoolSettings {
    fn default() -> Self {
        Self {
            budget: 100,
            per_tenant: 6,
            wait: Duration::from_secs(5),
            waiting_per_tenant: 1000,
            connects_at_once: 8,
            connect: Duration::from_secs(3),
            answer: Duration::from_secs(3),
            work: Duration::from_secs(22),
            idle: Duration::from_secs(180),
            age: Duration::from_secs(1800),
        }
    }
}

/// The way to every tenant's data. Cheap to clone.
#[derive(Clone)]
pub struct Tenants {
    registry: Arc<Registry>,
    control: Control,
}

struct Registry {
    settings: PoolSettings,
    connector: Connector,
    turns: Arc<Turns<Connection>>,
    patience: Patience,
    counters: Arc<Counters>,
    swept: AtomicBool,
}

/// A place in the budget; free again when it is dropped.
struct Place {
    turns: Option<Arc<Turns<Connection>>>,
    key: Key,
}

/// A connection that is lent to a session. Dropped, it goes to whoever is next if it is clean, else it is closed.
pub(crate) struct Lent {
    connection: Option<Connection>,
    place: Option<Place>,
    registry: Arc<Registry>,
}

impl Tenants {
    /// `url`: server and database; its login is replaced by each tenant's own.
    ///
    /// # Errors
    /// When the URL can't be read or TLS can't be set up.
    pub fn new(
        url: &str,
        secrets: impl Into<Secrets>,
        settings: PoolSettings,
        control: Control,
    ) -> Result<Self, DbError> {
        let counters = Arc::new(Counters::default());
        let connector = Connector::new(url, secrets.into(), settings.connects_at_once, settings.connect)?;
        let limits = Limits {
            budget: settings.budget,
            per_role: settings.per_tenant,
            waiting: settings.waiting_per_tenant,
            turn: TURN,
            keep: KEEP,
        };
        let turns = Arc::new(Turns::new(limits));
        let patience = Patience::new(settings.answer, settings.work);
        let swept = AtomicBool::new(false);
        let registry = Arc::new(Registry { settings, connector, turns, patience, counters, swept });
        Ok(Self { registry, control })
    }

    /// A session for verified claims, on a connection of the claims' tenant. `request_id` is written to audit rows.
    ///
    /// # Errors
    /// [`DbError::Unavailable`] when there is no connection within the time limit or too many requests of the tenant wait already,
    /// [`DbError::Refused`] when the tenant's login is not accepted (the tenant is frozen or deleted), [`DbError::OtherVersion`] when
    /// this release can't serve its schema.
    pub async fn session(&self, claims: Claims, request_id: Uuid) -> Result<TenantSession, DbError> {
        let (asked, counters) = (Instant::now(), &self.registry.counters);
        // An outage is mostly met here already, at the control plane.
        let lent = self.admitted(&claims).await.inspect_err(|error| {
            if error.is_transient() {
                counters.unavailable.inc();
            }
        })?;
        counters.bound(asked);
        // Asked again: it may have waited for its turn.
        let (id, secret) = self.registry.connector.secrets().signing(self.control.keys_in_use().await?)?;
        Ok(TenantSession::new(lent, claims, ClaimKey::new(id, &secret), request_id))
    }

    /// Past the gate, and through the line.
    async fn admitted(&self, claims: &Claims) -> Result<Lent, DbError> {
        self.control.require_served(claims.tenant()).await?;
        let number = self.control.keys_in_use().await?.number();
        self.registry.lend((claims.tenant().clone(), claims.role()), number).await
    }

    /// Tells a Prometheus registry how the pools do: `labor_pool_…`. No figure says anything about one practice.
    pub fn register(&self, metrics: &mut prometheus_client::registry::Registry) {
        self.registry.counters.register(Arc::downgrade(&self.registry.turns), metrics);
    }

    /// How many more connections the budget allows.
    #[must_use]
    pub fn free(&self) -> usize {
        self.registry.settings.budget.saturating_sub(self.registry.turns.census().open)
    }
}

impl Registry {
    async fn lend(self: &Arc<Self>, key: Key, number: SecretNumber) -> Result<Lent, DbError> {
        self.sweep_from_now_on();
        let no_turn = || DbError::Unavailable("no free connection to this tenant in time".to_owned());
        let until = tokio::time::Instant::now() + self.settings.wait;
        let in_line = self
            .turns
            .line_up(key.clone(), Instant::now())
            .map_err(|_| DbError::Unavailable("too many requests of this tenant wait for a connection".to_owned()))?;
        let granted = tokio::time::timeout_at(until, self.turn(in_line)).await.ok().flatten().ok_or_else(no_turn)?;
        let place = Place { turns: Some(self.turns.clone()), key };
        let ready = match granted {
            Grant::Ready(connection) if connection.is_clean() => Some(connection),
            // The server closed it while nobody looked; its place is good for another.
            Grant::Ready(_) => {
                self.counters.lost.inc();
                None
            }
            Grant::Room => None,
        };
        let connection = match ready {
            Some(connection) => connection,
            None => {
                let attempt = tokio::time::timeout_at(until, self.connector.attempt(place.key.1)).await;
                let attempt = attempt.ok().flatten().ok_or_else(no_turn)?;
                let opened = self.connector.open(attempt, &place.key.0, number).await;
                match &opened {
                    Ok(_) => self.counters.connects.inc(),
                    Err(_) => self.counters.connect_failures.inc(),
                };
                opened?
            }
        };
        Ok(Lent { connection: Some(connection), place: Some(place), registry: self.clone() })
    }

    /// Waits for the turn. Until when an idle connection is kept for its owner no event tells, so those who wait look themselves.
    async fn turn(&self, in_line: InLine<Connection>) -> Option<Grant<Connection>> {
        let mut turn = pin!(in_line.turn());
        // Who need not wait pays for no look at all desks.
        if let Some(granted) = turn.as_mut().now_or_never() {
            return granted;
        }
        loop {
            let now = Instant::now();
            let next = self.turns.look_again(now).unwrap_or(now + KEEP);
            tokio::select! {
                biased;
                granted = &mut turn => return granted,
                () = tokio::time::sleep_until(next.into()) => {}
            }
        }
    }

    /// Begins to close connections that are idle or old. From here, because it needs a runtime to run on.
    fn sweep_from_now_on(self: &Arc<Self>) {
        if !self.swept.swap(true, Ordering::Relaxed) {
            tokio::spawn(sweep(Arc::downgrade(self), self.settings.idle / 4));
        }
    }

    fn is_old(&self, connection: &Connection, now: Instant) -> bool {
        now.saturating_duration_since(connection.opened) >= self.settings.age.mul_f64(connection.share_of_age)
    }
}

/// Ends with the last handle of the pools.
async fn sweep(registry: Weak<Registry>, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        let Some(registry) = registry.upgrade() else { return };
        let (now, counters) = (Instant::now(), &registry.counters);
        registry.turns.retain(now, |connection, since| {
            let idle = now.saturating_duration_since(since) >= registry.settings.idle;
            let reason = match connection.is_clean() {
                false => &counters.lost,
                true if idle || registry.is_old(connection, now) => &counters.retired,
                true => return true,
            };
            reason.inc();
            false
        });
    }
}

impl Place {
    fn give_back(mut self, connection: Connection, now: Instant) {
        if let Some(turns) = self.turns.take() {
            turns.give_back(&self.key, connection, now);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(turns) = self.turns.take() {
            turns.free(&self.key, Instant::now());
        }
    }
}

impl Lent {
    /// The connection.
    ///
    /// # Errors
    /// Never while it is lent.
    pub(crate) fn connection(&self) -> Result<&Connection, DbError> {
        self.connection.as_ref().ok_or_else(|| DbError::Unavailable("the session's connection was lost".to_owned()))
    }

    /// Awaits answers of the server, but not for ever; `heard` is set with the first of them. A connection that gives no
    /// answer is closed afterwards.
    pub(crate) async fn answered<T>(&self, heard: &AtomicBool, work: impl Future<Output = T>) -> Result<T, DbError> {
        let lost = match self.registry.patience.bound(heard, work).await {
            Ok(answer) => return Ok(answer),
            Err(lost) => lost,
        };
        if let Some(connection) = &self.connection {
            connection.dirty.store(true, Ordering::Relaxed);
        }
        if let Lost::Noticed(since) = lost {
            // What was not heard of since then may be as dead as this one.
            let closed = self.registry.turns.retain(Instant::now(), |_, idle_since| idle_since > since);
            self.registry.counters.lost.inc_by(u64::try_from(closed).unwrap_or(u64::MAX));
            tracing::warn!(closed, "the database does not answer");
        }
        Err(DbError::Unavailable("the database did not answer in time".to_owned()))
    }
}

/// Whoever got SQL into a session can leave a statement behind that answers the next one's, or keeps their claim. Colleagues may see the
/// same rows; one patient must not see another's, and nobody answers the look-up of who signs in.
fn is_for_one_request(role: ClaimRole) -> bool {
    matches!(role, ClaimRole::SignIn | ClaimRole::Patient)
}

impl Drop for Lent {
    fn drop(&mut self) {
        let (connection, place) = (self.connection.take(), self.place.take());
        if let (Some(connection), Some(place)) = (connection, place) {
            let now = Instant::now();
            let counters = &self.registry.counters;
            let reason = if !connection.is_clean() {
                &counters.discarded
            } else if is_for_one_request(place.key.1) {
                &counters.spent
            } else if self.registry.is_old(&connection, now) {
                &counters.retired
            } else {
                place.give_back(connection, now);
                return;
            };
            reason.inc();
            // Closing begins before its place is free; the socket is gone a moment later.
            drop(connection);
            drop(place);
        }
    }
}
