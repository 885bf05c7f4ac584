//! Which backups of a tenant stay: grandfather, father, son.
//!
//! A backup stands for every day from its making to when the tenant was last found unchanged. So the only backup of a tenant that
//! nothing happens to is the daily backup of each of these days, and nothing newer exists for them. Of several that stand for one
//! day, week, month or year, the newest has its place. Places are counted back from the newest that there is, not from today: a tenant
//! whose backups stopped loses none by it.
//!
//! Must stay true: the two newest good backups stay, and the newest that was verified; while there are fewer than two, everything
//! stays; only what is good takes a place; what failed stays as long as it would if it were good; what can't be judged is never removed.
use std::collections::{BTreeMap, BTreeSet};

use chrono::{Datelike as _, Days, NaiveDate};
use serde::Serialize;

use crate::BackupId;
use crate::standing::Standing;

/// How many days, weeks, months and years with a backup keep one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Retention {
    /// Days.
    pub daily: usize,
    /// Weeks, from Monday.
    pub weekly: usize,
    /// Months.
    pub monthly: usize,
    /// Years.
    pub yearly: usize,
}

/// A backup, its worth, and the local days it stands for.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub(crate) backup: BackupId,
    pub(crate) standing: Standing,
    /// What of it can't be judged.
    pub(crate) doubt: Option<&'static str>,
    pub(crate) first: NaiveDate,
    pub(crate) last: NaiveDate,
}

/// What is to become of a backup, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) backup: BackupId,
    pub(crate) standing: Standing,
    pub(crate) doubt: Option<&'static str>,
    pub(crate) stays: bool,
    pub(crate) reasons: Vec<String>,
}

/// For how long a place is had.
#[derive(Clone, Copy)]
enum Period {
    Day,
    Week,
    Month,
    Year,
}

impl Period {
    /// The first day of the period in which a day is.
    fn of(self, day: NaiveDate) -> NaiveDate {
        let first = match self {
            Self::Day => Some(day),
            Self::Week => day.checked_sub_days(Days::new(u64::from(day.weekday().num_days_from_monday()))),
            Self::Month => day.with_day(1),
            Self::Year => day.with_ordinal(1),
        };
        first.unwrap_or(day)
    }

    fn name(self, first: NaiveDate) -> String {
        let form = match self {
            Self::Day => "%Y-%m-%d",
            Self::Week => "%G-W%V",
            Self::Month => "%Y-%m",
            Self::Year => "%Y",
        };
        first.format(form).to_string()
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Day => "daily",
            Self::Week => "weekly",
            Self::Month => "monthly",
            Self::Year => "yearly",
        }
    }
}

type Reasons<'a> = BTreeMap<&'a BackupId, Vec<String>>;

/// Decides about all backups of one tenant, which come newest first.
pub(crate) fn decide(retention: Retention, stock: &[Candidate]) -> Vec<Decision> {
    let good = |candidate: &&Candidate| matches!(candidate.standing, Standing::Good { .. });
    let failed = |candidate: &&Candidate| candidate.standing == Standing::Failed;
    let counted: Vec<_> = stock.iter().filter(good).collect();
    let few = counted.len() < 2;
    let theirs = reasons(retention, &counted);
    let with_failed: Vec<_> = stock.iter().filter(|candidate| good(candidate) || failed(candidate)).collect();
    let would_have: BTreeSet<_> = reasons(retention, &with_failed).into_keys().collect();
    let decided = stock.iter().map(|candidate| {
        let Candidate { backup, standing, doubt, .. } = candidate;
        let mut why = theirs.get(backup).cloned().unwrap_or_default();
        let mut stays = !why.is_empty();
        match standing {
            Standing::Good { .. } if stays => {}
            Standing::Good { .. } => why.push("has no place".to_owned()),
            Standing::Failed => {
                stays = would_have.contains(backup);
                let then =
                    if stays { "takes no place, and stays as long as a good one would" } else { "would have none" };
                why.push(format!("failed its verification; {then}"));
            }
            Standing::Unknown => stays = true,
            Standing::Damaged { due } => {
                stays = !due;
                why.push(broken(*due, "damaged"));
            }
            Standing::Incomplete { due } => {
                stays = !due;
                why.push(broken(*due, "incomplete"));
            }
        }
        if let Some(doubt) = doubt {
            (stays, why) = (true, vec![(*doubt).to_owned()]);
        }
        if few && !stays {
            (stays, why) = (true, vec!["there are fewer than two good backups, so nothing is removed".to_owned()]);
        }
        Decision { backup: backup.clone(), standing: *standing, doubt: *doubt, stays, reasons: why }
    });
    decided.collect()
}

fn broken(due: bool, how: &str) -> String {
    let when = if due { "was found so a day ago" } else { "goes a day after `prune --apply` first found it so" };
    format!("{how}; {when}")
}

/// Why each of them stays, if it does. They come newest first.
fn reasons<'a>(retention: Retention, counted: &[&'a Candidate]) -> Reasons<'a> {
    let mut reasons = Reasons::new();
    for (candidate, reason) in counted.iter().zip(["the newest", "the one before the newest"]) {
        reasons.entry(&candidate.backup).or_default().push(reason.to_owned());
    }
    let verified = counted.iter().find(|candidate| candidate.standing == Standing::Good { verified: true });
    if let Some(candidate) = verified {
        reasons.entry(&candidate.backup).or_default().push("the newest that was verified".to_owned());
    }
    for (backup, places) in places(retention, counted) {
        reasons.entry(backup).or_default().extend(places);
    }
    reasons
}

/// Which places each of them has. They come newest first.
fn places<'a>(retention: Retention, counted: &[&'a Candidate]) -> Reasons<'a> {
    let Retention { daily, weekly, monthly, yearly } = retention;
    let mut all = Reasons::new();
    for (period, count) in
        [(Period::Day, daily), (Period::Week, weekly), (Period::Month, monthly), (Period::Year, yearly)]
    {
        let mut whose = BTreeMap::<NaiveDate, &BackupId>::new();
        for candidate in counted {
            for day in candidate.first.iter_days().take_while(|day| *day <= candidate.last) {
                whose.entry(period.of(day)).or_insert(&candidate.backup);
            }
        }
        let mut theirs = BTreeMap::<&BackupId, Vec<NaiveDate>>::new();
        for (first, backup) in whose.into_iter().rev().take(count) {
            theirs.entry(backup).or_default().push(first);
        }
        for (backup, periods) in theirs {
            let name = |first: Option<&NaiveDate>| first.map(|first| period.name(*first)).unwrap_or_default();
            let (newest, oldest) = (name(periods.first()), name(periods.last()));
            let span = if periods.len() == 1 { newest } else { format!("{oldest} to {newest}") };
            all.entry(backup).or_default().push(format!("{} {span}", period.word()));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use chrono::Utc;

    use super::*;

    const NONE: Retention = Retention { daily: 0, weekly: 0, monthly: 0, yearly: 0 };
    const GOOD: Standing = Standing::Good { verified: false };

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn one(standing: Standing, first: &str, last: &str) -> Candidate {
        Candidate { backup: BackupId::new(Utc::now()), standing, doubt: None, first: day(first), last: day(last) }
    }

    /// One good backup a day, the newest first.
    fn daily(newest: &str, count: u64) -> Vec<Candidate> {
        let newest = day(newest);
        (0..count)
            .map(|back| {
                let at = newest.checked_sub_days(Days::new(back)).unwrap().to_string();
                one(GOOD, &at, &at)
            })
            .collect()
    }

    /// The places of those that stay, counted from the newest.
    fn staying(retention: Retention, stock: &[Candidate]) -> Vec<usize> {
        let decided = decide(retention, stock);
        decided.iter().enumerate().filter(|(_, one)| one.stays).map(|(place, _)| place).collect()
    }

    #[test]
    fn days_weeks_months_and_years_have_their_own_places() {
        // A Sunday, so that the week is whole.
        let stock = daily("2026-11-22", 800);
        assert_eq!(staying(Retention { daily: 3, ..NONE }, &stock), [0, 1, 2]);
        // The newest of a week is its Sunday.
        assert_eq!(staying(Retention { weekly: 3, ..NONE }, &stock), [0, 1, 7, 14]);
        // The newest of this month, 31 October, 30 September.
        assert_eq!(staying(Retention { monthly: 3, ..NONE }, &stock), [0, 1, 22, 53]);
        // The newest of this year, 31 December 2025 and 2024.
        assert_eq!(staying(Retention { yearly: 3, ..NONE }, &stock), [0, 1, 326, 691]);
        let both = Retention { daily: 8, weekly: 3, ..NONE };
        assert_eq!(staying(both, &stock), [0, 1, 2, 3, 4, 5, 6, 7, 14]);
    }

    #[test]
    fn of_several_of_one_day_the_newest_stays() {
        let stock: Vec<_> = (0..5).map(|_| one(GOOD, "2026-11-22", "2026-11-22")).collect();
        assert_eq!(staying(Retention { daily: 30, ..NONE }, &stock), [0, 1], "the second as one of the two newest");
    }

    #[test]
    fn a_backup_stands_for_each_day_on_which_nothing_had_changed() {
        let [a, b, c, d] = [
            one(GOOD, "2026-11-20", "2026-11-22"),
            one(GOOD, "2026-11-20", "2026-11-20"),
            one(GOOD, "2026-06-01", "2026-11-20"),
            one(GOOD, "2026-05-31", "2026-06-01"),
        ];
        let stock = [a, b, c, d];
        assert_eq!(staying(Retention { daily: 3, ..NONE }, &stock), [0, 1], "all three days are the newest one's");
        assert_eq!(staying(Retention { daily: 4, ..NONE }, &stock), [0, 1, 2]);
        // From 20 November back to 1 June: 173 days; the next one is 31 May.
        assert_eq!(staying(Retention { daily: 3 + 172, ..NONE }, &stock), [0, 1, 2]);
        assert_eq!(staying(Retention { daily: 3 + 173, ..NONE }, &stock), [0, 1, 2, 3]);
        let told = decide(Retention { daily: 5, ..NONE }, &stock).swap_remove(2).reasons;
        assert_eq!(told, ["daily 2026-11-18 to 2026-11-19"]);
    }

    #[test]
    fn places_are_counted_from_the_newest_backup_and_not_from_today() {
        assert_eq!(staying(Retention { daily: 5, ..NONE }, &daily("2019-01-05", 9)), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn the_newest_and_the_newest_verified_never_go() {
        let mut stock = daily("2026-11-22", 20);
        stock[9].standing = Standing::Good { verified: true };
        stock[12].standing = Standing::Good { verified: true };
        assert_eq!(staying(NONE, &stock), [0, 1, 9]);
    }

    #[test]
    fn with_fewer_than_two_good_ones_nothing_goes() {
        let old = Standing::Damaged { due: true };
        let broken = |standing| one(standing, "2020-01-01", "2020-01-01");
        let mut stock = vec![broken(old), broken(Standing::Incomplete { due: true })];
        assert_eq!(staying(NONE, &stock), [0, 1]);
        stock.push(broken(GOOD));
        assert_eq!(staying(NONE, &stock), [0, 1, 2]);
        stock.push(broken(GOOD));
        stock.push(broken(Standing::Failed));
        assert_eq!(staying(NONE, &stock), [2, 3]);
    }

    #[test]
    fn what_failed_stays_as_long_as_it_would_if_it_were_good() {
        let mut stock = daily("2026-11-22", 6);
        stock[0].standing = Standing::Failed;
        assert_eq!(staying(NONE, &stock), [0, 1, 2], "the newest of all was removed");
        stock[0].standing = GOOD;
        stock[1].standing = Standing::Failed;
        assert_eq!(staying(NONE, &stock), [0, 1, 2]);
        let told = decide(NONE, &stock).swap_remove(1).reasons;
        assert!(told.len() == 1 && told[0].contains("failed"), "{told:?}");
    }

    #[test]
    fn a_doubt_keeps_a_backup_without_a_place_and_takes_no_place_from_others() {
        let mut stock = daily("2026-11-22", 5);
        stock[3].doubt = Some("look at it");
        stock[4].standing = Standing::Unknown;
        assert_eq!(staying(NONE, &stock), [0, 1, 3, 4]);
        assert_eq!(decide(NONE, &stock)[3].reasons, ["look at it"]);
    }

    #[test]
    fn only_what_is_good_takes_a_place() {
        let mut stock = daily("2026-11-22", 4);
        let at = |standing| one(standing, "2026-11-23", "2026-11-23");
        for standing in [
            Standing::Damaged { due: false },
            Standing::Incomplete { due: false },
            Standing::Unknown,
            Standing::Unknown,
        ] {
            stock.insert(0, at(standing));
        }
        // Two days of good ones, and what is young or can't be judged beside them.
        assert_eq!(staying(Retention { daily: 2, ..NONE }, &stock), [0, 1, 2, 3, 4, 5]);
        // One that failed takes no good one's place, and has the place it would have had.
        let mut stock = daily("2026-11-22", 6);
        for failed in [0, 5] {
            stock[failed].standing = Standing::Failed;
        }
        assert_eq!(staying(Retention { daily: 3, ..NONE }, &stock), [0, 1, 2, 3]);
    }
}
