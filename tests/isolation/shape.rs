//! The shape, which stands for the fingerprint where it is that of what the files make: whatever changes the fingerprint of a schema
//! changes its shape too.
//! That ordinary practices have one shape is looked at as well: else nothing breaks, and every proof costs what it did without.
use std::collections::BTreeMap;

use labor_catalog::{TenantName, sql};
use tokio_postgres::Client;

use crate::fingerprint::{CHANGES, NO_CHANGES};
use crate::mistakes::MISTAKES;
use crate::mistakes_beside::BESIDE;
use crate::mistakes_everywhere::{ON_TABLES, policies, wrongs};
use crate::mistakes_of_rules::ROW_RULES;
use crate::world::{Practice, World, superuser, world};

/// Shapes that were seen, and what was done to have them with the fingerprint that they stood for.
struct Seen<'a> {
    client: &'a Client,
    practice: &'a Practice,
    other: &'a TenantName,
    fingerprints: BTreeMap<Option<String>, (Option<String>, String)>,
    wrong: Vec<String>,
}

impl<'a> Seen<'a> {
    /// With the practice as it is.
    async fn begin(client: &'a Client, practice: &'a Practice, other: &'a TenantName) -> Self {
        client.batch_execute("SET search_path = pg_catalog").await.unwrap();
        let mut seen = Self { client, practice, other, fingerprints: BTreeMap::new(), wrong: Vec::new() };
        seen.after("SELECT 1").await;
        seen
    }

    async fn digest(&self, sql: &str) -> Option<String> {
        self.client.query_one(sql, &[&self.practice.name.as_str()]).await.unwrap().get(0)
    }

    /// Does it, looks, and undoes it.
    async fn after(&mut self, sql: &str) {
        let done = sql.replace("{t}", self.practice.name.as_str()).replace("{b}", self.other.as_str());
        self.client
            .batch_execute(&format!("BEGIN; {done}; SET LOCAL search_path = pg_catalog"))
            .await
            .map_err(|error| format!("{done}: {error:?}"))
            .unwrap();
        let (shape, fingerprint) = (self.digest(&sql::SHAPE).await, self.digest(sql::FINGERPRINT).await);
        self.client.batch_execute("ROLLBACK").await.unwrap();
        let first = self.fingerprints.entry(shape).or_insert_with(|| (fingerprint.clone(), sql.to_owned()));
        if first.0 != fingerprint {
            self.wrong.push(format!("one shape and two fingerprints: {sql}\n  and {}", first.1));
        }
    }

    fn end(self) -> usize {
        assert!(self.wrong.is_empty(), "{}:\n{}", self.wrong.len(), self.wrong.join("\n"));
        self.fingerprints.len()
    }
}

async fn subject(slug: &str, number: u32) -> (&'static World, Practice, Client) {
    let world = world().await;
    (world, world.another(slug, number).await, superuser().await)
}

#[tokio::test]
async fn whatever_changes_the_fingerprint_changes_the_shape() {
    let (world, practice, superuser) = subject("shape", 68).await;
    let mut seen = Seen::begin(&superuser, &practice, &world.b.name).await;
    for sql in CHANGES.iter().chain(NO_CHANGES) {
        seen.after(sql).await;
    }
    assert!(seen.end() > CHANGES.len());
}

#[tokio::test]
async fn no_mistake_that_the_fingerprint_shows_leaves_the_shape_as_it_was() {
    let (world, practice, superuser) = subject("shapemistakes", 69).await;
    let mut seen = Seen::begin(&superuser, &practice, &world.b.name).await;
    for mistake in MISTAKES.iter().chain(ROW_RULES).chain(BESIDE) {
        seen.after(mistake.sql).await;
    }
    assert!(seen.end() > ROW_RULES.len());
}

#[tokio::test]
async fn nor_does_one_that_is_made_to_any_policy_or_table() {
    let (world, practice, superuser) = subject("shapepolicies", 70).await;
    let policies = policies(&superuser, &practice).await;
    let mut seen = Seen::begin(&superuser, &practice, &world.b.name).await;
    for (sql, _) in policies.iter().flat_map(wrongs) {
        seen.after(&sql).await;
    }
    for table in labor_catalog::catalogue::tenant_tables() {
        for (sql, _) in ON_TABLES {
            seen.after(&sql.replace("{table}", &format!("{{t}}.{table}"))).await;
        }
    }
    assert!(seen.end() > 3 * policies.len());
}

#[tokio::test]
async fn ordinary_practices_have_one_shape_read_alone_or_together() {
    let (world, one, superuser) = subject("oneshape", 84).await;
    let other = world.another("sameshape", 72).await.name;
    superuser.batch_execute("SET search_path = pg_catalog").await.unwrap();
    let alone: Option<String> = superuser.query_one(&*sql::SHAPE, &[&one.name.as_str()]).await.unwrap().get(0);
    let names = [one.name.as_str(), other.as_str(), "t_nobodynobody"];
    let rows = superuser.query(&*sql::FLEET_SHAPES, &[&&names[..]]).await.unwrap();
    let together: Vec<Option<String>> = rows.iter().map(|row| row.get(1)).collect();
    assert_eq!(together, [alone.clone(), alone]);
    let nobody: Option<String> = superuser.query_one(&*sql::SHAPE, &[&names[2]]).await.unwrap().get(0);
    assert_eq!(nobody, None);
}

/// Why no tenant vouches for another: what names one of them is the same in both, and only one fingerprint says that it is its own.
#[tokio::test]
async fn two_tenants_of_one_shape_may_have_two_fingerprints() {
    let (world, one, superuser) = subject("one-shape", 82).await;
    let other = world.another("two-prints", 83).await.name;
    let constraint = format!("ADD CONSTRAINT z CHECK ((NULL::{other}.users).active IS NULL)");
    superuser.batch_execute("SET search_path = pg_catalog").await.unwrap();
    for tenant in [&one.name, &other] {
        superuser.batch_execute(&format!("ALTER TABLE {tenant}.audit {constraint}")).await.unwrap();
    }
    let mut equal = Vec::new();
    for sql in [&*sql::SHAPE, sql::FINGERPRINT] {
        let mut digests = Vec::new();
        for tenant in [&one.name, &other] {
            digests.push(superuser.query_one(sql, &[&tenant.as_str()]).await.unwrap().get::<_, Option<String>>(0));
        }
        equal.push(digests[0] == digests[1]);
    }
    assert_eq!(equal, [true, false]);
}
