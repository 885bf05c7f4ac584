//! What is no backup's fault is none's verdict, and one tenant's trouble is nobody else's.
use std::time::Duration as Age;

use chrono::{Days, Duration, Utc};
use labor_backup::{Backup, BackupError, Destination, Fate, FleetOptions, Settings, Which};

use crate::between::{that_dates, that_refuses};
use crate::damage::{dump_key, replace_dump};
use crate::place::{DATABASE, OTHER, Place, url};
use crate::pruned::{made_at, options, tomorrow};

async fn unverified(place: &Place) {
    assert!(!place.objects().await.iter().any(|key| key.ends_with("verified.json")), "a verdict was written");
}

#[tokio::test]
async fn a_database_with_a_finding_condemns_no_backup() {
    let place = Place::alone("surroundings_finding").await;
    place.backup().run(&place.tenant).await.unwrap();
    // Of the database: no tenant's schema shows it.
    place.database.batch_execute("GRANT EXECUTE ON FUNCTION pg_catalog.pg_read_file(text) TO PUBLIC").await.unwrap();
    for refused in [
        place.backup().verify(&place.tenant, &Which::Latest).await.map(drop),
        place.backup().restore(&place.tenant, &Which::Latest, Destination::New).await.map(drop),
    ] {
        assert!(matches!(&refused, Err(BackupError::Refused(why)) if why.contains("pg_read_file")), "{refused:?}");
    }
    unverified(&place).await;
    assert_eq!(place.strays().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_role_that_is_missing_here_condemns_no_backup() {
    let place = Place::with_patients(1).await;
    let manifest = place.backup().run(&place.tenant).await.unwrap();
    let plain = place.plain(&dump_key(&manifest)).await;
    replace_dump(&place, &manifest, &plain.replacen("OWNER TO labor_owner", "OWNER TO labor_elsewhere", 1)).await;
    let error = place.backup().verify(&place.tenant, &Which::Latest).await.unwrap_err();
    assert!(!error.condemns() && error.to_string().contains("42704"), "{error}");
    unverified(&place).await;
}

#[tokio::test]
async fn a_clock_that_is_wrong_makes_no_backup() {
    let place = Place::with_patients(1).await;
    for stored in [Utc::now() + Days::new(40), Utc::now() - Duration::hours(12)] {
        let refused = that_dates(&place, "dump.sql", stored).await.run(&place.tenant).await;
        assert!(matches!(&refused, Err(BackupError::Refused(why)) if why.contains("clock")), "{refused:?}");
        assert_eq!(place.objects().await, Vec::<String>::new());
    }
    that_dates(&place, "dump.sql", Utc::now() + Duration::minutes(1)).await.run(&place.tenant).await.unwrap();
}

#[tokio::test]
async fn with_a_clock_that_is_wrong_nothing_is_made_removed_or_said_to_be_well() {
    let place = Place::alone("surroundings_clock").await;
    let today = place.backup().run(&place.tenant).await.unwrap();
    for days in 1..4 {
        made_at(&place, &today, today.started_at - Days::new(days)).await;
    }
    let there = place.objects().await;
    // To the database, this machine is a day ahead.
    let elsewhen = "CREATE SCHEMA elsewhen; GRANT USAGE ON SCHEMA elsewhen TO labor_backup;
        CREATE FUNCTION elsewhen.now() RETURNS timestamptz LANGUAGE sql AS $$SELECT pg_catalog.now() - interval '1 day'$$";
    place.database.batch_execute(elsewhen).await.unwrap();
    let database_url = format!("{}?options=-c%20search_path%3Delsewhen,pg_catalog", place.settings.database_url);
    let backup = Backup::new(Settings { database_url, ..place.settings.clone() }).unwrap();
    let all = FleetOptions { jobs: 1, at_most_days: 0 };
    for refused in [
        backup.run(&place.tenant).await.map(drop),
        backup.run_all(all, |_| (), |_, _| ()).await.map(drop),
        backup.recovery_points(Age::from_secs(24 * 3600), Utc::now()).await.map(drop),
        backup.prune(None, &options(1, true)).await.map(drop),
    ] {
        assert!(matches!(&refused, Err(BackupError::Refused(why)) if why.contains("clock")), "{refused:?}");
    }
    assert_eq!(place.objects().await, there);
}

#[tokio::test]
async fn what_can_t_be_read_of_one_is_told_and_the_others_are_looked_after() {
    let place = Place::alone("surroundings_one").await;
    let (tenant, neighbour) = (&place.tenant, place.neighbour(1).await);
    let today = place.backup().run(tenant).await.unwrap();
    for days in 1..4 {
        made_at(&place, &today, today.started_at - Days::new(days)).await;
    }
    let theirs = place.backup().run(&neighbour).await.unwrap();
    let backup = that_refuses(&place, "GET ", &format!("{neighbour}/backups/{}/manifest.json", theirs.backup)).await;
    place.backup().control_run().await.unwrap();
    let points = backup.recovery_points(Age::from_secs(24 * 3600), Utc::now()).await.unwrap();
    assert!(!points.tenants[tenant].late && points.tenants[&neighbour].late, "{points:?}");
    assert!(points.late().len() == 1 && points.late()[0].contains("can't be told"), "{:?}", points.late());
    let run = backup.prune(None, &options(1, true)).await.unwrap();
    let removed = run.tenants[tenant].backups.iter().filter(|one| one.fate == Fate::Removed).count();
    assert_eq!((removed, run.tenants[&neighbour].fault, run.faults().len()), (2, true, 1), "{run:?}");
    // One whose folder of keys others can read, likewise.
    let key = place.settings.keys.join(format!("{neighbour}.age-identity"));
    std::fs::set_permissions(key, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let points = place.backup().recovery_points(Age::from_secs(24 * 3600), Utc::now()).await.unwrap();
    assert!(!points.tenants[tenant].late && points.tenants[&neighbour].fault.is_some(), "{points:?}");
}

#[tokio::test]
async fn who_has_backups_and_is_not_known_is_told() {
    let place = Place::with_patients(1).await;
    place.backup().run(&place.tenant).await.unwrap();
    let database_url = url("labor_backup", OTHER).await;
    let strange = Backup::new(Settings { database_url: database_url.clone(), ..place.settings.clone() }).unwrap();
    let points = strange.recovery_points(Age::from_secs(24 * 3600), Utc::now()).await.unwrap();
    assert_eq!((points.tenants.len(), &points.unknown), (0, &vec![place.tenant.clone()]));
    let mut program = place.program();
    let output = program.env("LABOR_BACKUP_URL", &database_url).args(["status"]).output().await.unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(6) && told.contains("LABOR_BACKUP_URL"), "{told}");
    let words = ["prune", "--all", "--apply"];
    let output = place.program().env("LABOR_BACKUP_URL", &database_url).args(words).output().await.unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && told.contains("LABOR_BACKUP_URL"), "{told}");
    assert_eq!(strange.prune(None, &tomorrow(0, true)).await.unwrap().faults().len(), 1);
}

#[tokio::test]
async fn who_is_late_is_told_also_when_the_figures_can_t_be_written() {
    let place = Place::alone("surroundings_figures").await;
    place.backup().run(&place.tenant).await.unwrap();
    place.backup().control_run().await.unwrap();
    let file = place.folder().join("missing").join("labor.prom");
    let status = async |late: &str| {
        let output = place.program().args(["status", "--late", late, "--metrics"]).arg(&file).output().await.unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let (code, table, told) = status("0m").await;
    assert!(code == Some(6) && table.contains("1 late") && told.contains("labor.prom"), "{code:?} {table} {told}");
    let (code, table, told) = status("1h").await;
    assert!(code == Some(1) && table.contains("0 late") && told.contains("labor.prom"), "{code:?} {table} {told}");
    let output = place.program().args(["status", "--metrics", "labor.txt"]).output().await.unwrap();
    assert_eq!(output.status.code(), Some(2));
}

#[tokio::test]
async fn a_limit_on_the_command_line_is_a_limit_for_the_upload() {
    // Two parts: the second waits until the first, of 8 MiB, has had its time.
    let place = Place::with_patients(4_000).await;
    let begun = std::time::Instant::now();
    let words =
        ["run", "--max-upload-mib-per-s", "1", "--pg-bin", crate::place::programs().to_str().unwrap(), "--tenant"]
            .map(str::to_owned);
    let output = place.program().args(words).arg(place.tenant.as_str()).output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(begun.elapsed() >= Age::from_secs(8), "{:?}", begun.elapsed());
}

/// As on a managed server whose provider gives no BYPASSRLS.
#[tokio::test]
async fn a_login_from_which_row_rules_hide_the_rows_is_refused_before_anything_is_made() {
    let place = Place::with_patients(1).await;
    let settings = Settings { database_url: url("labor_migrator", DATABASE).await, ..place.settings.clone() };
    let backup = Backup::new(settings).unwrap();
    let refused = backup.run(&place.tenant).await;
    assert!(matches!(&refused, Err(BackupError::Refused(why)) if why.contains("no BYPASSRLS")), "{refused:?}");
    assert_eq!(place.objects().await, Vec::<String>::new());
    assert!(!place.settings.keys.join(format!("{}.age-identity", place.tenant)).exists(), "a key was made");
}
