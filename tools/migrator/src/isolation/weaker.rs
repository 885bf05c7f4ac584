//! What a server leaves open that gives no superuser (managed servers), and who agreed to run Labor there.
//! Must stay true: nothing is begun on such a server before somebody said so (docs/adr/0012-weaker-isolation-is-acknowledged.md); and
//! only what PostgreSQL is shipped with can be agreed to, never a right that somebody gave.
use labor_catalog::sql;
use tokio_postgres::{Client, GenericClient};

use super::Finding;
use crate::{Migrator, MigratorError};

/// Whether an operator agreed to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Weaker {
    /// Such a server is refused.
    #[default]
    Refused,
    /// It is accepted (`--accept-weaker-isolation managed`).
    Accepted,
}

impl Weaker {
    /// Without what was agreed to.
    pub(crate) fn leave_out(self, mut findings: Vec<Finding>) -> Vec<Finding> {
        if self == Self::Accepted {
            findings.retain(|finding| !finding.is_of_the_server());
        }
        findings
    }
}

/// What this server leaves open, or Labor's roles lack.
///
/// # Errors
/// When the database can't be asked.
pub(crate) async fn of_the_server(client: &impl GenericClient) -> Result<Vec<Finding>, MigratorError> {
    let rows = client.query(sql::SERVER_CHECK, &[]).await;
    let rows = rows.map_err(MigratorError::during("look what the server leaves open"))?;
    Ok(rows.iter().map(super::finding).collect())
}

impl Migrator {
    /// The same migrator for a server that was agreed to.
    #[must_use]
    pub fn accepting(mut self, weaker: Weaker) -> Self {
        self.weaker = weaker;
        self
    }

    /// Whether such a server was agreed to.
    #[must_use]
    pub fn agreed(&self) -> Weaker {
        self.weaker
    }

    /// What this server leaves open, to be told to whoever agreed to it; empty on one that was hardened, and before it was bootstrapped.
    ///
    /// # Errors
    /// [`MigratorError::Unhardened`] when nobody agreed to it, or when the database can't be asked.
    pub(crate) async fn left_open(&self, client: &Client) -> Result<Vec<Finding>, MigratorError> {
        let bootstrapped = client
            .query_one("SELECT to_regnamespace('guard') IS NOT NULL", &[])
            .await
            .map_err(MigratorError::during("look for the guard"))?;
        // Without it that is what is said.
        if !bootstrapped.get::<_, bool>(0) {
            return Ok(Vec::new());
        }
        let weaker = of_the_server(client).await?;
        if self.weaker == Weaker::Refused && !weaker.is_empty() {
            return Err(MigratorError::Unhardened(weaker));
        }
        Ok(weaker)
    }

    /// Refuses a server that nobody agreed to.
    pub(crate) async fn require_hardened(&self, client: &Client) -> Result<(), MigratorError> {
        if self.weaker == Weaker::Accepted { Ok(()) } else { self.left_open(client).await.map(drop) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_server_is_shipped_with_can_be_agreed_to() {
        let finding = |kind: &str| Finding { kind: kind.into(), object: String::new(), detail: String::new() };
        let all = || ["unhardened", "incapable", "function_reachable", "rls_off"].map(finding).to_vec();
        assert_eq!(Weaker::Refused.leave_out(all()), all());
        let left = Weaker::Accepted.leave_out(all());
        assert_eq!(left, ["function_reachable", "rls_off"].map(finding));
    }
}
