//! Dates and times as ISO 8601 texts.
//!
//! What must stay true: a date that does not exist is none, never the nearest one.

/// In which order a version writes dates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// LDT1014.01 and LDT 3.
    YearFirst,
    /// LDT1001.0x and older.
    DayFirst,
}

/// A date, and whether it was written in the other order. The two cannot be confused: read in the wrong order, the
/// century (18 to 21) would be a month, or the year would be before 1850.
pub(crate) fn date(text: &str, order: Order) -> Option<(String, bool)> {
    let text = text.trim();
    if text.len() != 8 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let year_first = || full(text.get(0..4)?, text.get(4..6)?, text.get(6..8)?);
    let day_first = || full(text.get(4..8)?, text.get(2..4)?, text.get(0..2)?);
    let (first, second) = match order {
        Order::YearFirst => (year_first(), day_first()),
        Order::DayFirst => (day_first(), year_first()),
    };
    first.map(|date| (date, false)).or(second.map(|date| (date, true)))
}

/// A birth date, of which day, or day and month, may be unknown (F003: YYYYMM00, YYYY0000, 00000000).
pub(crate) fn birth_date(text: &str, order: Order) -> Option<(Option<String>, bool)> {
    let text = text.trim();
    if text == "00000000" {
        return Some((None, false));
    }
    if let Some((date, other)) = date(text, order) {
        return Some((Some(date), other));
    }
    if text.len() != 8 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let year_first = (text.get(0..4)?, text.get(4..6)?, text.get(6..8)?);
    let day_first = (text.get(4..8)?, text.get(2..4)?, text.get(0..2)?);
    let (usual, other) = match order {
        Order::YearFirst => (year_first, day_first),
        Order::DayFirst => (day_first, year_first),
    };
    partial(usual).map(|date| (Some(date), false)).or_else(|| partial(other).map(|date| (Some(date), true)))
}

fn partial((year, month, day): (&str, &str, &str)) -> Option<String> {
    let known_year = year.parse().is_ok_and(|year: u16| (1850..2200).contains(&year));
    match (known_year, month, day) {
        (true, "00", "00") => Some(year.to_owned()),
        (true, month, "00") if (1..=12).contains(&month.parse().unwrap_or(0)) => Some(format!("{year}-{month}")),
        _ => None,
    }
}

fn full(year: &str, month: &str, day: &str) -> Option<String> {
    let (y, m, d): (u16, u8, u8) = (year.parse().ok()?, month.parse().ok()?, day.parse().ok()?);
    let leap = y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
    let days = match m {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        1..=12 => 31,
        _ => return None,
    };
    let exists = (1850..2200).contains(&y) && (1..=days).contains(&d);
    exists.then(|| format!("{year}-{month}-{day}"))
}

/// HHMM, HHMMSS or HHMMSSmmm (F016).
pub(crate) fn time(text: &str) -> Option<String> {
    let text = text.trim();
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let part =
        |range: std::ops::Range<usize>, below: u8| text.get(range).filter(|p| p.parse().is_ok_and(|n: u8| n < below));
    let minutes = format!("{}:{}", part(0..2, 24)?, part(2..4, 60)?);
    match text.len() {
        4 => Some(minutes),
        6 => Some(format!("{minutes}:{}", part(4..6, 60)?)),
        7..=9 => Some(format!("{minutes}:{}.{}", part(4..6, 60)?, text.get(6..)?)),
        _ => None,
    }
}

/// `UTC+2`, `UTC-9:30`, `UTC` (E163; the specification prints a typographic minus) as an ISO offset.
pub(crate) fn zone(text: &str) -> Option<String> {
    let rest = text.trim().strip_prefix("UTC")?;
    let mut chars = rest.chars();
    let sign = match chars.next() {
        None => return Some("Z".to_owned()),
        Some('+') => '+',
        Some('-' | '−' | '–') => '-',
        Some(_) => return None,
    };
    let (hours, minutes) = chars.as_str().split_once(':').unwrap_or((chars.as_str(), "00"));
    let number = |digits: &str, below: u8| digits.parse::<u8>().ok().filter(|n| *n < below && digits.len() <= 2);
    Some(format!("{sign}{:02}:{:02}", number(hours, 15)?, number(minutes, 60)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_orders_and_nothing_else() {
        assert_eq!(date("20261008", Order::YearFirst), Some(("2026-10-08".into(), false)));
        assert_eq!(date("08102008", Order::DayFirst), Some(("2008-10-08".into(), false)));
        assert_eq!(date("08102008", Order::YearFirst), Some(("2008-10-08".into(), true)));
        assert_eq!(date("20102008", Order::YearFirst), Some(("2008-10-20".into(), true)));
        for wrong in ["20260230", "2026100", "20261300", "abcdefgh", "2026-1-1", ""] {
            assert_eq!(date(wrong, Order::YearFirst), None, "{wrong}");
        }
        // No date of 1850 to 2199 is valid in both orders.
        for year in 1850..2200 {
            for month in 1..=12 {
                let text = format!("{year}{month:02}28");
                assert_eq!(date(&text, Order::DayFirst).map(|d| d.1), Some(true), "{text}");
            }
        }
    }

    #[test]
    fn partial_birth_dates() {
        assert_eq!(birth_date("19660000", Order::YearFirst), Some((Some("1966".into()), false)));
        assert_eq!(birth_date("19661000", Order::YearFirst), Some((Some("1966-10".into()), false)));
        assert_eq!(birth_date("00101966", Order::DayFirst), Some((Some("1966-10".into()), false)));
        assert_eq!(birth_date("00000000", Order::YearFirst), Some((None, false)));
        assert_eq!(birth_date("19661399", Order::YearFirst), None);
    }

    #[test]
    fn times_and_zones() {
        assert_eq!(time("0815").as_deref(), Some("08:15"));
        assert_eq!(time("101500").as_deref(), Some("10:15:00"));
        assert_eq!(time("101500123").as_deref(), Some("10:15:00.123"));
        assert_eq!(time("2460"), None);
        assert_eq!(zone("UTC+2").as_deref(), Some("+02:00"));
        assert_eq!(zone("UTC−9:30").as_deref(), Some("-09:30"));
        assert_eq!(zone("UTC").as_deref(), Some("Z"));
        assert_eq!(zone("CET"), None);
    }
}
