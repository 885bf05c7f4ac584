//! The object store, or the way to it, stands still or is slow. Whoever waits gives up within the limits that are set and says which store it
//! was, nothing half is left and none is condemned; what is only slow goes through; and no migration waits for a store.
use std::time::Duration;

use futures_util::FutureExt as _;
use labor_backup::{Backup, BackupError, StoreLimits, Which};
use labor_testing::{StoreFault, StoreWire, s3};

use crate::place::Place;
use crate::pruned::{daily, left, options};
use crate::store_faults::{ends_well, requests, rounds, through, wire};

/// Seconds where minutes are usual.
const SOON: StoreLimits = StoreLimits { answer: Duration::from_secs(3), bytes_per_second: 8 << 20 };
/// More than all requests of a command take that are given up one after the other.
const FOR_EVER: Duration = Duration::from_secs(120);

fn impatient(place: &mut Place) -> &Place {
    place.settings.store.limits = SOON;
    place
}

/// What it ended with; that it hangs is wrong whatever it does.
async fn in_time<T>(work: impl Future<Output = Result<T, BackupError>>) -> Result<Result<(), String>, String> {
    let ended = tokio::time::timeout(FOR_EVER, work).await.map_err(|_| "it hangs".to_owned())?;
    Ok(ended.map(drop).map_err(|error| error.to_string()))
}

/// Whether it ended as it has to with this fault.
fn told(fault: StoreFault, wire: &StoreWire, ended: &Result<(), String>) -> Result<(), String> {
    let for_good =
        matches!(fault, StoreFault::Still { count: usize::MAX, .. } | StoreFault::Stuck { count: usize::MAX, .. });
    match ended {
        Ok(()) if for_good => Err("it is called done".to_owned()),
        Err(error) if !for_good => Err(format!("it was not tried again: {error}")),
        Err(error) if !error.contains(&wire.endpoint()) => Err(format!("it does not say which store: {error}")),
        _ => Ok(()),
    }
}

#[tokio::test]
async fn a_backup_ends_when_the_store_stands_still() {
    let place = Place::with_patients(3).await;
    let run = async |backup: Backup| drop(backup.run(&place.tenant).await.unwrap());
    let sent = requests(&place, run).await;
    let once = (1..=sent).map(|from| StoreFault::Still { from, count: 1 });
    let faults = once.chain((1..=sent).map(|from| StoreFault::Still { from, count: usize::MAX }));
    rounds(faults.collect(), async |fault| {
        let mut place = Place::with_patients(3).await;
        let (place, wire) = (impatient(&mut place), wire(fault).await);
        let ended = Box::pin(in_time(through(place, &wire).run(&place.tenant))).await?;
        told(fault, &wire, &ended)?;
        ends_well(place, ended.is_err()).await
    })
    .await;
}

#[tokio::test]
async fn a_verification_ends_when_the_store_stands_still() {
    let place = Place::with_patients(3).await;
    place.backup().run(&place.tenant).await.unwrap();
    let verify = async |backup: Backup| drop(backup.verify(&place.tenant, &Which::Latest).await.unwrap());
    let sent = requests(&place, verify).await;
    let each = |fault: fn(usize) -> StoreFault| (1..=sent).map(fault);
    let faults = each(|from| StoreFault::Still { from, count: 1 })
        .chain(each(|from| StoreFault::Still { from, count: usize::MAX }))
        .chain(each(|from| StoreFault::Stuck { from, count: 1, after: 100 }))
        .chain([StoreFault::Stuck { from: 1, count: usize::MAX, after: 100 }]);
    rounds(faults.collect(), async |fault| {
        let mut place = Place::with_patients(3).await;
        place.backup().run(&place.tenant).await.map_err(|error| format!("before: {error}"))?;
        let (place, wire) = (impatient(&mut place), wire(fault).await);
        let ended = Box::pin(in_time(through(place, &wire).verify(&place.tenant, &Which::Latest))).await?;
        told(fault, &wire, &ended)?;
        let noted: Vec<_> = place.objects().await.into_iter().filter(|key| key.ends_with("broken.json")).collect();
        if !noted.is_empty() || (ended.is_err() && !place.strays().await.is_empty()) {
            return Err(format!("{noted:?}, {:?}", place.strays().await));
        }
        ends_well(place, false).await
    })
    .await;
}

/// A byte now and then is no standstill to the driver.
#[tokio::test]
async fn an_answer_that_trickles_is_given_up_like_one_that_stands_still() {
    let mut place = Place::with_patients(3).await;
    place.backup().run(&place.tenant).await.unwrap();
    let place = impatient(&mut place);
    let kinds: [fn(&str) -> bool; 2] = [|it| it.contains("manifest.json"), |it| it.contains("dump.sql")];
    for kind in kinds {
        let fault = StoreFault::Slow { piece: 1, rest: Duration::from_millis(100) };
        let wire = StoreWire::start_counting(&s3().await.endpoint(), fault, kind).await.unwrap();
        let ended = Box::pin(in_time(through(place, &wire).verify(&place.tenant, &Which::Latest))).await.unwrap();
        let error = ended.unwrap_err();
        assert!(error.contains("stands still") && error.contains(&wire.endpoint()), "{error}");
    }
    ends_well(place, false).await.unwrap();
}

#[tokio::test]
async fn who_lists_or_prunes_ends_and_removes_nothing_half() {
    let (place, _) = daily(3).await;
    let dry = async |backup: Backup| drop(backup.prune(Some(&place.tenant), &options(1, false)).await.unwrap());
    let sent = requests(&place, dry).await;
    let faults = [1, 2, sent, sent + 1, sent + 2].map(|from| StoreFault::Still { from, count: usize::MAX });
    rounds(faults.to_vec(), async |fault| {
        let (mut place, _) = daily(3).await;
        let (place, wire) = (impatient(&mut place), wire(fault).await);
        let (backup, options) = (through(place, &wire), options(1, true));
        let pruning = backup.prune(Some(&place.tenant), &options).map(|ended| match ended {
            Ok(run) if run.faults().is_empty() => Ok(()),
            Ok(run) => Err(BackupError::Incomplete(run.faults())),
            Err(error) => Err(error),
        });
        told(fault, &wire, &in_time(pruning).await?)?;
        // What was begun is gone on with; until then the newest are all there.
        place.backup().prune(Some(&place.tenant), &options).await.map_err(|error| error.to_string())?;
        let left = left(place).await;
        if left.len() == 2 { Ok(()) } else { Err(format!("left: {left:?}")) }
    })
    .await;
    let mut place = Place::with_patients(3).await;
    place.backup().run(&place.tenant).await.unwrap();
    let fault = StoreFault::Still { from: 1, count: usize::MAX };
    let (place, wire) = (impatient(&mut place), wire(fault).await);
    let ended = in_time(through(place, &wire).list(Some(&place.tenant))).await;
    told(fault, &wire, &ended.unwrap()).unwrap();
}

/// Each piece comes within the limit; all of it together takes longer than an answer may.
#[tokio::test]
async fn what_is_only_slow_goes_through() {
    let mut place = Place::with_patients(400).await;
    place.settings.store.limits = StoreLimits { bytes_per_second: 64 << 10, ..SOON };
    let wire = wire(StoreFault::Slow { piece: 4096, rest: Duration::from_millis(10) }).await;
    let backup = through(&place, &wire);
    let made = backup.run(&place.tenant).await.unwrap();
    assert!(made.sealed.bytes / 4096 * 10 > 2_000, "{made:?}: it is too small to take longer");
    backup.verify(&place.tenant, &Which::Latest).await.unwrap();
    backup.prune(Some(&place.tenant), &options(1, true)).await.unwrap();
    ends_well(&place, false).await.unwrap();
}

/// Waits for the tenant's tables as a migration does.
async fn migrates(place: &Place) {
    let wait = format!(
        "BEGIN; SET LOCAL lock_timeout = '60s'; LOCK TABLE {}.patients IN ACCESS EXCLUSIVE MODE; COMMIT",
        place.tenant
    );
    place.database.batch_execute(&wait).await.unwrap();
}

/// Still, at the first request of this kind.
async fn still_at(kind: fn(&str) -> bool) -> StoreWire {
    let fault = StoreFault::Still { from: 1, count: usize::MAX };
    StoreWire::start_counting(&s3().await.endpoint(), fault, kind).await.unwrap()
}

async fn reached(wire: &StoreWire) {
    let came = async || Ok(if wire.log().is_empty() { Err("no request".to_owned()) } else { Ok(()) });
    labor_testing::until("the request that stands still", Duration::from_secs(60), came).await.unwrap();
}

#[tokio::test]
async fn a_migration_does_not_wait_for_the_upload_of_a_dump_that_fits_one_request() {
    let place = Place::with_patients(3).await;
    let wire = still_at(|request| request.starts_with("PUT") && request.contains("dump.sql")).await;
    // Half a minute at least.
    let (backup, tenant) = (through(&place, &wire), place.tenant.clone());
    let running = tokio::spawn(async move { backup.run(&tenant).await });
    reached(&wire).await;
    migrates(&place).await;
    assert!(!running.is_finished(), "the upload did not stand still");
    running.abort();
}

#[tokio::test]
async fn a_migration_waits_no_longer_than_the_limit_for_an_upload_of_many_parts() {
    let mut place = Place::with_patients(4_000).await;
    let place = impatient(&mut place);
    let wire = still_at(|request| request.starts_with("PUT") && request.contains("partNumber=2")).await;
    let (backup, tenant) = (through(place, &wire), place.tenant.clone());
    let running = tokio::spawn(async move { backup.run(&tenant).await });
    reached(&wire).await;
    migrates(place).await;
    let ended = running.await.unwrap().map_err(|error| error.to_string()).unwrap_err();
    assert!(ended.contains(&wire.endpoint()) && ended.contains("part 2"), "{ended}");
    assert_eq!((place.objects().await, place.unfinished_uploads().await), (Vec::new(), 0));
}
