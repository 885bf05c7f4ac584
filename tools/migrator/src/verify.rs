//! `verify`: whether schemas, stamps, histories, ledger, registry, logins, control schema and files agree.
//! Must stay true: it changes nothing, but that it forgets a failure that it finds mended; memory is that of a page, whatever the number
//! of tenants; a tenant that is being migrated meanwhile is no finding: what a first look found is looked at again under its lock.
mod fleet;
mod standing;
mod tenants;

use std::collections::BTreeSet;

use labor_catalog::TenantName;
use serde::Serialize;

use crate::connection::Connection;
use crate::isolation::Known;
use crate::{Migrator, MigratorError, mended, reference};

/// Something that does not agree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Name of a tenant or of a schema; `None`: it is about the whole fleet.
    pub tenant: Option<String>,
    /// What people type at the tenant's sign-in; a spare has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slug: Option<String>,
    /// Stable kind, such as `stamp`.
    pub kind: &'static str,
    /// What is wrong, and what to do.
    pub detail: String,
    /// Only to be known: it does not count.
    pub note: bool,
}

impl Row {
    fn finding(tenant: &str, kind: &'static str, detail: impl Into<String>) -> Self {
        Self { tenant: Some(tenant.to_owned()), slug: None, kind, detail: detail.into(), note: false }
    }

    fn note(tenant: &str, kind: &'static str, detail: impl Into<String>) -> Self {
        Self { note: true, ..Self::finding(tenant, kind, detail) }
    }

    fn of_fleet(kind: &'static str, detail: impl Into<String>) -> Self {
        Self { tenant: None, slug: None, kind, detail: detail.into(), note: false }
    }
}

/// How many there were.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Verified {
    /// Tenants that were looked at.
    pub tenants: u64,
    /// What does not agree.
    pub findings: u64,
    /// What is only to be known.
    pub notes: u64,
    /// Tenants with a finding that another migrator is at work on: they were not verified.
    pub busy: u64,
    /// Version of the files.
    pub version: i32,
    /// Tenants that are behind it although nobody holds them back.
    pub behind: u64,
    /// Tenants, held ones left out, whose last attempt failed and is not mended.
    pub failed: u64,
}

impl Migrator {
    /// Looks at these tenants, or without one at all and at what belongs to none; `found` hears of each row at once.
    ///
    /// # Errors
    /// When the database can't be asked.
    pub async fn verify(&self, only: &[TenantName], mut found: impl FnMut(&Row)) -> Result<Verified, MigratorError> {
        let newest = self.chain().newest();
        let mut verified = Verified { version: newest.version, ..Verified::default() };
        let mut tell = |rows: Vec<Row>, verified: &mut Verified| {
            for row in rows {
                *(if row.note { &mut verified.notes } else { &mut verified.findings }) += 1;
                found(&row);
            }
        };
        {
            let client = self.connect().await?;
            self.require_control(&client).await?;
            self.require_secret(&client).await?;
        }
        let only: Option<Vec<&str>> = (!only.is_empty()).then(|| only.iter().map(TenantName::as_str).collect());
        if only.is_none() {
            let connection = self.connection().await?;
            self.require_control(&connection.client).await?;
            tell(fleet::control(self, &connection.client).await?, &mut verified);
            tell(fleet::classes(&connection.client).await?, &mut verified);
            let mut last = String::new();
            while let Some(rows) = fleet::unregistered(&connection.client, &mut last).await? {
                tell(rows, &mut verified);
            }
        }
        let (mut last, known) = (String::new(), reference::known(self, only.as_ref().map_or(0, Vec::len)).await);
        loop {
            // A connection of its own for each page: what the server process keeps of so many tables goes with it.
            let connection = self.connection().await?;
            self.require_control(&connection.client).await?;
            let names = tenants::page(&connection.client, only.as_deref(), &last).await?;
            let Some(end) = names.last() else {
                (verified.behind, verified.failed) =
                    fleet::unsettled(&connection.client, &newest, only.as_deref()).await?;
                return Ok(verified);
            };
            last.clone_from(end);
            let failures = mended::failures(&connection.client, &newest.checksum, Some(names.as_slice())).await?;
            verified.tenants += u64::try_from(names.len()).unwrap_or_default();
            let (rows, unsettled) = self.settled(&connection, &known, &names, &mut verified).await?;
            for failure in failures.iter().filter(|failure| !unsettled.contains(&failure.tenant)) {
                failure.forget(&connection.client).await?;
            }
            tell(rows, &mut verified);
        }
    }

    /// The rows of a page of tenants that no migrator changes in between, and those of whom a first look found something.
    async fn settled(
        &self,
        connection: &Connection,
        known: &Known,
        names: &[String],
        verified: &mut Verified,
    ) -> Result<(Vec<Row>, BTreeSet<String>), MigratorError> {
        let rows = tenants::look(connection, self.chain(), known, names).await?;
        let suspects: BTreeSet<String> = rows.into_iter().filter_map(|row| row.tenant).collect();
        let (mut rows, mut locked) = (Vec::new(), Vec::new());
        for name in &suspects {
            let got = connection.client.query_one(&connection.lock, &[name]).await;
            if got.map_err(MigratorError::during(format!("{name}: lock the tenant")))?.get(0) {
                locked.push(name.clone());
            } else {
                verified.busy += 1;
            }
        }
        if !locked.is_empty() {
            rows = tenants::look(connection, self.chain(), known, &locked).await?;
            tenants::name(&connection.client, &mut rows).await?;
        }
        for name in &locked {
            let unlocked = connection.client.execute(&connection.unlock, &[name]).await;
            unlocked.map_err(MigratorError::during(format!("{name}: give the lock back")))?;
        }
        Ok((rows, suspects))
    }
}
