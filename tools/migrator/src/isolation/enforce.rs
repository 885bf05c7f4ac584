//! `labor-migrator check --enforce`: who has a finding is not served until a check sees none.
//! Must stay true: nobody is shut on the word of one look, or opened on that of one from before they were shut; what several logins reach in the
//! same words, or is about the whole server, shuts nobody; a program older than a practice's schema neither shuts nor opens it; a decision to serve somebody all the same is about just what was found then.
use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use labor_catalog::TenantName;
use serde::Serialize;
use tokio_postgres::types::{Json, ToSql};

use super::Finding;
use super::fleet::DRIFT;
use crate::{Migrator, MigratorError, parse_name};

/// What came of it.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Enforced {
    /// How many tenants were checked.
    pub checked: u64,
    /// From now on not served.
    pub shut: Vec<TenantName>,
    /// Served again.
    pub opened: Vec<TenantName>,
}

/// $1, $2: who has findings, and which. $3: who was looked at, all without it. $4: the newest version that this program knows. $5, $6: when the
/// first and the second look began: what somebody did since then they have not seen. The intake is told and never shut: it takes what comes for
/// whoever is. Rows are returned where something changes: with `true` who is shut now, with null who is served all the same, for there is less than before.
const WRITE: &str = "
    WITH found AS (
      SELECT f.tenant, f.unsound
        FROM unnest($1::text[], $2::jsonb[]) AS f (tenant, unsound) JOIN control.tenants t ON t.name = f.tenant
       WHERE t.kind <> 'intake'
    ), gone AS (
      UPDATE control.ledger l SET unsound = NULL, unsound_at = NULL, served_despite = NULL
       WHERE l.unsound_at < $5 AND l.version <= $4 AND ($3::text[] IS NULL OR l.tenant = ANY ($3))
         AND NOT EXISTS (SELECT FROM found f WHERE f.tenant = l.tenant)
      RETURNING l.tenant, false AS shut
    ), come AS (
      UPDATE control.ledger l
         SET unsound = f.unsound, unsound_at = now(), served_despite = CASE WHEN l.unsound @> f.unsound THEN l.served_despite END
        FROM found f
       WHERE l.tenant = f.tenant AND l.version <= $4 AND l.migrated_at < $6 AND l.unsound IS DISTINCT FROM f.unsound
      RETURNING l.tenant, CASE WHEN l.served_despite IS NULL THEN true END AS shut
    )
    SELECT tenant, shut FROM gone UNION ALL SELECT tenant, shut FROM come ORDER BY 1";

/// What was found of each, and when the look began, by the database's clock.
struct Look {
    began: DateTime<Utc>,
    checked: u64,
    found: BTreeMap<TenantName, BTreeSet<Finding>>,
}

impl Look {
    /// Without what several logins reach in the same words: a right that was given to PUBLIC or to all practices' logins is the database's, and
    /// who is reached so has a finding of their own (`grant`).
    fn of_their_own(self) -> BTreeMap<TenantName, Vec<Finding>> {
        let mut times: BTreeMap<Finding, u32> = BTreeMap::new();
        for finding in self.found.values().flatten() {
            *times.entry(finding.clone()).or_default() += 1;
        }
        let own = self.found.into_iter().map(|(tenant, findings)| {
            let findings: Vec<_> =
                findings.into_iter().filter(|finding| times[finding] == 1 || !is_reach(finding)).collect();
            (tenant, findings)
        });
        own.filter(|(_, findings)| !findings.is_empty()).collect()
    }
}

impl Migrator {
    /// [`Migrator::check_fleet`], and writes down who is not to be served. A tenant with findings is looked at once more first: somebody may
    /// just be mending it.
    ///
    /// # Errors
    /// As `check_fleet`; then nothing was written.
    pub async fn enforce(
        &self,
        only: &[TenantName],
        mut found: impl FnMut(Option<&TenantName>, &Finding),
    ) -> Result<Enforced, MigratorError> {
        let first = self
            .look(&self.with_another(only).await?, |tenant, finding| {
                if tenant.is_none_or(|tenant| only.is_empty() || only.contains(tenant)) {
                    found(tenant, finding);
                }
            })
            .await?;
        let (began, checked) = (first.began, first.checked);
        let suspects: Vec<_> =
            first.of_their_own().into_keys().filter(|t| only.is_empty() || only.contains(t)).collect();
        let mut unsound = BTreeMap::new();
        let mut again = began;
        if !suspects.is_empty() {
            let second = self.look(&self.with_another(&suspects).await?, |_, _| ()).await?;
            again = second.began;
            unsound = second.of_their_own();
            unsound.retain(|tenant, _| suspects.contains(tenant));
        }
        let mut enforced = self.write(only, unsound, (began, again)).await?;
        enforced.checked = if only.is_empty() { checked } else { u64::try_from(only.len()).unwrap_or_default() };
        Ok(enforced)
    }

    async fn look(
        &self,
        tenants: &[TenantName],
        mut told: impl FnMut(Option<&TenantName>, &Finding),
    ) -> Result<Look, MigratorError> {
        let client = self.connect().await?;
        let began = client.query_one("SELECT now()", &[]).await.map_err(MigratorError::during("ask for the time"))?;
        let mut found: BTreeMap<TenantName, BTreeSet<Finding>> = BTreeMap::new();
        let checked = self
            .check_fleet(tenants, |tenant, finding| {
                if let Some(tenant) = tenant.filter(|_| shuts(finding)) {
                    found.entry(tenant.clone()).or_default().insert(finding.clone());
                }
                told(tenant, finding);
            })
            .await?;
        Ok(Look { began: began.get(0), checked, found })
    }

    /// With one more to compare them with, unless all are meant.
    async fn with_another(&self, only: &[TenantName]) -> Result<Vec<TenantName>, MigratorError> {
        let mut all = only.to_vec();
        if !all.is_empty() {
            let names: Vec<&str> = only.iter().map(TenantName::as_str).collect();
            let client = self.connect().await?;
            let other =
                "SELECT name FROM control.tenants WHERE state <> 'deleted' AND name <> ALL ($1) ORDER BY name LIMIT 1";
            let other =
                client.query_opt(other, &[&names]).await.map_err(MigratorError::during("look for another tenant"))?;
            all.extend(other.map(|row| parse_name(row.get(0))).transpose()?);
        }
        Ok(all)
    }

    async fn write(
        &self,
        only: &[TenantName],
        unsound: BTreeMap<TenantName, Vec<Finding>>,
        (first, second): (DateTime<Utc>, DateTime<Utc>),
    ) -> Result<Enforced, MigratorError> {
        let during = || MigratorError::during("write down who is not served");
        let mut client = self.connect().await?;
        let transaction = client.transaction().await.map_err(during())?;
        let (names, findings): (Vec<_>, Vec<_>) =
            unsound.into_iter().map(|(tenant, findings)| (tenant.to_string(), Json(findings))).unzip();
        let only: Option<Vec<&str>> = (!only.is_empty()).then(|| only.iter().map(TenantName::as_str).collect());
        let version = self.chain().newest().version;
        let parameters: &[&(dyn ToSql + Sync)] = &[&names, &findings, &only, &version, &first, &second];
        let rows = transaction.query(WRITE, parameters).await.map_err(during())?;
        if only.is_none() {
            let whole = "UPDATE control.fleet SET checked_at = now()";
            transaction.execute(whole, &[]).await.map_err(during())?;
        }
        transaction.commit().await.map_err(during())?;
        let mut enforced = Enforced::default();
        for row in rows {
            let tenant = parse_name(row.get(0))?;
            match row.get(1) {
                Some(true) => enforced.shut.push(tenant),
                Some(false) => enforced.opened.push(tenant),
                None => {}
            }
        }
        Ok(enforced)
    }
}

/// What a login reaches outside of its schema. All else is about the schema or the login itself, whatever its words.
fn is_reach(finding: &Finding) -> bool {
    matches!(
        finding.kind.as_str(),
        "database_grant"
            | "schema_reachable"
            | "relation_reachable"
            | "function_reachable"
            | "object_reachable"
            | "role_membership"
    )
}

/// What is not what the migrator left may be sound, an index that a DBA made; what the server leaves open is not the practice's; and an overseer was let in.
fn shuts(finding: &Finding) -> bool {
    finding.kind != DRIFT && !finding.is_of_the_server() && !finding.stops_nothing()
}
