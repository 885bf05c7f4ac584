//! `schedule`: what can't be read is never stored; and whoever was due and has no backup is late.
use std::time::Duration as Age;

use chrono::{Days, Duration, Utc};
use labor_backup::{Backup, BackupError, Patience, RecoveryPoint, Scope, TenantName};

use crate::place::Place;
use crate::scheduled::{at, cron, daily_at};

#[tokio::test]
async fn the_program_sets_lists_and_removes_and_says_which_field_is_wrong() {
    let place = Place::alone("schedules_program").await;
    let run = async |arguments: &[&str]| {
        let output = place.program().arg("schedule").args(arguments).output().await.unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let tenant = place.tenant.as_str();
    for (arguments, code, word) in [
        (&["set", "--all", "61 2 * * *"][..], 1, "the minute \"61\""),
        (&["set", "--all", "15 2 * * * *"], 1, "6 field(s)"),
        (&["set", "--all", "15 2 * * *", "--zone", "Europe/Berlinn"], 1, "time zone \"Europe/Berlinn\""),
        (&["set", "--all", "15 2 * * *", "--jitter", "24h"], 1, "jitter"),
        (&["set", "--tenant", "t_aaaaaaaaaaaa", "15 2 * * *"], 5, "no tenant t_aaaaaaaaaaaa"),
        (&["set", "15 2 * * *"], 2, "--tenant"),
        (&["remove", "--all"], 5, "no schedule for all"),
    ] {
        let (seen, _, told) = run(arguments).await;
        assert!(seen == Some(code) && told.contains(word), "{arguments:?}: {seen:?} {told}");
    }
    let set = ["set", "--all", "15 2 * * *", "--zone", "Europe/Berlin", "--jitter", "30m"];
    let (code, told, _) = run(&set).await;
    assert!(code == Some(0) && told.contains("the next backup begins"), "{told}");
    assert_eq!(run(&["set", "--tenant", tenant, "*/30 * * * *"]).await.0, Some(0));
    let (_, told, _) = run(&["list", "--json"]).await;
    let listed: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!((&listed[0]["scope"], &listed[0]["zone"]), (&"all".into(), &"Europe/Berlin".into()));
    assert_eq!((&listed[0]["jitter_seconds"], &listed[0]["tenants"]), (&1_800.into(), &0.into()));
    assert_eq!((&listed[1]["scope"], &listed[1]["tenants"]), (&tenant.into(), &1.into()));
    assert!(listed[1]["last_run"].is_null() && listed[1]["next_at"].is_string(), "{listed}");
    // What is not given stays as it was set.
    assert_eq!(run(&["set", "--all", "20 2 * * *", "--keep-daily", "365"]).await.0, Some(0));
    assert_eq!(run(&["set", "--all", "25 2 * * *"]).await.0, Some(0));
    let listed: serde_json::Value = serde_json::from_str(&run(&["list", "--json"]).await.1).unwrap();
    assert_eq!((&listed[0]["zone"], &listed[0]["jitter_seconds"]), (&"Europe/Berlin".into(), &1_800.into()));
    assert_eq!((&listed[0]["retention"]["daily"], &listed[0]["retention"]["weekly"]), (&365.into(), &8.into()));
    // One that can't be read, by whatever hand, is a fault of that one only.
    place
        .database
        .batch_execute("UPDATE control.backup_schedules SET expression = '99 2 * * *' WHERE tenant IS NULL")
        .await
        .unwrap();
    let (code, told, _) = run(&["list", "--json"]).await;
    let listed: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert!(code == Some(0) && listed[0]["next_at"].is_null() && listed[1]["next_at"].is_string(), "{listed}");
    assert_eq!(run(&["remove", "--tenant", tenant]).await.0, Some(0));
    let (_, told, _) = run(&["list"]).await;
    assert!(told.contains("all others (1)") && !told.contains(tenant), "{told}");
}

async fn point(backup: &Backup, tenant: &TenantName, allowed: i64, later: Duration) -> RecoveryPoint {
    let hours = |hours: i64| Age::from_secs(u64::try_from(hours).unwrap() * 3600);
    let patience = Patience { late: hours(5 * 24), allowance: hours(allowed) };
    backup.recovery_points(patience, Utc::now() + later).await.unwrap().tenants.remove(tenant).unwrap()
}

#[tokio::test]
async fn who_was_due_and_has_no_backup_since_is_late_after_the_allowance() {
    let place = Place::alone("schedules_late").await;
    let (backup, tenant, now) = (place.backup(), &place.tenant, Utc::now());
    let long_ago = format!("UPDATE control.tenants SET created_at = now() - interval '9 days' WHERE name = '{tenant}'");
    place.database.batch_execute(&long_ago).await.unwrap();
    assert!(point(&backup, tenant, 4, Duration::zero()).await.late, "without a schedule its age counts");
    // Setting a schedule makes nobody well who has no backup.
    backup.set_schedule(&Scope::All, &cron("0 0 1 1 *"), now).await.unwrap();
    let scheduled = point(&backup, tenant, 4, Duration::zero()).await;
    assert!(scheduled.late && scheduled.schedule == Some(Scope::All) && scheduled.due_at.is_none(), "{scheduled:?}");
    // Due six hours ago, for the second time since it was set.
    backup.set_schedule(&Scope::All, &daily_at(now - Duration::hours(6)), now - Days::new(2)).await.unwrap();
    let late = point(&backup, tenant, 4, Duration::zero()).await;
    assert!(late.late && late.schedule == Some(Scope::All) && late.due_at.is_some(), "{late:?}");
    backup.run(tenant).await.unwrap();
    let fresh = point(&backup, tenant, 4, Duration::zero()).await;
    assert!(!fresh.late && fresh.due_at == late.due_at, "{fresh:?}");
    // It is due again in eighteen hours.
    assert!(!point(&backup, tenant, 4, Duration::hours(21)).await.late);
    assert!(point(&backup, tenant, 4, Duration::hours(23)).await.late);
    assert!(!point(&backup, tenant, 6, Duration::hours(23)).await.late);
    // Its own schedule counts instead, from when it was set.
    backup.set_schedule(&Scope::One(tenant.clone()), &cron("0 0 1 1 *"), now).await.unwrap();
    let own = point(&backup, tenant, 4, Duration::hours(23)).await;
    assert!(!own.late && own.schedule == Some(Scope::One(tenant.clone())) && own.due_at.is_none(), "{own:?}");
}

#[tokio::test]
async fn a_practice_that_was_deleted_has_no_schedule_any_more() {
    let place = Place::alone("schedules_deleted").await;
    let own = Scope::One(place.neighbour(1).await);
    place.backup().set_schedule(&own, &cron("0 2 * * *"), at("2026-11-19T12:00:00Z")).await.unwrap();
    let Scope::One(tenant) = &own else { unreachable!() };
    place
        .database
        .execute("UPDATE control.tenants SET state = 'deleted' WHERE name = $1", &[&tenant.as_str()])
        .await
        .unwrap();
    assert!(place.backup().schedules(Utc::now()).await.unwrap().is_empty());
    let refused = place.backup().set_schedule(&own, &cron("0 2 * * *"), Utc::now()).await;
    assert!(matches!(refused, Err(BackupError::NotFound(_))), "{refused:?}");
}
