//! `labor-migrator check`: one tenant, or all of them.
//! Must stay true: every schema is looked at. Of those with one fingerprint one is checked wholly, for equal definitions have equal
//! findings; what no definition shows is asked of each.
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use labor_catalog::TenantName;
use tokio::task::JoinSet;
use tokio_postgres::Client;

use super::{Finding, Known, Proof, database};
use crate::{Migrator, MigratorError, reference};

/// So many tenants are checked over one connection: what a server process keeps of their tables is given back with it.
const PAGE: usize = 250;
/// The kind of a schema that is sound, and not what the migrator left.
pub(super) const DRIFT: &str = "drift";
/// So many connections at a time.
const CONNECTIONS: usize = 4;

/// What the check has seen so far.
#[derive(Default)]
struct Seen {
    known: Known,
    /// Fingerprints of schemas that were checked wholly, and without a finding.
    sound: Mutex<BTreeSet<String>>,
}

/// A tenant and the fingerprint that the ledger has of it, if it has any.
#[derive(Clone)]
struct Expected {
    tenant: TenantName,
    fingerprint: Option<String>,
}

impl Migrator {
    /// The findings about one tenant and about the database, and whether the schema is still what the ledger says: a rule that lets in
    /// one role more, or a constraint that is gone, is sound SQL and found only so.
    ///
    /// # Errors
    /// When the database can't be asked.
    pub async fn check(&self, tenant: &TenantName) -> Result<Vec<Finding>, MigratorError> {
        let client = self.connect().await?;
        let mut findings = self.findings_of_all(&client).await?;
        let ledger = client
            .query_opt("SELECT fingerprint FROM control.ledger WHERE tenant = $1", &[&tenant.as_str()])
            .await
            .map_err(MigratorError::during(format!("{tenant}: read the ledger")))?;
        // Also of one that nobody registered, such as a restored copy.
        let fingerprint = ledger.and_then(|row| row.get(0));
        let page = self.check_page(&[Expected { tenant: tenant.clone(), fingerprint }], &Seen::default()).await?;
        findings.extend(page.into_iter().map(|(_, finding)| finding));
        Ok(findings)
    }

    /// The same of several tenants, or of all without one; `found` hears of each finding, without a tenant of those about the database.
    /// How many tenants were checked.
    ///
    /// # Errors
    /// When the database can't be asked.
    pub async fn check_fleet(
        &self,
        only: &[TenantName],
        mut found: impl FnMut(Option<&TenantName>, &Finding),
    ) -> Result<u64, MigratorError> {
        let client = self.connect().await?;
        self.require_control(&client).await?;
        for finding in self.findings_of_all(&client).await? {
            found(None, &finding);
        }
        let (mut count, mut last, mut more) = (0, String::new(), true);
        let seen = Arc::new(Seen { known: reference::known(self, only.len()).await, sound: Mutex::default() });
        let mut running = JoinSet::new();
        loop {
            while more && running.len() < CONNECTIONS {
                let page = expected(&client, only, &last).await?;
                let Some(end) = page.last() else {
                    more = false;
                    break;
                };
                end.tenant.as_str().clone_into(&mut last);
                count += u64::try_from(page.len()).unwrap_or_default();
                let (migrator, seen) = (self.clone(), Arc::clone(&seen));
                running.spawn(async move { migrator.check_page(&page, &seen).await });
            }
            let Some(page) = running.join_next().await else { return Ok(count) };
            let page =
                page.map_err(|error| MigratorError::Invalid(format!("a page of the check was lost: {error}")))?;
            for (tenant, finding) in page? {
                found(Some(&tenant), &finding);
            }
        }
    }

    /// What holds for all tenants at once.
    async fn findings_of_all(&self, client: &Client) -> Result<Vec<Finding>, MigratorError> {
        let mut findings = database::findings(client).await?;
        findings.extend(self.claim_keys(client).await?);
        Ok(findings)
    }

    async fn check_page(&self, page: &[Expected], seen: &Seen) -> Result<Vec<(TenantName, Finding)>, MigratorError> {
        let (mut client, proof) = self.proving().await?;
        let names: Vec<&str> = page.iter().map(|expected| expected.tenant.as_str()).collect();
        let is = seen.known.fingerprints(&client, &names).await?;
        let mut found = Vec::new();
        for Expected { tenant, fingerprint } in page {
            let is = is.get(tenant.as_str()).map(String::as_str);
            let mut findings = check_one(&mut client, &proof, tenant, is, &seen.sound).await?;
            if fingerprint.as_deref().is_some_and(|expected| Some(expected) != is) {
                findings.push(drift(tenant));
            }
            found.extend(findings.into_iter().map(|finding| (tenant.clone(), finding)));
        }
        Ok(found)
    }
}

async fn check_one(
    client: &mut Client,
    proof: &Proof,
    tenant: &TenantName,
    fingerprint: Option<&str>,
    sound: &Mutex<BTreeSet<String>>,
) -> Result<Vec<Finding>, MigratorError> {
    let transaction = client.transaction().await.map_err(MigratorError::during("begin"))?;
    let known = |fingerprint: &str| sound.lock().unwrap_or_else(PoisonError::into_inner).contains(fingerprint);
    if fingerprint.is_some_and(known) {
        return proof.reach(&transaction, tenant).await;
    }
    let findings = proof.findings(&transaction, tenant).await?;
    if let Some(fingerprint) = fingerprint.filter(|_| findings.is_empty()) {
        sound.lock().unwrap_or_else(PoisonError::into_inner).insert(fingerprint.to_owned());
    }
    Ok(findings)
}

fn drift(tenant: &TenantName) -> Finding {
    Finding {
        kind: DRIFT.to_owned(),
        object: tenant.to_string(),
        detail: "tables, constraints, indexes, policies or rights are not what the migrator left".to_owned(),
    }
}

/// The next page after a name.
async fn expected(client: &Client, only: &[TenantName], after: &str) -> Result<Vec<Expected>, MigratorError> {
    let only: Option<Vec<&str>> = (!only.is_empty()).then(|| only.iter().map(TenantName::as_str).collect());
    let rows = client
        .query(
            &format!(
                "SELECT t.name, l.fingerprint FROM control.tenants t LEFT JOIN control.ledger l ON l.tenant = t.name
                  WHERE t.state <> 'deleted' AND ($1::text[] IS NULL OR t.name = ANY ($1)) AND t.name > $2
                  ORDER BY t.name LIMIT {PAGE}"
            ),
            &[&only, &after],
        )
        .await
        .map_err(MigratorError::during("list the tenants"))?;
    rows.iter().map(|row| Ok(Expected { tenant: crate::parse_name(row.get(0))?, fingerprint: row.get(1) })).collect()
}
