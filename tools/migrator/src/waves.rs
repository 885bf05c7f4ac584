//! Waves of a run: a few tenants first, then more, then the rest.
use std::str::FromStr;

use serde::Serialize;

/// How many tenants a wave takes of those that are to be migrated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Size {
    /// So many.
    Count(u64),
    /// So many hundredths of all, rounded up.
    Percent(u8),
    /// All that are left.
    Rest,
}

/// One wave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Wave {
    /// What it is called. In a wave called `canary` no failure is tolerated.
    pub name: String,
    /// How many tenants it takes.
    pub size: Size,
}

/// The waves of a run, in order, such as `canary=5,10%,rest`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Waves(Vec<Wave>);

impl Default for Waves {
    /// Everything at once.
    fn default() -> Self {
        Self(vec![Wave { name: "rest".to_owned(), size: Size::Rest }])
    }
}

impl Waves {
    /// In order.
    #[must_use]
    pub fn list(&self) -> &[Wave] {
        &self.0
    }
}

impl Wave {
    /// Whether a single failure ends the run.
    #[must_use]
    pub fn is_canary(&self) -> bool {
        self.name == "canary"
    }

    /// How many tenants it takes of `total`; `None`: all that are left.
    #[must_use]
    pub fn of(&self, total: u64) -> Option<u64> {
        match self.size {
            Size::Count(count) => Some(count),
            Size::Percent(percent) => Some((total * u64::from(percent)).div_ceil(100)),
            Size::Rest => None,
        }
    }
}

impl FromStr for Waves {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut waves = Vec::new();
        for part in text.split(',') {
            let (name, size) =
                part.trim().rsplit_once('=').map_or(("", part.trim()), |(name, size)| (name.trim(), size.trim()));
            let size = parse_size(size).ok_or_else(|| {
                format!("{part:?} is not a wave: a number such as 5, a percentage such as 10%, or rest, with a name before it (canary=5) if you like")
            })?;
            let name = if name.is_empty() { format!("wave {}", waves.len() + 1) } else { name.to_owned() };
            waves.push(Wave { name, size });
        }
        match waves.iter().position(|wave| wave.size == Size::Rest) {
            Some(position) if position + 1 < waves.len() => Err("nothing can come after rest".to_owned()),
            _ => Ok(Self(waves)),
        }
    }
}

fn parse_size(text: &str) -> Option<Size> {
    if text == "rest" {
        return Some(Size::Rest);
    }
    match text.strip_suffix('%') {
        Some(percent) => percent.parse().ok().filter(|percent| (1..=100).contains(percent)).map(Size::Percent),
        None => text.parse().ok().filter(|count| *count > 0).map(Size::Count),
    }
}

/// How many tenants may fail before a run stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Tolerance {
    /// So many.
    Count(u64),
    /// So many hundredths of all that are to be migrated.
    Percent(u8),
}

impl Tolerance {
    /// Whether it is used up.
    #[must_use]
    pub fn exceeded(self, failed: u64, total: u64) -> bool {
        match self {
            Self::Count(count) => failed > count,
            Self::Percent(percent) => failed * 100 > total * u64::from(percent),
        }
    }
}

impl std::fmt::Display for Tolerance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

impl FromStr for Tolerance {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is neither a number of tenants nor a percentage such as 2%");
        match text.strip_suffix('%') {
            Some(percent) => percent.parse().ok().filter(|p| *p <= 100).map(Self::Percent).ok_or_else(wrong),
            None => text.parse().map(Self::Count).map_err(|_| wrong()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waves_are_counts_percentages_and_the_rest() {
        let waves: Waves = "canary=5, 10%,rest".parse().unwrap();
        let of: Vec<_> = waves.list().iter().map(|w| (w.name.as_str(), w.of(101), w.is_canary())).collect();
        assert_eq!(of, [("canary", Some(5), true), ("wave 2", Some(11), false), ("wave 3", None, false)]);
        assert_eq!("all=rest".parse::<Waves>().unwrap().list()[0].name, "all");
        for wrong in ["", "0", "0%", "101%", "rest,5", "canary", "canary=", "5,,rest", "-1"] {
            assert!(wrong.parse::<Waves>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_tolerance_is_used_up_by_one_more() {
        let exceeded = |text: &str, failed, total| text.parse::<Tolerance>().unwrap().exceeded(failed, total);
        assert!(!exceeded("0", 0, 10) && exceeded("0", 1, 10));
        assert!(!exceeded("3", 3, 10) && exceeded("3", 4, 10));
        assert!(!exceeded("2%", 2, 100) && exceeded("2%", 3, 100) && exceeded("2%", 1, 10));
        assert!("x".parse::<Tolerance>().is_err() && "101%".parse::<Tolerance>().is_err());
    }
}
