//! Who goes first of those that wait for room.
//! Must stay true: whoever is served needs it less afterwards, so nobody waits for ever behind others.
use std::time::{Duration, Instant};

use super::desk::{Desk, Tenant};

/// The smaller, the sooner.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Need {
    /// Nobody here was served for longer than a turn, as when the only connection runs a slow statement: whoever has waited for longest.
    /// A crowd of which one after the other is served is not overdue, however long each of it waits.
    Overdue { unserved: Instant, line: u64 },
    /// Whoever has the fewest connections; of equals, who has stood in line for longest.
    Share { tenant_has: usize, role_has: usize, line: u64 },
}

impl Need {
    pub(super) fn of<C>(tenant: &Tenant<C>, desk: &Desk<C>, now: Instant, turn: Duration) -> Self {
        if desk.is_overdue(now, turn) {
            Self::Overdue { unserved: desk.unserved, line: desk.line }
        } else {
            Self::Share { tenant_has: tenant.open, role_has: desk.open, line: desk.line }
        }
    }
}
