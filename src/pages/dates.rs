//! Days and times as people in a German practice read them.
//! Must stay true: what a laboratory sent without an offset is shown as sent; what has one is shown in German time.
use chrono::{DateTime, Datelike as _, Duration, NaiveDate, NaiveDateTime, Utc};

/// A point in time for a `<time>` element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Moment {
    /// For machines; empty when it is not a valid date.
    pub(crate) machine: String,
    /// For people.
    pub(crate) shown: String,
}

/// A point in time that was noted here.
pub(crate) fn instant(at: DateTime<Utc>) -> Moment {
    Moment {
        machine: at.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
        shown: german_time(at).format("%d.%m.%Y %H:%M").to_string(),
    }
}

/// A day.
pub(crate) fn day(day: NaiveDate) -> Moment {
    Moment { machine: day.to_string(), shown: day.format("%d.%m.%Y").to_string() }
}

/// A birth date: the day, else the part of it that was sent.
pub(crate) fn born(date: Option<NaiveDate>, part: Option<&str>) -> Option<Moment> {
    date.map(day).or_else(|| part.map(birth_part))
}

/// `1966-10` as `10.1966`; HTML's dates know both.
fn birth_part(part: &str) -> Moment {
    let known = NaiveDate::parse_from_str(&format!("{part}-01"), "%Y-%m-%d").is_ok();
    match part.split_once('-') {
        Some((year, month)) if known => {
            Moment { machine: part.to_owned(), shown: format!("{month}.{year}, day not known") }
        }
        None if part.len() == 4 && part.bytes().all(|b| b.is_ascii_digit()) => {
            Moment { machine: part.to_owned(), shown: format!("{part}, day not known") }
        }
        _ => Moment { machine: String::new(), shown: part.to_owned() },
    }
}

/// A time as sent, with whatever precision it has.
pub(crate) fn as_sent(text: &str) -> Moment {
    let shown = shown_as_sent(text);
    Moment {
        machine: if shown.is_some() { text.to_owned() } else { String::new() },
        shown: shown.unwrap_or_else(|| text.to_owned()),
    }
}

fn shown_as_sent(text: &str) -> Option<String> {
    if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return Some(day(date).shown);
    }
    for (form, style) in [("%Y-%m-%dT%H:%M", "%d.%m.%Y %H:%M"), ("%Y-%m-%dT%H:%M:%S%.f", "%d.%m.%Y %H:%M:%S")] {
        if let Ok(local) = NaiveDateTime::parse_from_str(text, form) {
            return Some(local.format(style).to_string());
        }
        // `%#z` also takes `Z`, which `%:z` does not.
        if let Ok(at) = DateTime::parse_from_str(text, &format!("{form}%#z")) {
            return Some(german_time(at.to_utc()).format(style).to_string());
        }
    }
    None
}

/// Directive 2000/84/EC: summer time from the last Sunday of March to the last of October, each at 01:00 UTC.
fn german_time(at: DateTime<Utc>) -> NaiveDateTime {
    let utc = at.naive_utc();
    let change = |month| {
        NaiveDate::from_ymd_opt(utc.year(), month, 31).map(last_sunday).and_then(|day| day.and_hms_opt(1, 0, 0))
    };
    let summer = matches!((change(3), change(10)), (Some(from), Some(to)) if (from..to).contains(&utc));
    utc + Duration::hours(if summer { 2 } else { 1 })
}

fn last_sunday(end_of_month: NaiveDate) -> NaiveDate {
    end_of_month - Duration::days(i64::from(end_of_month.weekday().num_days_from_sunday()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> String {
        instant(DateTime::parse_from_rfc3339(text).unwrap().to_utc()).shown
    }

    #[test]
    fn receipt_is_shown_in_german_time() {
        assert_eq!(at("2026-01-15T10:00:00Z"), "15.01.2026 11:00");
        assert_eq!(at("2026-07-15T22:30:00Z"), "16.07.2026 00:30");
        assert_eq!(at("2026-03-29T00:59:59Z"), "29.03.2026 01:59");
        assert_eq!(at("2026-03-29T01:00:00Z"), "29.03.2026 03:00");
        assert_eq!(at("2026-10-25T00:59:59Z"), "25.10.2026 02:59");
        assert_eq!(at("2026-10-25T01:00:00Z"), "25.10.2026 02:00");
    }

    #[test]
    fn collection_keeps_the_precision_that_was_sent() {
        assert_eq!(as_sent("2026-11-20T08:15").shown, "20.11.2026 08:15");
        assert_eq!(as_sent("2026-11-20T08:15:30").shown, "20.11.2026 08:15:30");
        assert_eq!(as_sent("2026-11-20").shown, "20.11.2026");
        assert_eq!(as_sent("2026-11-20T08:15+01:00").shown, "20.11.2026 08:15");
        assert_eq!(as_sent("2026-11-20T08:15Z").shown, "20.11.2026 09:15");
    }

    #[test]
    fn a_birth_date_is_shown_as_far_as_it_is_known() {
        let shown = |part: &str| born(None, Some(part)).map(|moment| (moment.machine, moment.shown));
        let both = |machine: &str, words: &str| Some((machine.to_owned(), words.to_owned()));
        assert_eq!(shown("1966-10"), both("1966-10", "10.1966, day not known"));
        assert_eq!(shown("1966"), both("1966", "1966, day not known"));
        assert_eq!(shown("about 1966"), both("", "about 1966"));
        assert_eq!(born(NaiveDate::from_ymd_opt(1966, 10, 24), None).map(|moment| moment.shown).unwrap(), "24.10.1966");
        assert_eq!(born(None, None), None);
    }

    #[test]
    fn what_is_no_full_date_is_shown_as_sent() {
        assert_eq!(as_sent("1966-10"), Moment { machine: String::new(), shown: "1966-10".to_owned() });
        assert_eq!(as_sent("gestern"), Moment { machine: String::new(), shown: "gestern".to_owned() });
    }
}
