//! `status`: a tenant whose state is not backed up is never passed over, and whoever watches learns of it without its name.
use std::time::Duration as Age;

use chrono::{DateTime, Days, Duration, Utc};
use labor_backup::{Backup, FleetOptions, RecoveryPoint, Settings, TenantName, Which};

use crate::place::Place;

const A_DAY: Age = Age::from_secs(24 * 3600);

async fn point(backup: &Backup, tenant: &TenantName, now: DateTime<Utc>) -> RecoveryPoint {
    backup.recovery_points(A_DAY, now).await.unwrap().tenants.remove(tenant).unwrap()
}

#[tokio::test]
async fn the_age_is_that_of_the_newest_proof() {
    let place = Place::alone("late_age").await;
    let (backup, tenant, now) = (place.backup(), &place.tenant, Utc::now());
    // It has nothing yet, and is new; a day later that is no excuse.
    let none = point(&backup, tenant, now).await;
    assert!(none.backup.is_none() && none.proven_until.is_none() && !none.late, "{none:?}");
    assert!(point(&backup, tenant, now + Days::new(1) + Duration::minutes(5)).await.late);

    let made = backup.run(tenant).await.unwrap();
    let point_then = async |later: Duration| point(&backup, tenant, made.started_at + later).await;
    let fresh = point_then(Duration::hours(23)).await;
    assert_eq!((fresh.backup.as_ref(), fresh.late, fresh.age_seconds), (Some(&made.backup), false, 23 * 3600));
    assert_eq!(fresh.proven_until, Some(made.started_at), "what came while it was made is not in it");
    assert!(point_then(Duration::hours(24)).await.late);
    assert_eq!(fresh.verified_at, None);
    let verified = backup.verify(tenant, &Which::Latest).await.unwrap();
    assert_eq!(point_then(Duration::hours(1)).await.verified_at, Some(verified.verified_at));

    // Nothing changed: no new backup, but a newer proof.
    let run = backup.run_all(FleetOptions { jobs: 1, at_most_days: 30 }, |_| (), |_, _| ()).await.unwrap();
    let later = point_then(Duration::hours(24)).await;
    assert!(
        later.proven_until.unwrap() >= run.started_at && !later.late && later.backup == Some(made.backup),
        "{later:?}"
    );
}

#[tokio::test]
async fn what_is_no_good_proves_nothing() {
    let place = Place::alone("late_bad").await;
    let (backup, tenant) = (place.backup(), &place.tenant);
    let (first, second) = (backup.run(tenant).await.unwrap(), backup.run(tenant).await.unwrap());
    backup.verify(tenant, &Which::Id(first.backup.clone())).await.unwrap();
    let now = Utc::now();
    assert_eq!(point(&backup, tenant, now).await.backup, Some(second.backup.clone()));
    let keyless = Settings { keys: place.folder().join("mistyped"), ..place.settings.clone() };
    let unknown = point(&Backup::new(keyless).unwrap(), tenant, now).await;
    assert!(unknown.late && unknown.fault.is_some_and(|fault| fault.contains("mistyped")));
    // As long as before, so that only a restore shows it.
    let key = format!("tenants/{tenant}/backups/{}/dump.sql.zst.age", second.backup);
    let mut bytes = place.object(&key).await;
    *bytes.last_mut().unwrap() ^= 1;
    place.put(&key, bytes).await;
    assert!(backup.verify(tenant, &Which::Latest).await.is_err());
    let found = point(&backup, tenant, now).await;
    assert!(found.backup.as_ref() == Some(&first.backup) && found.verified_at.is_some(), "{found:?}");

    place.database.batch_execute("UPDATE control.tenants SET state = 'deleted'").await.unwrap();
    assert!(backup.recovery_points(A_DAY, now).await.unwrap().tenants.is_empty());
}

#[tokio::test]
async fn the_program_tells_by_its_exit_code_and_by_a_file() {
    let place = Place::alone("late_program").await;
    place.backup().run(&place.tenant).await.unwrap();
    let file = place.folder().join("labor.prom");
    let status = async |late: &str| {
        let output = place.program().args(["status", "--late", late, "--metrics"]).arg(&file).output().await.unwrap();
        let metrics = std::fs::read_to_string(&file).unwrap();
        (output.status.code(), metrics, String::from_utf8(output.stderr).unwrap())
    };
    let (code, metrics, told) = status("1h").await;
    assert!(code == Some(6) && told.contains("labor-backup control run"), "{code:?} {told}");
    assert!(metrics.contains("\nlabor_backup_control_timestamp_seconds 0\n"), "{metrics}");
    let control = place.backup().control_run().await.unwrap();
    let (code, metrics, told) = status("1h").await;
    assert_eq!((code, told.as_str()), (Some(0), ""));
    let made = format!("\nlabor_backup_control_timestamp_seconds {}\n", control.made_at.timestamp());
    assert!(metrics.contains(&made), "{metrics}");
    assert!(metrics.contains("\nlabor_backup_late_tenants 0\n"), "{metrics}");
    let (code, metrics, told) = status("0m").await;
    assert!(code == Some(6) && told.contains(place.tenant.as_str()), "{code:?} {told}");
    assert!(
        metrics.contains("\nlabor_backup_late_tenants 1\n") && !metrics.contains(place.tenant.as_str()),
        "{metrics}"
    );
    let beside = std::fs::read_dir(place.folder())
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().contains("labor.prom"));
    assert_eq!(beside.count(), 1, "what was written beside it is left");
}
