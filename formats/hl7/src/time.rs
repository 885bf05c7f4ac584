//! Dates and times (DTM, TS, DT, TM) as ISO 8601.
//!
//! What must stay true: the precision stays what was sent, and no time zone is made up: MSH-7's is not lent to other times, because
//! a message of the summer may tell of the winter, and a resend must say the same.

/// `YYYY[MM[DD[HH[MM[SS[.SSSS]]]]]][+/-ZZZZ]` as ISO 8601; none if there is no such time.
pub(crate) fn iso(text: &str) -> Option<String> {
    let (local, zone) = split_zone(text.trim())?;
    let (digits, fraction) = local.split_once('.').map_or((local, None), |(digits, fraction)| (digits, Some(fraction)));
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part = |range: std::ops::Range<usize>| digits.get(range);
    let year = part(0..4)?;
    // A day or month that is not known is sent as nothing, or as 00.
    let date = match (digits.len(), part(4..6), part(6..8)) {
        (4, ..) => year.to_owned(),
        (8, Some("00"), Some("00")) => year.to_owned(),
        (6, Some(month), _) | (8, Some(month), Some("00")) => {
            days_in(year, month)?;
            format!("{year}-{month}")
        }
        (8 | 10 | 12 | 14, Some(month), Some(day)) => {
            let known = day.parse::<u8>().ok()?;
            ((1..=days_in(year, month)?).contains(&known)).then(|| format!("{year}-{month}-{day}"))?
        }
        _ => return None,
    };
    if digits.len() <= 8 {
        return (fraction.is_none() && zone.is_empty() && year != "0000").then_some(date);
    }
    Some(format!("{date}T{}{zone}", clock(&digits[8..], fraction)?))
}

/// `HH[MM[SS[.SSSS]]][+/-ZZZZ]` as ISO 8601.
pub(crate) fn iso_clock(text: &str) -> Option<String> {
    let (local, zone) = split_zone(text.trim())?;
    let (digits, fraction) = local.split_once('.').map_or((local, None), |(digits, fraction)| (digits, Some(fraction)));
    let digital = digits.bytes().all(|byte| byte.is_ascii_digit());
    (digital && matches!(digits.len(), 2 | 4 | 6)).then_some(())?;
    Some(format!("{}{zone}", clock(digits, fraction)?))
}

/// Whether one time of [`iso`] is later than another: in the same zone, or both without one, and not the same time said more
/// precisely. A time of the day is later than its day, of which nothing but the day is known.
pub(crate) fn is_later(time: &str, than: &str) -> bool {
    if time.contains('T') && !than.contains('T') {
        return time.get(..than.len()).is_some_and(|day| day >= than);
    }
    // The date has dashes too.
    let zone = |text: &str| text.find('T').and_then(|from| text.rfind(['+', '-']).filter(|at| *at > from));
    let split = |text: &str| zone(text).map_or((text.len(), String::new()), |at| (at, text[at..].to_owned()));
    let ((to, zone), (than_to, than_zone)) = (split(time), split(than));
    let (time, than) = (&time[..to], &than[..than_to]);
    zone == than_zone && time > than && !time.starts_with(than)
}

fn clock(digits: &str, fraction: Option<&str>) -> Option<String> {
    let below = |range: std::ops::Range<usize>, limit: u8| {
        let part = digits.get(range)?;
        (part.parse::<u8>().ok()? < limit).then_some(part)
    };
    let hour = below(0..2, 24)?;
    let clock = match digits.len() {
        2 => hour.to_owned(),
        4 => format!("{hour}:{}", below(2..4, 60)?),
        // 60 is a leap second.
        _ => format!("{hour}:{}:{}", below(2..4, 60)?, below(4..6, 61)?),
    };
    match fraction {
        None => Some(clock),
        Some(fraction) => {
            let whole = digits.len() == 6 && matches!(fraction.len(), 1..=9);
            (whole && fraction.bytes().all(|byte| byte.is_ascii_digit())).then(|| format!("{clock}.{fraction}"))
        }
    }
}

/// `+0200` becomes `+02:00`.
fn split_zone(text: &str) -> Option<(&str, String)> {
    let Some(at) = text.find(['+', '-']) else { return Some((text, String::new())) };
    let (local, zone) = text.split_at_checked(at)?;
    let (hours, minutes) = (zone.get(1..3)?, zone.get(3..)?);
    let limits = hours.parse::<u8>().ok()? <= 14 && minutes.len() == 2 && minutes.parse::<u8>().ok()? < 60;
    let digital = zone.bytes().skip(1).all(|byte| byte.is_ascii_digit());
    (limits && digital).then(|| (local, format!("{}{hours}:{minutes}", &zone[..1])))
}

fn days_in(year: &str, month: &str) -> Option<u8> {
    let year: u16 = year.parse().ok()?;
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        "01" | "03" | "05" | "07" | "08" | "10" | "12" => Some(31),
        "04" | "06" | "09" | "11" => Some(30),
        "02" => Some(if leap { 29 } else { 28 }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precision_and_zone_stay() {
        for (sent, expected) in [
            ("1966", "1966"),
            ("196610", "1966-10"),
            ("19661000", "1966-10"),
            ("19660000", "1966"),
            ("19661024", "1966-10-24"),
            ("2026100808", "2026-10-08T08"),
            ("202610080815", "2026-10-08T08:15"),
            ("20261008081530", "2026-10-08T08:15:30"),
            ("20261008081530.1234+0200", "2026-10-08T08:15:30.1234+02:00"),
            ("202610080815-0330", "2026-10-08T08:15-03:30"),
            ("20240229", "2024-02-29"),
        ] {
            assert_eq!(iso(sent).as_deref(), Some(expected), "{sent}");
        }
        for (sent, expected) in [("08", "08"), ("0815", "08:15"), ("081530.5+0100", "08:15:30.5+01:00")] {
            assert_eq!(iso_clock(sent).as_deref(), Some(expected), "{sent}");
        }
    }

    #[test]
    fn later_is_what_certainly_is() {
        for (time, than, expected) in [
            ("2026-10-08T08:16", "2026-10-08T08:15", true),
            ("2026-10-08T08:16:00", "2026-10-08T08:15", true),
            ("2026-10-08T08:15+02:00", "2026-10-08T08:14+02:00", true),
            ("2026-10-09", "2026-10-08T08:14", true),
            ("2026-10-08T08:15", "2026-10-08T08:15", false),
            ("2026-10-08T08:14", "2026-10-08T08:15", false),
            ("2026-10-08T08:15:00", "2026-10-08T08:15", false),
            ("2026-10-08T08:15+02:00", "2026-10-08", true),
            ("2026-10-07T08:15", "2026-10-08", false),
            ("2026-10-08", "2026-10-08T08:15", false),
            ("2026-10-08", "2026-10", false),
            ("2026-10-08T08:16+02:00", "2026-10-08T08:15", false),
            ("2026-10-08T08:16+02:00", "2026-10-08T08:15+01:00", false),
        ] {
            assert_eq!(is_later(time, than), expected, "{time} {than}");
        }
    }

    #[test]
    fn what_is_no_time_is_none() {
        for sent in [
            "",
            "heute",
            "196",
            "19661",
            "19661301",
            "20230229",
            "20260431",
            "2026100824",
            "202610080860",
            "202610088",
            "20261008081530.",
            "20261008.5",
            "20261008081530+02",
            "20261008081530+9900",
            "2026-10-08",
            "+0200",
            "0000",
            "２０２６",
            "20261008081530+02ü",
            "20261032",
        ] {
            assert_eq!(iso(sent), None, "{sent}");
        }
        for sent in ["", "8", "24", "0860", "08:15"] {
            assert_eq!(iso_clock(sent), None, "{sent}");
        }
    }
}
