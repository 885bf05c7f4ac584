//! The object store, or the way to it, fails at each single request: a backup is made or it is not, none is half, none is called verified that
//! is not, and an outage of the store condemns none. Whatever happened, the same command ends well once the store is well.
use std::os::unix::process::ExitStatusExt as _;

use futures_util::{StreamExt as _, stream};
use labor_backup::{Backup, BackupError, Settings, State, StoreSettings, Which};
use labor_testing::{StoreFault, StoreWire, s3};

use crate::erased::deleted;
use crate::place::Place;

/// Waits take longer here than work does.
const AT_A_TIME: usize = 8;

pub(crate) async fn wire(fault: StoreFault) -> StoreWire {
    StoreWire::start(&s3().await.endpoint(), fault).await.unwrap()
}

/// The same backups, through the proxy.
pub(crate) fn through(place: &Place, wire: &StoreWire) -> Backup {
    let store = StoreSettings { endpoint: Some(wire.endpoint()), ..place.settings.store.clone() };
    Backup::new(Settings { store, ..place.settings.clone() }).unwrap()
}

/// How many requests a command sends when nothing goes wrong.
pub(crate) async fn requests(place: &Place, command: impl AsyncFn(Backup)) -> usize {
    let wire = wire(StoreFault::None).await;
    command(through(place, &wire)).await;
    let sent = wire.log().len();
    assert!(sent > 2, "{:?}: it does not go through the proxy", wire.log());
    sent
}

/// All rounds, some side by side; what was wrong with those that were not as they should be.
pub(crate) async fn rounds(faults: Vec<StoreFault>, round: impl AsyncFn(StoreFault) -> Result<(), String>) {
    let round = &round;
    let ended: Vec<_> = stream::iter(faults)
        .map(|fault| async move { (fault, round(fault).await) })
        .buffer_unordered(AT_A_TIME)
        .collect()
        .await;
    let wrong: Vec<_> = ended.iter().filter_map(|(fault, ended)| Some((fault, ended.as_ref().err()?))).collect();
    assert!(wrong.is_empty(), "{} of {}:\n{wrong:#?}", wrong.len(), ended.len());
}

/// The store is well again: a backup is made, and proven. What a store that took nothing back was left with is no backup, and is called so;
/// after anything else nothing is left.
pub(crate) async fn ends_well(place: &Place, took_nothing_back: bool) -> Result<(), String> {
    let told = |error: BackupError| format!("afterwards: {error}");
    place.backup().run(&place.tenant).await.map_err(told)?;
    place.backup().verify(&place.tenant, &Which::Latest).await.map_err(told)?;
    let listed = place.backup().list(Some(&place.tenant)).await.map_err(told)?;
    let wrong: Vec<_> = listed
        .iter()
        .filter(|entry| !(entry.state == State::Complete || took_nothing_back && entry.state == State::Incomplete))
        .collect();
    let open = place.unfinished_uploads().await;
    if wrong.is_empty() && (open == 0 || took_nothing_back) {
        Ok(())
    } else {
        Err(format!("{open} open uploads, {wrong:?}"))
    }
}

#[tokio::test]
async fn a_backup_is_made_or_not_whatever_the_store_does() {
    let place = Place::with_patients(3).await;
    let run = async |backup: Backup| drop(backup.run(&place.tenant).await.unwrap());
    let sent = requests(&place, run).await;
    let each = |fault: fn(usize) -> StoreFault| (1..=sent).map(fault);
    let faults = each(|at| StoreFault::LostAnswer { at })
        .chain(each(|from| StoreFault::Status { from, count: 2, status: 503 }))
        .chain(each(|from| StoreFault::Status { from, count: usize::MAX, status: 500 }))
        .chain(each(|from| StoreFault::Status { from, count: usize::MAX, status: 403 }));
    rounds(faults.collect(), async |fault| {
        let place = Place::with_patients(3).await;
        let wire = wire(fault).await;
        let ended = through(&place, &wire).run(&place.tenant).await;
        let passes = matches!(fault, StoreFault::LostAnswer { .. } | StoreFault::Status { count: 2, .. });
        match &ended {
            Ok(_) if !passes => return Err("it is called made".to_owned()),
            // Whether what was written is ours can't be known any more at some of them; it is said.
            Err(error) if passes && !matches!(fault, StoreFault::LostAnswer { .. }) => {
                return Err(format!("it was not tried again: {error}"));
            }
            _ => {}
        }
        if let Err(error) = ended.as_ref().map_err(ToString::to_string).map(drop)
            && !error.contains(&wire.endpoint())
        {
            return Err(format!("it does not say which store: {error}"));
        }
        ends_well(&place, !passes).await
    })
    .await;
}

#[tokio::test]
async fn none_is_proven_or_condemned_by_a_store_that_fails() {
    let place = Place::with_patients(3).await;
    place.backup().run(&place.tenant).await.unwrap();
    let verify = async |backup: Backup| drop(backup.verify(&place.tenant, &Which::Latest).await.unwrap());
    let sent = requests(&place, verify).await;
    let each = |fault: fn(usize) -> StoreFault| (1..=sent).map(fault);
    let faults = each(|at| StoreFault::Cut { at, after: 100 })
        .chain(each(|at| StoreFault::Damaged { at, byte: 200 }))
        .chain(each(|from| StoreFault::Status { from, count: 2, status: 503 }))
        .chain(each(|from| StoreFault::Status { from, count: usize::MAX, status: 500 }));
    rounds(faults.collect(), async |fault| {
        let place = Place::with_patients(3).await;
        place.backup().run(&place.tenant).await.map_err(|error| format!("before: {error}"))?;
        let wire = wire(fault).await;
        let ended = through(&place, &wire).verify(&place.tenant, &Which::Latest).await;
        let passes = matches!(fault, StoreFault::Cut { .. } | StoreFault::Status { count: 2, .. });
        match &ended {
            Ok(_) if matches!(fault, StoreFault::Status { count: usize::MAX, .. }) => {
                return Err("it is called proven".to_owned());
            }
            Err(error) if passes => return Err(format!("it was not tried again: {error}")),
            _ => {}
        }
        let broken: Vec<_> = place.objects().await.into_iter().filter(|key| key.ends_with("broken.json")).collect();
        if !broken.is_empty() {
            return Err(format!("condemned: {broken:?} after {ended:?}"));
        }
        ends_well(&place, false).await
    })
    .await;
}

/// `erase`, killed at every request that it sends to the store.
#[tokio::test]
async fn an_erasure_ends_the_same_wherever_it_was_killed() {
    let mut at = 1;
    loop {
        let place = Place::with_patients(1).await;
        place.backup().run(&place.tenant).await.unwrap();
        let request = deleted(&place).await;
        let wire = wire(StoreFault::Kill { at }).await;
        let id = request.to_string();
        let program =
            place.victim().env("LABOR_S3_ENDPOINT", wire.endpoint()).args(["erase", "--request", &id, "--unsigned"]);
        let running = program.begin().unwrap();
        wire.victim(running.pid());
        let first = running.end().await.unwrap();
        if first.status.success() {
            assert!(at > 8, "{:?}: the program does not go through the proxy", wire.log());
            break;
        }
        assert_eq!(first.status.signal(), Some(9), "killed at {at}: {}", first.stderr);
        let certificate = place.backup().erase(request, false, None).await.unwrap();
        let key = serde_json::to_value(certificate.key).unwrap();
        assert_eq!((key.as_str(), certificate.found_afterwards), (Some("destroyed"), 0), "killed at {at}");
        let left = place.objects().await;
        assert!(
            !left.is_empty() && left.iter().all(|key| key.starts_with("certificates/")),
            "killed at {at}: {left:?}"
        );
        at += 1;
    }
}
