//! When a schedule is due: five fields of cron, read in a time zone, and a delay that spreads the beginnings.
//!
//! When clocks are put forward, a time of day that does not exist is due at the first moment that does; when they are put back, one that
//! exists twice is due the first time. An expression that says every so many minutes or hours goes on through both, by real time.
//!
//! Must stay true: due times and delays come out of the schedule alone, not of who reckons them or when, so that all schedulers agree.
use std::str::FromStr as _;

use aws_lc_rs::digest;
use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};

use crate::BackupError;
use crate::schedule::Scope;

const FIELDS: [&str; 5] = ["minute", "hour", "day of the month", "month", "day of the week"];
/// Due times from now on whose distances are looked at.
const LOOKED_AT: usize = 60;

/// A schedule that was read.
#[derive(Clone, Debug)]
pub(crate) struct Timetable {
    scope: Scope,
    cron: Cron,
    zone: Tz,
    jitter_seconds: u32,
}

/// A time at which a backup is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    /// As the expression says it.
    pub(crate) at: DateTime<Utc>,
    /// When it begins: up to the jitter later.
    pub(crate) begins: DateTime<Utc>,
}

impl Timetable {
    /// Reads a schedule, or says which part of it can't be read.
    pub(crate) fn new(scope: Scope, expression: &str, zone: &str, jitter_seconds: u32) -> Result<Self, BackupError> {
        let cron = parse(expression)?;
        let zone = Tz::from_str(zone).map_err(|_| {
            BackupError::Invalid(format!("the time zone {zone:?} is not known; give one such as Europe/Berlin"))
        })?;
        Ok(Self { scope, cron, zone, jitter_seconds })
    }

    /// Whether it makes sense from now on: it is due at all, and a delay never reaches the next due time.
    pub(crate) fn make_sense(&self, now: DateTime<Utc>) -> Result<(), BackupError> {
        let mut at = now;
        let mut shortest = TimeDelta::MAX;
        for count in 0..LOOKED_AT {
            let Some(next) = self.following(at) else {
                let reason = "the expression is never due: there is no such day";
                return if count == 0 { Err(BackupError::Invalid(reason.to_owned())) } else { Ok(()) };
            };
            if count > 0 {
                shortest = shortest.min(next - at);
            }
            at = next;
        }
        if TimeDelta::seconds(self.jitter_seconds.into()) < shortest {
            return Ok(());
        }
        Err(BackupError::Invalid(format!(
            "the jitter is {} s, but from one due time to the next are {} s; it has to be shorter",
            self.jitter_seconds,
            shortest.num_seconds()
        )))
    }

    /// The latest due time whose beginning has come.
    pub(crate) fn latest(&self, now: DateTime<Utc>) -> Option<Due> {
        let mut at = DateTime::from_timestamp(now.timestamp(), 0)?.with_timezone(&self.zone);
        let mut inclusive = true;
        loop {
            at = self.cron.find_previous_occurrence(&at, inclusive).ok()?;
            inclusive = false;
            let due = self.due(at.with_timezone(&Utc));
            if due.begins <= now {
                return Some(due);
            }
        }
    }

    /// The first due time whose beginning is yet to come.
    pub(crate) fn next(&self, now: DateTime<Utc>) -> Option<Due> {
        let mut at = match self.latest(now) {
            Some(latest) => latest.at,
            None => now,
        };
        loop {
            at = self.following(at)?;
            let due = self.due(at);
            if due.begins > now {
                return Some(due);
            }
        }
    }

    fn following(&self, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let at = at.with_timezone(&self.zone);
        self.cron.find_next_occurrence(&at, false).ok().map(|next| next.with_timezone(&Utc))
    }

    fn due(&self, at: DateTime<Utc>) -> Due {
        let delay = share(&format!("{} {}", self.scope, at.timestamp()), self.jitter_seconds);
        Due { at, begins: at + TimeDelta::seconds(delay.into()) }
    }
}

/// A number from 0 to `most` that belongs to a text: the same everywhere, and spread evenly over many texts.
pub(crate) fn share(text: &str, most: u32) -> u32 {
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    let head = digest.as_ref().iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    u32::try_from(head % (u64::from(most) + 1)).unwrap_or(most)
}

/// Field by field first, so that it can be said which one is wrong.
fn parse(expression: &str) -> Result<Cron, BackupError> {
    let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
    let fields: Vec<_> = expression.split_whitespace().collect();
    if fields.len() != FIELDS.len() {
        return Err(BackupError::Invalid(format!(
            "{expression:?} has {} field(s) and not five: {}; write '15 2 * * *' for a quarter past two every day",
            fields.len(),
            FIELDS.join(", ")
        )));
    }
    for (place, name) in FIELDS.iter().enumerate() {
        let alone: Vec<_> = (0..FIELDS.len()).map(|other| if other == place { fields[place] } else { "*" }).collect();
        parser.parse(&alone.join(" ")).map_err(|error| {
            BackupError::Invalid(format!("the {name} {:?} of {expression:?} can't be read: {error}", fields[place]))
        })?;
    }
    let unreadable = |error| BackupError::Invalid(format!("{expression:?} can't be read: {error}"));
    parser.parse(&fields.join(" ")).map_err(unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn berlin(expression: &str) -> Timetable {
        Timetable::new(Scope::All, expression, "Europe/Berlin", 0).unwrap()
    }

    /// All due times from one moment to another, forwards; and looked back at from each moment, the same ones.
    fn all(timetable: &Timetable, from: &str, to: &str) -> Vec<String> {
        let (mut now, end) = (at(from), at(to));
        let mut found = Vec::new();
        while let Some(due) = timetable.next(now).filter(|due| due.at <= end) {
            assert_eq!(timetable.latest(due.at), Some(due), "looked back at from its own moment");
            assert_eq!(timetable.latest(due.at + TimeDelta::seconds(59)), Some(due));
            found.push(due.at.format("%d. %H:%M").to_string());
            now = due.at;
        }
        found
    }

    #[test]
    fn a_time_of_day_that_does_not_exist_is_due_at_the_first_moment_that_does() {
        // Clocks in Berlin go from 02:00 to 03:00 on 28 March 2027, which is 01:00 UTC.
        let days = all(&berlin("30 2 * * *"), "2027-03-26T12:00:00Z", "2027-03-29T12:00:00Z");
        assert_eq!(days, ["27. 01:30", "28. 01:00", "29. 00:30"]);
    }

    #[test]
    fn a_time_of_day_that_exists_twice_is_due_once() {
        // Clocks in Berlin go from 03:00 to 02:00 on 31 October 2027, which is 01:00 UTC.
        let days = all(&berlin("30 2 * * *"), "2027-10-29T12:00:00Z", "2027-11-01T12:00:00Z");
        assert_eq!(days, ["30. 00:30", "31. 00:30", "01. 01:30"]);
        // What is due every hour is due every hour.
        let hours = all(&berlin("0 * * * *"), "2027-10-30T22:30:00Z", "2027-10-31T03:00:00Z");
        assert_eq!(hours, ["30. 23:00", "31. 00:00", "31. 01:00", "31. 02:00", "31. 03:00"]);
        let hours = all(&berlin("0 * * * *"), "2027-03-27T23:30:00Z", "2027-03-28T03:00:00Z");
        assert_eq!(hours, ["28. 00:00", "28. 01:00", "28. 02:00", "28. 03:00"]);
    }

    #[test]
    fn what_can_t_be_read_is_refused_with_the_field_that_is_wrong() {
        for (expression, word) in [
            ("61 2 * * *", "the minute \"61\""),
            ("0 24 * * *", "the hour \"24\""),
            ("0 2 0 * *", "the day of the month \"0\""),
            ("0 2 * 13 *", "the month \"13\""),
            ("0 2 * * x", "the day of the week \"x\""),
            ("0 2 * *", "4 field(s)"),
            ("0 0 2 * * *", "6 field(s)"),
            ("@daily", "1 field(s)"),
            ("", "0 field(s)"),
        ] {
            let error = Timetable::new(Scope::All, expression, "UTC", 0).unwrap_err().to_string();
            assert!(error.contains(word), "{expression}: {error}");
        }
        let error = Timetable::new(Scope::All, "0 2 * * *", "Mars/Olympus", 0).unwrap_err().to_string();
        assert!(error.contains("time zone \"Mars/Olympus\""), "{error}");
        let now = at("2026-11-22T12:00:00Z");
        let never = Timetable::new(Scope::All, "0 0 30 2 *", "UTC", 0).unwrap().make_sense(now);
        assert!(never.is_err_and(|error| error.to_string().contains("never due")));
        let long = |seconds| Timetable::new(Scope::All, "0 * * * *", "UTC", seconds).unwrap().make_sense(now);
        assert!(long(3_599).is_ok() && long(3_600).is_err_and(|error| error.to_string().contains("jitter is 3600 s")));
    }

    #[test]
    fn the_delay_is_the_schedule_s_and_the_due_time_s_and_no_longer_than_it_may_be() {
        let one = |scope| Timetable::new(scope, "0 2 * * *", "UTC", 1_800).unwrap();
        let (all, other) = (one(Scope::All), one(Scope::One("t_abcdefgh0123".parse().unwrap())));
        let mut delays = std::collections::BTreeSet::new();
        let mut now = at("2026-11-22T12:00:00Z");
        for _ in 0..50 {
            let (due, theirs) = (all.next(now).unwrap(), other.next(now).unwrap());
            assert!(due.at == theirs.at && due.begins >= due.at && due.begins <= due.at + TimeDelta::minutes(30));
            // It is the latest from its beginning on, and not before.
            assert_eq!(all.latest(due.begins), Some(due));
            assert_ne!(all.latest(due.begins - TimeDelta::seconds(1)).unwrap().at, due.at);
            delays.extend([due.begins - due.at, theirs.begins - theirs.at]);
            now = due.at + TimeDelta::hours(1);
        }
        assert!(delays.len() > 80, "{} of 100 delays are different ones", delays.len());
    }
}
