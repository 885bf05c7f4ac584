//! What one tenant has and who waits for it, role by role.
//! Must stay true: a tenant's `open` is the sum of its desks'; idle connections are in the order in which they became idle.
use std::collections::VecDeque;
use std::time::{Duration, Instant};

use labor_catalog::ClaimRole;
use tokio::sync::oneshot;

use super::Grant;

/// A tenant that has connections or waiting requests.
pub(super) struct Tenant<C> {
    /// Connections of all its roles.
    pub(super) open: usize,
    /// One for each role in use.
    pub(super) desks: Vec<Desk<C>>,
}

/// One role of one tenant.
pub(super) struct Desk<C> {
    pub(super) role: ClaimRole,
    /// Connections that are open or being opened, in use or idle.
    pub(super) open: usize,
    /// The one used last is at the end, and used next.
    pub(super) idle: Vec<Idle<C>>,
    pub(super) waiting: VecDeque<Waiter<C>>,
    /// The smaller, the longer it has stood in line since it was given or lost a connection.
    pub(super) line: u64,
    /// Since when nobody of those who wait here was given anything.
    pub(super) unserved: Instant,
    /// Its time with the first of its connections.
    pub(super) turn: Turn,
}

/// For how long a tenant keeps its last connection while another has none.
#[derive(Debug, Clone, Copy)]
pub(super) enum Turn {
    /// Since when its connection is being opened and used for the first time.
    Opening(Instant),
    /// It has been used, and is kept until then.
    Until(Instant),
}

/// So many times as long as it took to open it, a connection is kept: most of the time it works, whatever opening costs here and now.
const WORTH: u32 = 4;

/// A connection that nobody uses.
pub(super) struct Idle<C> {
    pub(super) connection: C,
    pub(super) since: Instant,
}

/// A request that waits.
pub(super) struct Waiter<C> {
    pub(super) number: u64,
    pub(super) sender: oneshot::Sender<Grant<C>>,
}

impl<C> Default for Tenant<C> {
    fn default() -> Self {
        Self { open: 0, desks: Vec::new() }
    }
}

impl<C> Tenant<C> {
    /// The desk of a role, made when it is the first of it.
    pub(super) fn desk(&mut self, role: ClaimRole, now: Instant) -> &mut Desk<C> {
        let at = self.desks.iter().position(|desk| desk.role == role).unwrap_or_else(|| {
            let (idle, waiting) = (Vec::new(), VecDeque::new());
            self.desks.push(Desk { role, open: 0, idle, waiting, line: 0, unserved: now, turn: Turn::Opening(now) });
            self.desks.len() - 1
        });
        &mut self.desks[at]
    }
}

impl<C> Desk<C> {
    /// Whether its turn is over; called when a connection comes back.
    pub(super) fn turn_is_over(&mut self, now: Instant, longest: Duration) -> bool {
        match self.turn {
            Turn::Opening(began) => {
                let took = now.saturating_duration_since(began);
                self.turn = Turn::Until(now + took.saturating_mul(WORTH).min(longest));
                false
            }
            Turn::Until(end) => now >= end,
        }
    }

    /// Whether somebody waits, and nobody was served for longer than this.
    pub(super) fn is_overdue(&self, now: Instant, longest: Duration) -> bool {
        !self.waiting.is_empty() && now.saturating_duration_since(self.unserved) > longest
    }

    /// Gives it to the first who still waits; back when nobody does.
    pub(super) fn hand(&mut self, mut grant: Grant<C>, now: Instant) -> Option<Grant<C>> {
        while let Some(first) = self.waiting.pop_front() {
            match first.sender.send(grant) {
                Ok(()) => {
                    self.unserved = now;
                    return None;
                }
                Err(back) => grant = back,
            }
        }
        Some(grant)
    }
}
