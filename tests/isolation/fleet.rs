//! The migrator at work on a fleet: two at once, one that loses its connection, tenants changed by hand.
use std::collections::BTreeSet;
use std::time::Duration;

use labor_catalog::{MasterSecret, TenantName};
use labor_migrator::Migrator;
use labor_migrator::status::Listing;
use labor_migrator::up::{Progress, Stop, TenantReport, UpOptions, UpReport};
use labor_testing::{Platform, postgres, scratch, until};
use tokio_postgres::Client;

use crate::world::world;

struct Fleet {
    migrator: Migrator,
    superuser: Client,
    tenants: Vec<TenantName>,
}

/// A run and what became of each tenant.
struct Run {
    report: UpReport,
    tenants: Vec<TenantReport>,
}

async fn up(migrator: &Migrator, workers: usize) -> Run {
    let options = UpOptions { workers, ..UpOptions::default() };
    let mut tenants = Vec::new();
    let report = migrator
        .up(&options, &Stop::default(), |progress| {
            if let Progress::Tenant(tenant) = progress {
                tenants.push(tenant.clone());
            }
        })
        .await
        .unwrap();
    Run { report, tenants }
}

impl Fleet {
    /// A database of its own with so many practices.
    async fn of(size: usize, database: &str) -> Self {
        // Roles belong to the cluster; the shared world is made first, so that nothing else makes them at the same time.
        world().await;
        let folder = scratch().await.unwrap().join(database);
        let platform = Platform::create(postgres().await, &folder, database).await.unwrap();
        let secret = std::fs::read_to_string(platform.setting("LABOR_MASTER_SECRET_FILE")).unwrap();
        let migrator =
            Migrator::new(platform.setting("LABOR_MIGRATOR_URL"), MasterSecret::from_hex(&secret).unwrap()).unwrap();
        for number in 1..=size {
            platform.practice(&format!("p{number}"), "Praxis", &format!("{number:09}")).await.unwrap();
        }
        let superuser = postgres().await.connect(database).await.unwrap();
        let rows = superuser.query("SELECT tenant FROM control.ledger ORDER BY tenant", &[]).await.unwrap();
        let tenants = rows.iter().map(|row| TenantName::parse(row.get(0)).unwrap()).collect();
        Self { migrator, superuser, tenants }
    }

    /// As if a newer version were to be applied to all.
    async fn put_behind(&self) {
        self.superuser
            .execute("UPDATE control.ledger SET chain_checksum = '', rules_checksum = NULL", &[])
            .await
            .unwrap();
    }

    async fn up(&self) -> Run {
        up(&self.migrator, 3).await
    }

    async fn is_whole(&self) {
        let status = self.migrator.status(Listing::All).await.unwrap();
        assert_eq!((status.behind(), status.classes()), (0, 1), "{status:?}");
        for tenant in &self.tenants {
            assert_eq!(self.migrator.check(tenant).await.unwrap(), []);
        }
        let errors = self
            .superuser
            .query("SELECT last_error FROM control.ledger WHERE last_error IS NOT NULL", &[])
            .await
            .unwrap();
        assert!(errors.is_empty(), "{:?}", errors.first().map(|row| row.get::<_, String>(0)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_migrators_at_once_bring_every_tenant_to_one_class() {
    let fleet = Fleet::of(6, "fleet_two").await;
    for _ in 0..3 {
        fleet.put_behind().await;
        let (one, two) = tokio::join!(fleet.up(), fleet.up());
        let all = one.tenants.iter().chain(&two.tenants);
        let bad: Vec<_> = all.clone().filter(|tenant| tenant.outcome == "failed").collect();
        assert!(bad.is_empty(), "{bad:?}");
        let migrated = all.filter(|tenant| tenant.outcome == "migrated").count();
        assert_eq!(migrated, fleet.tenants.len(), "each is migrated once");
        fleet.is_whole().await;
    }
}

/// So many that what the files make is built to compare shapes with (`reference::known`).
#[tokio::test]
async fn in_a_large_fleet_too_who_was_changed_by_hand_is_found_and_nobody_else() {
    let fleet = Fleet::of(1, "fleet_large").await;
    fleet.migrator.keep_spares(60, |_| ()).await.unwrap();
    let all = "SELECT name FROM control.tenants WHERE state = 'spare' ORDER BY name";
    let spares = fleet.superuser.query(all, &[]).await.unwrap();
    assert_eq!(spares.len(), 60);
    // A rule that lets in one role more is sound SQL; and one that a dropped column leaves with another shape is sound.
    let changed = TenantName::parse(spares[41].get(0)).unwrap();
    let gap = TenantName::parse(spares[7].get(0)).unwrap();
    let sql = format!(
        "ALTER POLICY claim_update ON {changed}.reports USING ((SELECT guard.permits('{changed}', '{{admin,doctor,worker,patient}}')));
         ALTER TABLE {gap}.audit ADD COLUMN for_a_moment int; ALTER TABLE {gap}.audit DROP COLUMN for_a_moment"
    );
    fleet.superuser.batch_execute(&sql).await.unwrap();
    let (mut found, mut drifted, mut told) = (Vec::new(), Vec::new(), Vec::new());
    let looked = fleet.migrator.check_fleet(&[], |tenant, finding| found.push((tenant.cloned(), finding.kind.clone())));
    assert_eq!(looked.await.unwrap(), 62);
    assert_eq!(found, [(Some(changed.clone()), "drift".to_owned())]);
    fleet.migrator.drift(&[], false, |drift| drifted.push(drift.tenant.clone())).await.unwrap();
    assert_eq!(drifted, std::slice::from_ref(&changed));
    fleet.migrator.verify(&[], |row| told.extend(row.tenant.clone())).await.unwrap();
    assert_eq!(told, [changed.to_string()]);
    // What was built to compare with is gone.
    let schemas = "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 't\\_%'";
    assert_eq!(fleet.superuser.query_one(schemas, &[]).await.unwrap().get::<_, i64>(0), 62);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migrator_that_loses_a_connection_in_the_middle_makes_a_new_one_and_goes_on() {
    let fleet = Fleet::of(3, "fleet_cut").await;
    fleet.put_behind().await;
    // A reader holds one tenant's table, so that the migrator is met inside of that tenant's transaction.
    let reader = postgres().await.connect("fleet_cut").await.unwrap();
    let lock = format!("BEGIN; LOCK TABLE {}.users IN ACCESS SHARE MODE", fleet.tenants[1]);
    reader.batch_execute(&lock).await.unwrap();
    let migrator = fleet.migrator.clone();
    let run = tokio::spawn(async move { up(&migrator, 2).await });
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE application_name = 'labor-migrator' AND datname = current_database() AND wait_event_type = 'Lock'
                  AND query LIKE '%LOCK TABLE%'";
    until("the migrator to wait for the reader", Duration::from_secs(10), async || {
        let cut = fleet.superuser.query(cut, &[]).await.unwrap();
        Ok(if cut.is_empty() { Err("not yet".to_owned()) } else { Ok(()) })
    })
    .await
    .unwrap();
    let behind: i64 = fleet
        .superuser
        .query_one(
            "SELECT count(*) FROM control.ledger WHERE tenant = $1 AND chain_checksum = ''",
            &[&fleet.tenants[1].as_str()],
        )
        .await
        .unwrap()
        .get(0);
    assert_eq!(behind, 1, "the cut tenant passes for migrated");
    reader.batch_execute("ROLLBACK").await.unwrap();
    let run = run.await.unwrap();
    let cut = run.tenants.iter().find(|tenant| tenant.tenant == fleet.tenants[1]).unwrap();
    assert!(run.report.complete() && cut.attempts > 1, "{cut:?}");
    fleet.is_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_changed_by_hand_are_repaired_and_what_cannot_be_is_reported_while_others_go_on() {
    let fleet = Fleet::of(3, "fleet_hand").await;
    let (repaired, refused) = (&fleet.tenants[0], &fleet.tenants[1]);
    let by_hand = format!(
        "DROP POLICY claim_select ON {repaired}.reports; ALTER TABLE {repaired}.reports NO FORCE ROW LEVEL SECURITY;
         CREATE TABLE {refused}.notes (text text); ALTER TABLE {refused}.notes OWNER TO labor_owner"
    );
    fleet.superuser.batch_execute(&by_hand).await.unwrap();
    assert!(!fleet.migrator.check(repaired).await.unwrap().is_empty());
    fleet.put_behind().await;
    let report = fleet.up().await;
    assert_eq!(report.report.failed, 1, "{:?}", report.tenants);
    let failed = report.tenants.iter().find(|tenant| tenant.error.is_some()).unwrap();
    assert_eq!((&failed.tenant, failed.outcome), (refused, "failed"));
    assert!(failed.error.as_ref().unwrap().contains("rls_off notes"), "{failed:?}");
    assert_eq!(fleet.migrator.check(repaired).await.unwrap(), []);
    let row = fleet
        .superuser
        .query_one("SELECT chain_checksum, last_error FROM control.ledger WHERE tenant = $1", &[&refused.as_str()])
        .await
        .unwrap();
    assert_eq!(row.get::<_, &str>(0), "", "the refused tenant was not rolled back");
    assert!(row.get::<_, Option<&str>>(1).is_some_and(|error| error.contains("rls_off")));
    fleet.superuser.batch_execute(&format!("DROP TABLE {refused}.notes")).await.unwrap();
    assert_eq!(fleet.up().await.report.failed, 0);
    fleet.is_whole().await;
}

/// Schemas with one fingerprint are checked by one of them: what is wrong with another's definitions, with all of a class, or with what one
/// login reaches, is found all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_check_of_a_fleet_finds_what_is_wrong_with_any_one_of_it() {
    let fleet = Fleet::of(5, "fleet_check").await;
    let [sound, defined, reaching, twin, other] = fleet.tenants.first_chunk().unwrap();
    let by_hand = format!(
        "CREATE VIEW {defined}.v AS SELECT 1; ALTER ROLE {reaching}_app SET search_path = {sound};
         ALTER TABLE {twin}.reports NO FORCE ROW LEVEL SECURITY; ALTER TABLE {other}.reports NO FORCE ROW LEVEL SECURITY"
    );
    fleet.superuser.batch_execute(&by_hand).await.unwrap();
    let mut found = BTreeSet::new();
    let count = fleet
        .migrator
        .check_fleet(&fleet.tenants, |tenant, finding| {
            found.insert((tenant.map(ToString::to_string).unwrap_or_default(), finding.kind.clone()));
        })
        .await
        .unwrap();
    let expected = [
        (defined.as_str(), "drift"),
        (defined.as_str(), "kind"),
        (defined.as_str(), "owner"),
        (reaching.as_str(), "role_search_path"),
        (twin.as_str(), "drift"),
        (twin.as_str(), "rls_not_forced"),
        (other.as_str(), "drift"),
        (other.as_str(), "rls_not_forced"),
    ];
    assert_eq!(found, expected.map(|(tenant, kind)| (tenant.to_owned(), kind.to_owned())).into());
    assert_eq!(count, 6, "the five and the intake");
    assert_eq!(fleet.migrator.check(sound).await.unwrap(), []);
}
