//! `baseline`: adopts a schema that is called like a tenant's and is none's: restored by psql, or made by refinery alone.
//! Must stay true: it becomes a tenant only when it is, to the line, what the files make at its version; else nothing of it is changed.
//! What nobody can have kept apart from Labor is made: login, history, row rules, stamp. Data of a deleted tenant is never adopted.
use std::time::Duration;

use labor_catalog::TenantName;
use serde::Serialize;
use serde_json::json;
use tokio_postgres::{Client, Transaction};

use crate::chain::Target;
use crate::connection::begin;
use crate::provision::{self, NewTenant};
use crate::run::{self, Ending};
use crate::schema::PLAIN_TABLE;
use crate::{Migrator, MigratorError, birth, drift, generation, isolation, parse_name, recorded, reference, schema};

/// Nobody is served in it yet.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);

/// What was adopted.
#[derive(Debug, Clone, Serialize)]
pub struct Adopted {
    /// Name in the database.
    pub tenant: TenantName,
    /// As wanted.
    pub slug: String,
    /// Version of its schema.
    pub version: i32,
    /// What told the version: `stamp`, `history` or `argument`.
    pub version_from: &'static str,
    /// Whose stamp it had, if it was another tenant's: the schema is a copy of that one.
    pub copy_of: Option<String>,
    /// Whether its login was made.
    pub login_made: bool,
}

/// A schema as it was found.
struct Found {
    tenant: TenantName,
    comment: Option<String>,
    stamp_table: bool,
    stamp: Option<(String, i32)>,
    history: Option<i32>,
    role: bool,
}

impl Migrator {
    /// Adopts a schema as a practice.
    ///
    /// # Errors
    /// When it can't be a tenant's: a wrong name or owner, registered already, deleted once, no known version, not what the files make, or
    /// a finding of the isolation check. Nothing is changed then.
    pub async fn baseline(
        &self,
        schema: &str,
        wanted: &NewTenant,
        version: Option<i32>,
    ) -> Result<Adopted, MigratorError> {
        provision::validate(wanted)?;
        let mut connection = self.connection().await?;
        self.require_control(&connection.client).await?;
        self.require_hardened(&connection.client).await?;
        self.require_secret(&connection.client).await?;
        recorded::compare_for_birth(&connection.client, self.chain()).await?;
        let found = find(&connection.client, parse_name(schema)?).await?;
        refuse_deleted(&connection.client, &found).await?;
        let (version, version_from) = found.version(version)?;
        let target = self.chain().at(version)?;
        let should = reference::lines(self, &mut connection, self.chain(), version).await?;
        // Before the first row is written, which could run what a stranger put into a default or a check.
        let mut before = drift::difference(&should, &isolation::lines(&connection.client, &found.tenant).await?);
        before.retain(|line| may_run(line));
        refuse_difference(&found.tenant, version, &before)?;
        let transaction = begin(&mut connection.client, LOCK_TIMEOUT).await?;
        let arguments = json!({ "schema": found.tenant, "version_from": version_from });
        let run_id = run::begin(&transaction, "baseline", Some(version), &arguments).await?;
        self.adopt(&transaction, &found, wanted, &target).await?;
        let is = isolation::lines(&transaction, &found.tenant).await?;
        refuse_difference(&found.tenant, version, &drift::difference(&should, &is))?;
        let tenant = found.tenant.clone();
        // Somebody else made it: it is checked wholly, also if it looks like others.
        let mut findings = connection.proof.findings(&transaction, &tenant).await?;
        findings.extend(self.findings_of_database(&transaction).await?);
        if !findings.is_empty() {
            return Err(MigratorError::Isolation(findings));
        }
        self.prove(&transaction, &connection.proof, &tenant, &target, run_id).await?;
        provision::insert_bsnrs(&transaction, tenant.as_str(), &wanted.bsnrs).await?;
        provision::outcome(&transaction, run_id, &tenant, version, version).await?;
        run::end(&transaction, run_id, Ending::Completed, None).await?;
        transaction.commit().await.map_err(MigratorError::during(format!("adopt {tenant}: commit")))?;
        let copy_of = found.copy_of().map(|other| other.to_string());
        Ok(Adopted { tenant, slug: wanted.slug.clone(), version, version_from, copy_of, login_made: !found.role })
    }

    /// Registers it, and makes what is missing.
    async fn adopt(
        &self,
        transaction: &Transaction<'_>,
        found: &Found,
        wanted: &NewTenant,
        target: &Target,
    ) -> Result<(), MigratorError> {
        let (tenant, chain) = (&found.tenant, self.chain());
        let during = |what: &str| MigratorError::during(format!("{tenant}: {what}"));
        let locked = transaction
            .query_one(
                "SELECT pg_try_advisory_xact_lock(hashtextextended('labor tenant ' || $1, 0))",
                &[&tenant.as_str()],
            )
            .await
            .map_err(during("lock it"))?;
        if !locked.get::<_, bool>(0) {
            return Err(MigratorError::Busy(tenant.clone()));
        }
        // Locked until it is registered: a run that begins meanwhile sees it.
        let births = generation::of_births(transaction, chain).await?;
        if target.version > births.version {
            return Err(MigratorError::Invalid(format!(
                "{tenant} is at version {}, and the fleet at {}; nothing was changed. Bring the fleet up first (`labor-migrator up`)",
                target.version, births.version
            )));
        }
        provision::register(transaction, tenant, wanted).await?;
        if found.role {
            self.open_role(transaction, tenant).await?;
        } else {
            let secret = self.secret_for(transaction, tenant).await?;
            birth::create_role(transaction, tenant, secret).await?;
        }
        schema::enter(transaction, tenant).await?;
        if let Some(other) = found.copy_of() {
            // Else the stamp would be the last that knows of it: the other tenant's deletion must not pass this copy by.
            let comment = format!("COMMENT ON SCHEMA {tenant} IS 'labor: restored from {other} by hand, and adopted'");
            transaction.batch_execute(&comment).await.map_err(during("say whose copy it is"))?;
        }
        if !found.stamp_table {
            for statement in chain.migrations()[0].statements()? {
                if statement.sql.contains("schema_stamp") {
                    transaction.batch_execute(&statement.sql).await.map_err(during("make schema_stamp"))?;
                }
            }
        }
        schema::record_as_applied(transaction, chain, target.version).await?;
        schema::rule(transaction, chain, tenant).await?;
        schema::stamp(transaction, tenant, target).await?;
        schema::leave(transaction).await
    }
}

impl Found {
    /// Whose stamp it has, if it is another tenant's.
    fn copy_of(&self) -> Option<TenantName> {
        let (name, _) = self.stamp.as_ref()?;
        TenantName::parse(name).ok().filter(|name| *name != self.tenant)
    }

    fn version(&self, given: Option<i32>) -> Result<(i32, &'static str), MigratorError> {
        let tenant = &self.tenant;
        let stamp = self.stamp.as_ref().map(|(_, version)| *version);
        if let (Some(stamp), Some(history)) = (stamp, self.history)
            && history > stamp
        {
            return Err(MigratorError::Invalid(format!(
                "the stamp of {tenant} says version {stamp}, and its history goes on to {history}: find out which is right, and correct or \
                 empty the other"
            )));
        }
        let known = stamp.map(|version| (version, "stamp")).or(self.history.map(|version| (version, "history")));
        match (known, given) {
            (Some((version, by)), Some(given)) if version != given => Err(MigratorError::Invalid(format!(
                "{tenant} is at version {version} by its {by}, not at {given}; leave --version out, or correct the {by} if it is wrong"
            ))),
            (Some(known), _) => Ok(known),
            (None, Some(given)) => Ok((given, "argument")),
            (None, None) => Err(MigratorError::Invalid(format!(
                "{tenant} has neither a stamp nor a history that tells its version: say --version"
            ))),
        }
    }
}

async fn find(client: &Client, tenant: TenantName) -> Result<Found, MigratorError> {
    let row = client
        .query_one(
            &format!("SELECT t.state, n.oid IS NOT NULL, obj_description(n.oid, 'pg_namespace'),
                    EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = n.oid AND c.relname = 'schema_stamp'
                             AND {PLAIN_TABLE}),
                    EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = n.oid AND c.relname = 'refinery_schema_history'
                             AND {PLAIN_TABLE}),
                    EXISTS (SELECT FROM pg_roles WHERE rolname = (w.name || '_app')::name)
               FROM (SELECT $1::text) AS w (name) LEFT JOIN control.tenants t ON t.name = w.name
               LEFT JOIN pg_namespace n ON n.nspname = w.name::name"),
            &[&tenant.as_str()],
        )
        .await
        .map_err(MigratorError::during(format!("{tenant}: look for the schema")))?;
    let (state, there): (Option<&str>, bool) = (row.get(0), row.get(1));
    if state.is_some_and(|state| state != "deleted") {
        return Err(MigratorError::Invalid(format!(
            "{tenant} is registered already; `labor-migrator verify` tells what is wrong with it"
        )));
    }
    if !there {
        return Err(MigratorError::Invalid(format!("there is no schema {tenant} in this database; restore it first")));
    }
    let (stamp_table, history_table): (bool, bool) = (row.get(3), row.get(4));
    refuse_foreign(client, &tenant).await?;
    let during = |what: &str| MigratorError::during(format!("{tenant}: {what}"));
    let mut found = Found {
        comment: row.get(2),
        stamp_table,
        stamp: None,
        history: None,
        role: row.get(5),
        tenant: tenant.clone(),
    };
    if stamp_table {
        let sql = format!("SELECT tenant, version FROM {tenant}.schema_stamp");
        let stamp = client.query_opt(&sql, &[]).await.map_err(during("read its stamp"))?;
        found.stamp = stamp.map(|row| (row.get(0), row.get(1)));
    }
    if history_table {
        let sql = format!("SELECT max(version)::integer FROM {tenant}.refinery_schema_history");
        found.history = client.query_one(&sql, &[]).await.map_err(during("read its history"))?.get(0);
    }
    Ok(found)
}

/// Whether a line of a difference tells of something that is there, is not from our files, and runs when a row is written.
fn may_run(line: &str) -> bool {
    let kind = line.strip_prefix("+ ").and_then(|rest| rest.split(' ').next());
    kind.is_some_and(|kind| ["column", "constraint", "index", "trigger", "rule", "inherits", "object"].contains(&kind))
}

fn refuse_difference(tenant: &TenantName, version: i32, difference: &[String]) -> Result<(), MigratorError> {
    if difference.is_empty() {
        return Ok(());
    }
    Err(MigratorError::Invalid(format!(
        "{tenant} is not what the files make at version {version} (- what the files make, + what is there); nothing was changed. Make it \
         so, or give the version that it has:\n  {}",
        difference.join("\n  ")
    )))
}

/// Everything belongs to the one role that migrates.
async fn refuse_foreign(client: &Client, tenant: &TenantName) -> Result<(), MigratorError> {
    let rows = client
        .query(
            "SELECT o.name, pg_get_userbyid(o.owner)::text
               FROM (SELECT 'the schema', nspowner FROM pg_namespace WHERE nspname = $1
                     UNION ALL
                     SELECT c.relname::text, c.relowner
                       FROM pg_depend d JOIN pg_class c ON c.oid = d.objid AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
                      WHERE d.refclassid = 'pg_namespace'::regclass AND d.classid = 'pg_class'::regclass
                        AND d.refobjid = (SELECT oid FROM pg_namespace WHERE nspname = $1)
                    ) AS o (name, owner)
              WHERE pg_get_userbyid(o.owner) <> 'labor_owner' ORDER BY 2, 1 LIMIT 5",
            &[&tenant.as_str()],
        )
        .await
        .map_err(MigratorError::during(format!("{tenant}: look for the owners")))?;
    let Some(first) = rows.first() else { return Ok(()) };
    let owner: &str = first.get(1);
    let list: Vec<_> =
        rows.iter().map(|row| format!("{} ({})", row.get::<_, &str>(0), row.get::<_, &str>(1))).collect();
    Err(MigratorError::Invalid(format!(
        "not everything in {tenant} belongs to labor_owner: {}. As a superuser: ALTER SCHEMA {tenant} OWNER TO labor_owner, and ALTER TABLE \
         {tenant}.… OWNER TO labor_owner for each; or, if {owner} owns nothing else, REASSIGN OWNED BY {owner} TO labor_owner",
        list.join(", ")
    )))
}

/// By its own name, by its stamp, or by what a restore wrote on it.
async fn refuse_deleted(client: &Client, found: &Found) -> Result<(), MigratorError> {
    let stamped = found.stamp.as_ref().map_or("", |(name, _)| name.as_str());
    let row = client
        .query_opt(
            "SELECT name FROM control.tenants
              WHERE state = 'deleted' AND (name IN ($1, $2) OR $3 ~ ('\\m' || name || '\\M')) ORDER BY name LIMIT 1",
            &[&found.tenant.as_str(), &stamped, &found.comment.as_deref().unwrap_or_default()],
        )
        .await
        .map_err(MigratorError::during(format!("{}: look for tombstones", found.tenant)))?;
    row.map_or(Ok(()), |row| {
        Err(MigratorError::Invalid(format!(
            "{} holds data of {}, which was deleted: it is not adopted, it is to be dropped (`labor-migrator delete` with the request of the \
             deletion, once more)",
            found.tenant,
            row.get::<_, &str>(0)
        )))
    })
}
