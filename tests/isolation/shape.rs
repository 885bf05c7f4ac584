//! The shape, which stands for the fingerprint where it is equal: whatever changes the fingerprint changes the shape too.
//! That ordinary practices have one shape is looked at as well: else nothing breaks, and every proof costs what it did without.
use std::collections::BTreeMap;
use std::time::Duration;

use labor_catalog::{TenantName, sql};
use labor_testing::until;
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
    let (world, one, superuser) = subject("oneshape", 71).await;
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

/// Whether the one that was changed comes first or last: names are drawn.
#[tokio::test]
async fn who_was_changed_by_hand_is_found_among_others_of_one_shape() {
    let (world, changed, superuser) = subject("shapechanged", 73).await;
    let mut names = vec![changed.name.clone()];
    for (slug, number) in [("shapesound", 74), ("shapewhole", 75)] {
        names.push(world.another(slug, number).await.name);
    }
    let sql = "ALTER POLICY claim_update ON {t}.reports USING ((SELECT guard.permits('{t}', '{admin,doctor,worker,patient}')))";
    superuser.batch_execute(&sql.replace("{t}", changed.name.as_str())).await.unwrap();
    let migrator =
        labor_migrator::Migrator::new(world.platform.setting("LABOR_MIGRATOR_URL"), world.master.clone()).unwrap();
    let (mut found, mut drifted) = (Vec::new(), Vec::new());
    migrator
        .check_fleet(&names, |tenant, finding| {
            found.extend(tenant.map(|tenant| (tenant.clone(), finding.kind.clone())));
        })
        .await
        .unwrap();
    assert_eq!(found, [(changed.name.clone(), "drift".to_owned())]);
    migrator.drift(&names, false, |drift| drifted.push(drift.tenant.clone())).await.unwrap();
    assert_eq!(drifted, [changed.name]);
}

/// The two are changed alike, and one is mended after its shape was seen, before it is fingerprinted.
#[tokio::test]
async fn who_is_mended_while_it_is_looked_at_vouches_for_nobody_else() {
    let (world, one, superuser) = subject("shapemended", 76).await;
    let mut names = vec![one.name, world.another("shapeleft", 77).await.name];
    names.sort();
    let index = |tenant: &TenantName| format!("ALTER INDEX {tenant}.doctor_numbers_user_id");
    for tenant in &names {
        superuser.batch_execute(&format!("{} SET (fillfactor = 50)", index(tenant))).await.unwrap();
    }
    // The first of them is asked for both. A fingerprint waits for the lock, a shape does not.
    let mending = format!("BEGIN; LOCK TABLE {}.users; {} RESET (fillfactor)", names[0], index(&names[0]));
    superuser.batch_execute(&mending).await.unwrap();
    let migrator =
        labor_migrator::Migrator::new(world.platform.setting("LABOR_MIGRATOR_URL"), world.master.clone()).unwrap();
    let mut drifted = Vec::new();
    let looking = migrator.drift(&names, false, |drift| drifted.push(drift.tenant.clone()));
    let committing = async {
        let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = $1::text::regclass";
        let table = format!("{}.users", names[0]);
        until("the fingerprint to wait", Duration::from_secs(30), async || {
            let waiting: i64 = superuser.query_one(waits, &[&table]).await.unwrap().get(0);
            Ok((waiting > 0).then_some(()).ok_or_else(|| "nobody waits".to_owned()))
        })
        .await
        .unwrap();
        superuser.batch_execute("COMMIT").await.unwrap();
    };
    let (looked, ()) = tokio::join!(looking, committing);
    assert_eq!(looked.unwrap(), 1);
    assert_eq!(drifted, [names[1].clone()]);
}
