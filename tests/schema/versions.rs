//! Every version of a practice's schema that this release serves, as it is while a wave of migrations passes through the fleet.
//! Must stay true: each statement of the product runs on each version, with the same parameters and the same result: a plan that a
//! connection has cached must not change its result when the wave passes under it.
use std::collections::BTreeMap;

use labor_catalog::{SERVED_VERSIONS, TenantName, sql};
use labor_testing::{tenant_migrations, tenant_schema_at};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Error};

use crate::world::{superuser, world};

/// Names and types.
type Types = Vec<String>;

/// A schema at one version, in a transaction that nobody commits.
struct Schema {
    client: Client,
    tenant: TenantName,
}

impl Schema {
    async fn at(version: i32) -> Self {
        world().await;
        let schema = Self { client: superuser().await, tenant: TenantName::random().unwrap() };
        let tenant = &schema.tenant;
        let make = tenant_schema_at(tenant.as_str(), version).unwrap();
        let role = format!(
            "BEGIN; CREATE ROLE {tenant}_app LOGIN CONNECTION LIMIT 50 IN ROLE labor_tenants;
             ALTER ROLE {tenant}_app SET search_path = {tenant}, pg_catalog, pg_temp;
             GRANT {tenant}_app TO labor_migrator"
        );
        schema.run(&role).await;
        schema.run(&make).await;
        schema
    }

    async fn run(&self, statements: &str) {
        self.client.batch_execute(statements).await.unwrap();
    }

    /// Prepares a statement as the tenant's login, and plans it, which checks what the login may; its parameters and its columns.
    async fn prepare(&self, statement: &str) -> Result<(Types, Types), Error> {
        let tenant = &self.tenant;
        let enter = format!(
            "SAVEPOINT one; SET LOCAL ROLE {tenant}_app; SET LOCAL search_path = {tenant}, pg_catalog, pg_temp"
        );
        self.run(&enter).await;
        let prepared = self.prepare_here(statement).await;
        self.run("ROLLBACK TO SAVEPOINT one").await;
        prepared
    }

    async fn prepare_here(&self, statement: &str) -> Result<(Types, Types), Error> {
        let prepared = self.client.prepare(statement).await?;
        let parameters: Types = prepared.params().iter().map(ToString::to_string).collect();
        let columns = prepared.columns().iter().map(|column| format!("{} {}", column.name(), column.type_())).collect();
        let values = vec!["NULL"; parameters.len()].join(", ");
        let values = if values.is_empty() { values } else { format!("({values})") };
        let plan = format!("PREPARE planned AS {statement}; EXPLAIN EXECUTE planned{values}; DEALLOCATE planned");
        self.client.batch_execute(&plan).await?;
        Ok((parameters, columns))
    }
}

#[test]
fn what_is_served_ends_with_the_newest_migration_and_begins_one_before() {
    let numbers: Vec<_> = tenant_migrations().unwrap().into_iter().map(|(number, _)| number).collect();
    let (first, last) = (*SERVED_VERSIONS.start(), *SERVED_VERSIONS.end());
    assert_eq!(numbers, (1..=last).collect::<Vec<_>>(), "db/migrations/tenant, and labor_catalog::SERVED_VERSIONS");
    assert!(
        first == 1 || (1..last).contains(&first),
        "practices at the version before are not served: {first}..={last}"
    );
}

#[tokio::test]
async fn new_practices_are_at_the_last_version_that_is_served() {
    let practice = &world().await.practice;
    let version = "SELECT version FROM control.ledger WHERE tenant = $1";
    let version: i32 = superuser().await.query_one(version, &[practice]).await.unwrap().get(0);
    assert_eq!(version, *SERVED_VERSIONS.end());
}

#[tokio::test]
async fn every_statement_of_the_product_runs_alike_on_every_version_that_is_served() {
    let mut known = BTreeMap::new();
    let mut faults = Vec::new();
    for version in SERVED_VERSIONS {
        let schema = Schema::at(version).await;
        for (name, statement) in labor_db::statements::all() {
            match schema.prepare(statement).await {
                Err(error) => {
                    let said = error.as_db_error().map_or_else(|| error.to_string(), |db| db.message().to_owned());
                    faults.push(format!("{name} is refused on version {version}: {said}"));
                }
                Ok(types) => {
                    let first = known.entry(name.clone()).or_insert_with(|| types.clone());
                    if *first != types {
                        faults.push(format!("{name} is {types:?} on version {version}, and {first:?} before"));
                    }
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(known.len() > 30, "the list has {} statements only", known.len());
}

/// The test above would notice: what only the newest version has is refused on the one before, and a changed type is seen.
#[tokio::test]
async fn a_statement_that_an_earlier_version_does_not_know_is_refused_there() {
    let (one, two) = (Schema::at(1).await, Schema::at(2).await);
    let early = "SELECT reader_version FROM raw_messages WHERE id = $1";
    assert_eq!(two.prepare(early).await.unwrap(), (vec!["uuid".to_owned()], vec!["reader_version text".to_owned()]));
    assert_eq!(one.prepare(early).await.unwrap_err().code(), Some(&SqlState::UNDEFINED_COLUMN));
    let all = "TABLE raw_messages";
    assert_ne!(one.prepare(all).await.unwrap(), two.prepare(all).await.unwrap(), "a result that grows went unnoticed");
    let denied = one.prepare("DELETE FROM audit").await.unwrap_err();
    assert_eq!(denied.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE), "what the login may not do went unnoticed");
}

#[tokio::test]
async fn the_row_rules_isolate_a_practice_at_every_version_that_is_served() {
    for version in SERVED_VERSIONS {
        let schema = Schema::at(version).await;
        let rows = schema.client.query(sql::ISOLATION_CHECK, &[&schema.tenant.as_str()]).await.unwrap();
        let findings: Vec<_> = rows.iter().map(|row| (0..3).map(|n| row.get(n)).collect::<Vec<String>>()).collect();
        assert!(findings.is_empty(), "version {version}: {findings:?}");
    }
}

#[tokio::test]
async fn the_row_rules_pass_over_a_table_that_is_not_there_yet() {
    let schema = Schema::at(*SERVED_VERSIONS.start()).await;
    let tenant = &schema.tenant;
    let rules = sql::TENANT_RULES.replace("{tenant}", tenant.as_str());
    schema
        .run(&format!("SET LOCAL ROLE labor_owner; SET LOCAL search_path = {tenant}; DROP TABLE documents; {rules}"))
        .await;
    let policies = "SELECT count(DISTINCT tablename) FROM pg_policies WHERE schemaname = $1";
    let count: i64 = schema.client.query_one(policies, &[&tenant.as_str()]).await.unwrap().get(0);
    assert_eq!(count, 17, "the other tables keep their rules");
}
