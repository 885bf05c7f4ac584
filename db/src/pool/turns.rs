//! Whose turn it is: which waiting request gets the next connection, and whose connection is closed to make room for it.
//! Must stay true: no more connections are counted as open than the budget allows, and no more of one tenant in one role than its cap; whoever
//! has fewer connections goes first, so a tenant with many clients does not hold up one with few; but where nobody was served for longer than a
//! turn goes before them (`need`), so nobody is overtaken for ever; a connection goes on to its own tenant's next request unless somebody
//! who goes before it needs its place; nobody waits while there is room; a tenant without connections and waiting requests is forgotten.
//!
//! Only bookkeeping: nothing here waits for the network or looks at a clock, and no connection is asked anything. Tenants compete by
//! all their connections, roles of one tenant by their own.
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use labor_catalog::{ClaimRole, TenantName};
use tokio::sync::oneshot;

use self::desk::{Desk, Idle, Tenant, Turn, Waiter};
use self::need::Need;

mod desk;
mod need;
#[cfg(test)]
mod tests;

/// Connections are shared only among sessions of one tenant *and* role: whoever gets SQL into a session can leave prepared
/// statements behind on its connection, and must not meet a higher role there.
pub(super) type Key = (TenantName, ClaimRole);

/// How many, and for how long.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Open connections, all together.
    pub(super) budget: usize,
    /// Open connections of one tenant in one role.
    pub(super) per_role: usize,
    /// Waiting requests of one tenant in one role: anybody can ask for sign-ins, and must not keep out who has signed in.
    pub(super) waiting: usize,
    /// For how long at most a tenant keeps its last connection while another has none, or is overtaken by those that have fewer.
    pub(super) turn: Duration,
    /// For how long a tenant keeps an idle connection although others that have as many want more.
    pub(super) keep: Duration,
}

/// What a waiting request is given.
#[derive(Debug)]
pub(super) enum Grant<C> {
    /// A connection of its tenant and role.
    Ready(C),
    /// The place for a new one.
    Room,
}

/// So many requests of this tenant wait in this role already that one more is refused.
#[derive(Debug)]
pub(super) struct TooMany;

/// What there is at this moment, and what happened since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Census {
    /// Connections that are open or being opened.
    pub(super) open: usize,
    /// Of these, those nobody uses.
    pub(super) idle: usize,
    /// Requests that wait.
    pub(super) waiting: usize,
    /// Tenants that have connections or waiting requests.
    pub(super) tenants: usize,
    /// Connections closed since the start to make room for another tenant or role.
    pub(super) evicted: u64,
    /// Requests refused since the start because too many of their tenant and role waited.
    pub(super) refused: u64,
}

/// The bookkeeping of all connections.
pub(super) struct Turns<C>(Mutex<State<C>>);

struct State<C> {
    limits: Limits,
    open: usize,
    /// Counts up: numbers of requests and places in line.
    number: u64,
    tenants: HashMap<TenantName, Tenant<C>>,
    evicted: u64,
    refused: u64,
}

/// A request in line. Dropped, it leaves the line, and what it was given meanwhile goes to the next.
pub(super) struct InLine<C> {
    turns: Arc<Turns<C>>,
    key: Key,
    number: u64,
    granted: oneshot::Receiver<Grant<C>>,
    /// Whoever was served has left the line already.
    served: bool,
}

impl<C> Turns<C> {
    pub(super) fn new(limits: Limits) -> Self {
        let state = State { limits, open: 0, number: 0, tenants: HashMap::new(), evicted: 0, refused: 0 };
        Self(Mutex::new(state))
    }

    /// Every change below is done when the lock is let go, and none of it can panic half-way with a count changed.
    fn lock(&self) -> MutexGuard<'_, State<C>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gets in line. When there is a connection or room, the turn has come already.
    pub(super) fn line_up(self: &Arc<Self>, key: Key, now: Instant) -> Result<InLine<C>, TooMany> {
        let (sender, granted) = oneshot::channel();
        let mut state = self.lock();
        state.number += 1;
        let number = state.number;
        let desk = state.tenants.entry(key.0.clone()).or_default().desk(key.1, now);
        if desk.waiting.is_empty() {
            desk.line = number;
            desk.unserved = now;
        }
        desk.waiting.push_back(Waiter { number, sender });
        state.serve(&key, now);
        // Only who would have to stay is counted: who was served at once has left the line already.
        let limit = state.limits.waiting;
        if let Some(desk) = state.desk(&key).filter(|desk| desk.waiting.len() > limit) {
            desk.waiting.pop_back();
            state.forget_if_empty(&key);
            state.refused += 1;
            return Err(TooMany);
        }
        drop(state);
        Ok(InLine { turns: self.clone(), key, number, granted, served: false })
    }

    /// Takes a connection back that can be used again: it goes to whoever is next, or is closed for somebody with fewer.
    pub(super) fn give_back(&self, key: &Key, connection: C, now: Instant) {
        let closed = self.lock().give_back(key, connection, now);
        // Closed outside of the lock.
        drop(closed);
    }

    /// A connection was closed, or was not opened: its place is free.
    pub(super) fn free(&self, key: &Key, now: Instant) {
        let mut state = self.lock();
        state.leave(key);
        state.serve_the_neediest(now);
    }

    /// Closes idle connections that are not to be kept; how many. `keep` is told since when one is idle.
    pub(super) fn retain(&self, now: Instant, mut keep: impl FnMut(&C, Instant) -> bool) -> usize {
        let mut state = self.lock();
        let (mut closed, mut places) = (Vec::new(), Vec::new());
        for (name, tenant) in &mut state.tenants {
            for desk in &mut tenant.desks {
                let gone = desk.idle.extract_if(.., |idle| !keep(&idle.connection, idle.since));
                for idle in gone {
                    closed.push(idle.connection);
                    places.push((name.clone(), desk.role));
                }
            }
        }
        for key in &places {
            state.leave(key);
        }
        state.serve_the_neediest(now);
        drop(state);
        closed.len()
    }

    /// Serves who can be served although nothing happened: nobody's idle connection is kept for ever. When that is so for the next one;
    /// `None` if there is none.
    pub(super) fn look_again(&self, now: Instant) -> Option<Instant> {
        let mut state = self.lock();
        state.serve_the_neediest(now);
        let keep = state.limits.keep;
        state.desks().filter_map(|(_, _, desk)| Some(desk.idle.first()?.since + keep)).filter(|end| *end > now).min()
    }

    pub(super) fn census(&self) -> Census {
        let state = self.lock();
        Census {
            open: state.open,
            idle: state.desks().map(|(_, _, desk)| desk.idle.len()).sum(),
            waiting: state.desks().map(|(_, _, desk)| desk.waiting.len()).sum(),
            tenants: state.tenants.len(),
            evicted: state.evicted,
            refused: state.refused,
        }
    }
}

impl<C> State<C> {
    fn desks(&self) -> impl Iterator<Item = (&TenantName, &Tenant<C>, &Desk<C>)> {
        self.tenants.iter().flat_map(|(name, tenant)| tenant.desks.iter().map(move |desk| (name, tenant, desk)))
    }

    fn desk(&mut self, key: &Key) -> Option<&mut Desk<C>> {
        self.tenants.get_mut(&key.0)?.desks.iter_mut().find(|desk| desk.role == key.1)
    }

    /// Connections of the tenant, and of the role in it.
    fn open_of(&self, key: &Key) -> (usize, usize) {
        self.tenants.get(&key.0).map_or((0, 0), |tenant| {
            let desk = tenant.desks.iter().find(|desk| desk.role == key.1);
            (tenant.open, desk.map_or(0, |desk| desk.open))
        })
    }

    fn give_back(&mut self, key: &Key, connection: C, now: Instant) -> Option<C> {
        let (longest, (tenant_has, role_has)) = (self.limits.turn, self.open_of(key));
        let Some(desk) = self.desk(key) else { return Some(connection) };
        let (busy, unserved) = (!desk.waiting.is_empty(), desk.unserved);
        let turn_is_over = desk.turn_is_over(now, longest);
        // While its own requests wait, a connection is worth more here: opening one takes longer than most requests.
        let yields = |to: &Desk<C>, wants: usize, has: usize| {
            let overdue = to.is_overdue(now, longest) && (!busy || to.unserved < unserved);
            let fewer = if busy { wants + 2 <= has } else { wants < has };
            fewer || (turn_is_over && ((overdue && wants <= has) || (busy && wants == 0)))
        };
        let next = self.neediest(now, |name, tenant, desk| {
            if *name == key.0 {
                desk.role != key.1 && yields(desk, desk.open, role_has)
            } else {
                yields(desk, tenant.open, tenant_has)
            }
        });
        if let Some(next) = next {
            self.leave(key);
            self.evicted += 1;
            self.serve(&next, now);
            return Some(connection);
        }
        if let Some(desk) = self.desk(key) {
            desk.idle.push(Idle { connection, since: now });
        }
        self.serve(key, now);
        None
    }

    /// Who of those that wait for room, and that the caller lets pass, needs it most.
    fn neediest(&self, now: Instant, passes: impl Fn(&TenantName, &Tenant<C>, &Desk<C>) -> bool) -> Option<Key> {
        self.desks()
            .filter(|(_, _, desk)| !desk.waiting.is_empty() && desk.open < self.limits.per_role)
            .filter(|(name, tenant, desk)| passes(name, tenant, desk))
            .min_by_key(|(_, tenant, desk)| Need::of(tenant, desk, now, self.limits.turn))
            .map(|(name, _, desk)| (name.clone(), desk.role))
    }

    /// One after the other, as long as there is anything for who needs it most.
    fn serve_the_neediest(&mut self, now: Instant) {
        while let Some(next) = self.neediest(now, |_, _, _| true)
            && self.serve_one(&next, now)
        {
            self.forget_if_empty(&next);
        }
    }

    /// Gives those who wait at this desk what there is for them.
    fn serve(&mut self, key: &Key, now: Instant) {
        while self.serve_one(key, now) {}
        self.forget_if_empty(key);
    }

    /// Gives the first who waits at this desk an idle connection of its own, else room. Whether there was one.
    fn serve_one(&mut self, key: &Key, now: Instant) -> bool {
        let Limits { budget, per_role, .. } = self.limits;
        let Some(desk) = self.desk(key).filter(|desk| !desk.waiting.is_empty()) else { return false };
        if let Some(idle) = desk.idle.pop() {
            if let Some(Grant::Ready(connection)) = desk.hand(Grant::Ready(idle.connection), now) {
                desk.idle.push(Idle { connection, since: idle.since });
            }
            return true;
        }
        if desk.open >= per_role || (self.open >= budget && !self.make_room(key, now)) {
            return false;
        }
        self.hand_room(key, now);
        true
    }

    fn hand_room(&mut self, key: &Key, now: Instant) {
        self.number += 1;
        let number = self.number;
        let Some(desk) = self.desk(key) else { return };
        if desk.hand(Grant::Room, now).is_some() {
            // All who waited have left.
            return;
        }
        if desk.open == 0 {
            desk.turn = Turn::Opening(now);
        }
        desk.open += 1;
        desk.line = number;
        self.open += 1;
        if let Some(tenant) = self.tenants.get_mut(&key.0) {
            tenant.open += 1;
        }
    }

    /// Closes the connection that was idle for longest, of those whose owner has more than the one who wants, or has not used it for
    /// a while.
    fn make_room(&mut self, wants: &Key, now: Instant) -> bool {
        let (tenant_wants, role_wants) = self.open_of(wants);
        let keep = self.limits.keep;
        let longest = self
            .desks()
            .filter_map(|(name, tenant, desk)| {
                let since = desk.idle.first()?.since;
                let fewer = if *name == wants.0 { role_wants < desk.open } else { tenant_wants < tenant.open };
                (fewer || now.saturating_duration_since(since) >= keep).then_some((since, name, desk.role))
            })
            .min_by_key(|(since, _, _)| *since)
            .map(|(_, name, role)| (name.clone(), role));
        let Some(owner) = longest else { return false };
        if let Some(desk) = self.desk(&owner) {
            desk.idle.remove(0);
        }
        self.leave(&owner);
        self.evicted += 1;
        true
    }

    /// One connection less.
    fn leave(&mut self, key: &Key) {
        self.number += 1;
        let number = self.number;
        let Some(desk) = self.desk(key) else { return };
        desk.open -= 1;
        desk.line = number;
        self.open -= 1;
        if let Some(tenant) = self.tenants.get_mut(&key.0) {
            tenant.open -= 1;
        }
        self.forget_if_empty(key);
    }

    fn forget_if_empty(&mut self, key: &Key) {
        if let Some(tenant) = self.tenants.get_mut(&key.0) {
            tenant.desks.retain(|desk| desk.open > 0 || !desk.waiting.is_empty());
            if tenant.desks.is_empty() {
                self.tenants.remove(&key.0);
            }
        }
    }
}

impl<C> InLine<C> {
    /// Waits for the turn.
    pub(super) async fn turn(mut self) -> Option<Grant<C>> {
        let granted = (&mut self.granted).await.ok();
        self.served = granted.is_some();
        granted
    }
}

impl<C> Drop for InLine<C> {
    fn drop(&mut self) {
        if self.served {
            return;
        }
        let mut state = self.turns.lock();
        if let Some(desk) = state.desk(&self.key) {
            desk.waiting.retain(|waiter| waiter.number != self.number);
        }
        state.forget_if_empty(&self.key);
        drop(state);
        // What came in the meantime is for the next.
        let now = Instant::now();
        match self.granted.try_recv() {
            Ok(Grant::Ready(connection)) => self.turns.give_back(&self.key, connection, now),
            Ok(Grant::Room) => self.turns.free(&self.key, now),
            Err(_) => {}
        }
    }
}
