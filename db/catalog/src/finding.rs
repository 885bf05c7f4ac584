//! What the isolation check (db/rls/check_*.sql) finds.
//! Must stay true: definitions and names only, no row of anybody.
use serde::Serialize;

use crate::sql::KINDS_OF_THE_SERVER;

/// One thing that weakens a tenant's isolation, or all tenants'.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, PartialOrd, Ord)]
pub struct Finding {
    /// Stable kind, such as `rls_off`.
    pub kind: String,
    /// Table, role, schema or setting.
    pub object: String,
    /// What is wrong.
    pub detail: String,
}

impl Finding {
    /// Whether it is what the server, as it is shipped, gives every login or withholds from Labor's own: nobody's mistake, and no way to
    /// another practice's rows. An operator can agree to it.
    #[must_use]
    pub fn is_of_the_server(&self) -> bool {
        KINDS_OF_THE_SERVER.contains(&self.kind.as_str())
    }

    /// Whether it is about somebody beside the practices whom an operator let in: `check` tells it, and neither a migration nor a restore
    /// changes anything about it or waits for its end.
    #[must_use]
    pub fn stops_nothing(&self) -> bool {
        self.kind == "overseer"
    }
}
