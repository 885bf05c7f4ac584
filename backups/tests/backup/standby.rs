//! A standby as the source: it stands for the time of the last change that came to it, and nothing is removed by what it knows of holds.
use chrono::{DateTime, Duration, Utc};
use labor_backup::{Backup, BackupError, FleetOptions, Outcome, Settings};

use crate::place::Place;
use crate::pruned::options;

/// The same database, but what is asked for says that it is a standby.
async fn standby(place: &Place, replayed: Option<DateTime<Utc>>) -> Backup {
    let replayed = replayed.map_or_else(|| "NULL".to_owned(), |time| format!("'{}'", time.to_rfc3339()));
    let functions = format!(
        "CREATE SCHEMA IF NOT EXISTS standby;
         GRANT USAGE ON SCHEMA standby TO labor_backup;
         CREATE OR REPLACE FUNCTION standby.pg_is_in_recovery() RETURNS boolean LANGUAGE sql AS 'SELECT true';
         CREATE OR REPLACE FUNCTION standby.pg_last_wal_replay_lsn() RETURNS pg_lsn LANGUAGE sql AS $$SELECT '0/7'::pg_lsn$$;
         CREATE OR REPLACE FUNCTION standby.pg_last_xact_replay_timestamp() RETURNS timestamptz LANGUAGE sql
           AS $f$SELECT {replayed}::timestamptz$f$"
    );
    place.database.batch_execute(&functions).await.unwrap();
    let database_url = format!("{}?options=-c%20search_path%3Dstandby,pg_catalog", place.settings.database_url);
    Backup::new(Settings { database_url, ..place.settings.clone() }).unwrap()
}

#[tokio::test]
async fn a_standby_that_stands_still_does_not_prove_today() {
    let place = Place::alone("standby_still").await;
    let tenant = &place.tenant;
    let yesterday = DateTime::from_timestamp(Utc::now().timestamp(), 0).unwrap() - Duration::hours(30);
    let backup = standby(&place, Some(yesterday)).await;
    let made = backup.run(tenant).await.unwrap();
    assert_eq!((made.started_at, made.snapshot_lsn.as_str()), (yesterday, "0/7"));
    let later = yesterday + Duration::hours(1);
    let backup = standby(&place, Some(later)).await;
    let all = FleetOptions { jobs: 1, at_most_days: 30 };
    let run = backup.run_all(all, |_| (), |_, _| ()).await.unwrap();
    assert!(matches!(run.tenants[tenant], Outcome::Unchanged { .. }), "{:?}", run.tenants);
    let points = backup.recovery_points(std::time::Duration::from_secs(26 * 3600), Utc::now()).await.unwrap();
    let point = &points.tenants[tenant];
    assert!(point.late && point.proven_until == Some(later), "{point:?}");
    // A clock of the primary that is ahead proves nothing more.
    let backup = standby(&place, Some(Utc::now() + Duration::hours(5))).await;
    assert!(backup.run(tenant).await.unwrap().started_at <= Utc::now());
}

#[tokio::test]
async fn what_a_standby_can_t_know_is_refused() {
    let place = Place::alone("standby_none").await;
    let backup = standby(&place, None).await;
    let refused = backup.run(&place.tenant).await;
    assert!(matches!(&refused, Err(BackupError::Refused(why)) if why.contains("standby")), "{refused:?}");
    place.backup().run(&place.tenant).await.unwrap();
    let refused = backup.prune(None, &options(1, true)).await;
    assert!(matches!(&refused, Err(BackupError::Refused(why)) if why.contains("primary")), "{refused:?}");
}
