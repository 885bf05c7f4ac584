//! What becomes of a claim after a run: done, or tried again, and why.
//! Must stay true: a tenant's failure is that tenant's and is tried again with growing pauses, and not for ever; nobody is said to be done
//! who was not looked at.
use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use labor_catalog::TenantName;

use crate::schedule::desk::{Claim, Ending};
use crate::schedule::record::RunOutcome;
use crate::schedule::timetable::share;
use crate::{BackupError, Outcome};

/// Minutes from one attempt to the next; up to half as much is added.
const PAUSES: [u32; 4] = [1, 4, 15, 60];
/// Of so many tenants that failed the reason is recorded.
const REASONS: usize = 5;
/// Characters of a reason.
const LONGEST_REASON: usize = 4_000;

/// What became of tenants, and what is to be said of their classes.
pub(crate) type Ran = Result<(BTreeMap<TenantName, Outcome>, Vec<String>), BackupError>;

/// What becomes of a claim after a run.
pub(crate) fn ending(claim: &Claim, ran: &Ran, now: DateTime<Utc>) -> Ending {
    let (tenants, classes) = match ran {
        Ok(ran) => ran,
        Err(BackupError::Stopped) => {
            return Ending { stopped: true, failed: failed_before(claim), ..Ending::default() };
        }
        Err(error) => {
            let ending =
                Ending { failed: failed_before(claim), reason: reason(&[error.to_string()]), ..Ending::default() };
            return again(claim, ending, now);
        }
    };
    let mut ending = Ending::default();
    let (mut failed, mut whys) = (BTreeSet::new(), Vec::new());
    for tenant in &claim.tenants {
        match tenants.get(tenant) {
            Some(Outcome::Stored { .. }) => ending.stored += 1,
            Some(Outcome::Unchanged { .. }) => ending.unchanged += 1,
            // Who is being deleted has no backup to be missed.
            Some(Outcome::Gone) => {}
            // The next attempt looks anew who is to be backed up.
            None => {
                failed.insert(tenant.clone());
                whys.push(format!(
                    "{tenant} is not in the database that LABOR_BACKUP_URL names, or was deleted meanwhile"
                ));
            }
            Some(Outcome::Failed { error }) => {
                failed.insert(tenant.clone());
                whys.push(format!("{tenant}: {error}"));
            }
        }
    }
    if whys.len() > REASONS {
        let others = whys.len() - REASONS;
        whys.truncate(REASONS);
        whys.push(format!("{others} others failed too"));
    }
    whys.extend(classes.iter().cloned());
    ending.reason = reason(&whys);
    if failed.is_empty() {
        return Ending { outcome: Some(RunOutcome::Done), ..ending };
    }
    again(claim, Ending { failed: Some(failed), ..ending }, now)
}

/// Who is still to be done, of an attempt in which nobody could be tried: as before.
fn failed_before(claim: &Claim) -> Option<BTreeSet<TenantName>> {
    (claim.attempts > 1).then(|| claim.tenants.clone())
}

/// A failed attempt is followed by another one, after a pause, unless there were enough.
fn again(claim: &Claim, ending: Ending, now: DateTime<Utc>) -> Ending {
    let pause = usize::try_from(claim.attempts - 1).ok().and_then(|before| PAUSES.get(before));
    let Some(pause) = pause.map(|minutes| minutes * 60) else {
        return Ending { outcome: Some(RunOutcome::Failed), ..ending };
    };
    let text = format!("{} {} {}", claim.set.scope, claim.due.at.timestamp(), claim.attempts);
    let pause = TimeDelta::seconds((pause + share(&text, pause / 2)).into());
    Ending { again_at: Some(now + pause), ..ending }
}

/// Several reasons as one text, not too long.
pub(crate) fn reason(whys: &[String]) -> Option<String> {
    let text: String = whys.join("; ").chars().take(LONGEST_REASON).collect();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retention::Retention;
    use crate::schedule::desk::{MOST_ATTEMPTS, Session};
    use crate::schedule::timetable::Due;
    use crate::schedule::{Schedule, Scope, SetSchedule};

    fn claim(attempts: i32, tenants: &[TenantName]) -> Claim {
        let (at, retention) = (Utc::now(), Retention { daily: 1, weekly: 1, monthly: 1, yearly: 1 });
        let (expression, zone) = ("0 2 * * *".to_owned(), "UTC".to_owned());
        let schedule = Schedule { expression, zone, jitter_seconds: 0, retention };
        let set = SetSchedule { scope: Scope::All, schedule, set_by: "x".to_owned(), set_at: at };
        let session = Session { pid: 1, started_at: at };
        Claim { set, due: Due { at, begins: at }, attempts, tenants: tenants.iter().cloned().collect(), session }
    }

    fn failed() -> Outcome {
        Outcome::Failed { error: "no room".to_owned() }
    }

    #[test]
    fn who_failed_is_tried_again_with_growing_pauses_and_not_for_ever() {
        let [one, other] = [(); 2].map(|()| TenantName::random().unwrap());
        let now = Utc::now();
        let ran = Ok((BTreeMap::from([(one.clone(), failed()), (other.clone(), Outcome::Gone)]), Vec::new()));
        let mut before = TimeDelta::zero();
        for attempt in 1..MOST_ATTEMPTS {
            let ending = ending(&claim(attempt, &[one.clone(), other.clone()]), &ran, now);
            let pause = ending.again_at.unwrap() - now;
            assert!(ending.outcome.is_none() && pause > before && pause <= TimeDelta::minutes(90), "{ending:?}");
            assert_eq!(ending.failed, Some(BTreeSet::from([one.clone()])));
            assert!(ending.reason.is_some_and(|why| why.contains(one.as_str()) && why.contains("no room")));
            before = pause;
        }
        let last = ending(&claim(MOST_ATTEMPTS, &[one, other]), &ran, now);
        assert!(last.outcome == Some(RunOutcome::Failed) && last.again_at.is_none(), "{last:?}");
    }

    #[test]
    fn whoever_stops_it_costs_no_attempt_and_nobody_is_forgotten() {
        let tenants = [TenantName::random().unwrap()];
        for (attempts, left) in [(1, None), (2, Some(BTreeSet::from(tenants.clone())))] {
            let ending = ending(&claim(attempts, &tenants), &Err(BackupError::Stopped), Utc::now());
            assert!(ending.stopped && ending.outcome.is_none() && ending.again_at.is_none(), "{ending:?}");
            assert_eq!(ending.failed, left);
        }
    }

    #[test]
    fn what_would_be_too_long_a_reason_is_cut() {
        let tenants: Vec<_> = (0..50).map(|_| TenantName::random().unwrap()).collect();
        let ran = Ok((tenants.iter().map(|tenant| (tenant.clone(), failed())).collect(), vec!["x".repeat(9_000)]));
        let why = ending(&claim(1, &tenants), &ran, Utc::now()).reason.unwrap();
        assert!(why.chars().count() == LONGEST_REASON && why.contains("45 others failed too"), "{why}");
    }
}
