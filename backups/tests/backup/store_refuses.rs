//! The store goes down or refuses, from each single request on, while something else than a backup is made: what was begun is said not to be
//! done, which store it was is told, nothing is left that somebody would take for good, and the same command ends well afterwards.
use labor_backup::{BackupError, Destination, Which};
use labor_testing::StoreFault;

use crate::erased::deleted;
use crate::place::Place;
use crate::pruned::{daily, left, options, tomorrow};
use crate::store_faults::{ends_well, requests, rounds, through, wire};

const FOR_GOOD: usize = usize::MAX;

fn refusals(requests: usize) -> Vec<StoreFault> {
    let each = |status: u16| (1..=requests).map(move |from| StoreFault::Status { from, count: FOR_GOOD, status });
    each(500).chain(each(403)).collect()
}

/// It has to fail, and to say of which store.
fn told<T: std::fmt::Debug>(ended: Result<T, BackupError>, at: &str) -> Result<(), String> {
    match ended {
        Ok(done) => Err(format!("it is called done: {done:?}")),
        Err(error) if error.condemns() => Err(format!("condemned: {error}")),
        Err(error) if error.to_string().contains(at) => Ok(()),
        Err(error) => Err(format!("it does not say which store: {error}")),
    }
}

#[tokio::test]
async fn a_copy_is_restored_wholly_or_not_at_all() {
    let place = Place::with_patients(3).await;
    place.backup().run(&place.tenant).await.unwrap();
    let sent = requests(&place, async |backup| {
        drop(backup.restore(&place.tenant, &Which::Latest, Destination::New).await.unwrap());
    });
    let sent = sent.await;
    rounds(refusals(sent), async |fault| {
        let place = Place::with_patients(3).await;
        place.backup().run(&place.tenant).await.map_err(|error| format!("before: {error}"))?;
        let wire = wire(fault).await;
        let backup = through(&place, &wire);
        let restored = Box::pin(backup.restore(&place.tenant, &Which::Latest, Destination::New)).await;
        told(restored, &wire.endpoint())?;
        ends_well(&place, false).await
    })
    .await;
}

#[tokio::test]
async fn what_is_pruned_is_gone_or_there_and_the_newest_stay() {
    let (place, _) = daily(3).await;
    let sent = requests(&place, async |backup| {
        drop(backup.prune(Some(&place.tenant), &options(1, true)).await.unwrap());
    });
    let sent = sent.await;
    rounds(refusals(sent), async |fault| {
        let (place, all) = daily(3).await;
        let wire = wire(fault).await;
        let ended = through(&place, &wire).prune(Some(&place.tenant), &options(1, true)).await;
        let ended = ended.and_then(|run| match run.faults() {
            none if none.is_empty() => Ok(run),
            faults => Err(BackupError::Incomplete(faults)),
        });
        told(ended, &wire.endpoint())?;
        // Of which the manifest went, the rest is noted down, and goes a day later.
        for options in [options(1, true), tomorrow(1, true)] {
            place.backup().prune(Some(&place.tenant), &options).await.map_err(|error| error.to_string())?;
        }
        let left = left(&place).await;
        if left == all[..2] { Ok(()) } else { Err(format!("left: {left:?} of {all:?}")) }
    })
    .await;
}

#[tokio::test]
async fn no_erasure_is_certified_that_the_store_refused() {
    let place = Place::with_patients(1).await;
    place.backup().run(&place.tenant).await.unwrap();
    let request = deleted(&place).await;
    let sent = requests(&place, async |backup| drop(backup.erase(request, false, None).await.unwrap())).await;
    rounds(refusals(sent), async |fault| {
        let place = Place::with_patients(1).await;
        place.backup().run(&place.tenant).await.map_err(|error| format!("before: {error}"))?;
        let (request, wire) = (deleted(&place).await, wire(fault).await);
        told(through(&place, &wire).erase(request, false, None).await, &wire.endpoint())?;
        let there = place.objects().await;
        if there.iter().any(|key| key.starts_with("certificates/") && key.ends_with(".json")) {
            return Err(format!("certified: {there:?}"));
        }
        let again = place.backup().erase(request, false, None).await.map_err(|error| format!("afterwards: {error}"))?;
        let left = place.objects().await;
        let only = ["begun", "json"].map(|end| format!("certificates/{request}.{end}"));
        let certified = left == only && again.found_afterwards == 0;
        if certified { Ok(()) } else { Err(format!("left: {left:?}")) }
    })
    .await;
}
