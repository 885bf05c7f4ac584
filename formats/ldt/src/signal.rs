//! What a physician has to know at once: life-threatening notices, extreme values, alarm limits that are exceeded.
//!
//! What must stay true: only what the laboratory said raises a signal. A value and a limit in different units are not
//! compared, and `++` ("strongly raised") is no signal: that would raise alarms by the thousand.

use std::cmp::Ordering;

use crate::decimal;
use crate::model::{Comparator, Interpretation, Limits, Report, TestResult, Value};
use crate::place::Place;
use crate::value::number;

/// Why somebody has to be told at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SignalKind {
    /// Obj_0026 with 7280 = 2, Lebensbedrohlicher Zustand (E049).
    LifeThreatening,
    /// 8422 is `!H`, `!+`, `!L` or `!-` (E005).
    Extreme,
    /// The value is below the lower alarm limit (7363).
    BelowAlarm,
    /// The value is above the upper alarm limit (7371).
    AboveAlarm,
}

impl SignalKind {
    /// A stable code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::LifeThreatening => "life-threatening",
            Self::Extreme => "extreme",
            Self::BelowAlarm => "below-alarm",
            Self::AboveAlarm => "above-alarm",
        }
    }
}

/// A signal and where it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signal {
    /// Why.
    pub kind: SignalKind,
    /// The lines that say so: of the notice, of the value.
    pub place: Place,
}

impl Report {
    /// All signals of the report: its own notices and those of its results, in their order.
    #[must_use]
    pub fn signals(&self) -> Vec<Signal> {
        let own = self.notices.iter().filter(|notice| notice.life_threatening());
        let own = own.map(|notice| Signal { kind: SignalKind::LifeThreatening, place: notice.place });
        own.chain(self.results.iter().flat_map(TestResult::signals)).collect()
    }
}

impl TestResult {
    /// The signals of the result's notices and values.
    #[must_use]
    pub fn signals(&self) -> Vec<Signal> {
        let notices = self.notices.iter().filter(|notice| notice.life_threatening());
        let notices = notices.map(|notice| Signal { kind: SignalKind::LifeThreatening, place: notice.place });
        notices.chain(self.values.iter().flat_map(Value::signals)).collect()
    }
}

impl Value {
    /// An extreme indicator, and alarm limits that the number exceeds.
    #[must_use]
    pub fn signals(&self) -> Vec<Signal> {
        let signal = |kind| Signal { kind, place: self.place };
        let extreme = matches!(self.interpretation, Some(Interpretation::HH | Interpretation::LL));
        let mut kinds: Vec<SignalKind> = extreme.then_some(SignalKind::Extreme).into_iter().collect();
        let further = self.further.iter().filter_map(|normal| normal.alarm.as_ref());
        for limits in self.alarm.iter().chain(further) {
            let exceeded = self.exceeds(limits);
            kinds.extend(exceeded.filter(|kind| !kinds.contains(kind)));
        }
        kinds.into_iter().map(signal).collect()
    }

    /// Whether there are alarm limits, and the value can be held against none of them: they are in another unit, or one of both is no number.
    #[must_use]
    pub fn has_open_alarm(&self) -> bool {
        let further = self.further.iter().filter_map(|normal| normal.alarm.as_ref());
        let sent = |limits: &&Limits| limits.low.is_some() || limits.high.is_some();
        let held = |limits: &Limits| {
            let plain = |limit: &String| matches!(number(limit), (None, Some(_)));
            let numbers = self.number.is_some() && limits.low.iter().chain(&limits.high).all(plain);
            numbers && self.is_in_unit_of(limits)
        };
        let mut limits = self.alarm.iter().chain(further).filter(sent).peekable();
        !self.text.is_empty() && limits.peek().is_some() && !limits.any(held)
    }

    fn is_in_unit_of(&self, limits: &Limits) -> bool {
        limits
            .unit
            .as_deref()
            .is_none_or(|unit| self.unit.as_deref().is_some_and(|own| one_unit(own) == one_unit(unit)))
    }

    fn exceeds(&self, limits: &Limits) -> Option<SignalKind> {
        if !self.is_in_unit_of(limits) {
            return None;
        }
        let own = self.number.as_deref()?;
        let beyond = |limit: Option<&String>, side: Ordering| {
            // A limit that is itself no plain number cannot be exceeded.
            let (None, Some(limit)) = number(limit?) else { return None };
            let order = decimal::compare(own, &limit);
            // `>60` is above 60, `>50` may be below it.
            let reached = match self.comparator {
                None => order == side,
                Some(Comparator::Less) => side == Ordering::Less && order != Ordering::Greater,
                Some(Comparator::Greater) => side == Ordering::Greater && order != Ordering::Less,
                Some(Comparator::LessOrEqual) => side == Ordering::Less && order == side,
                Some(Comparator::GreaterOrEqual) => side == Ordering::Greater && order == side,
            };
            reached.then_some(())
        };
        if beyond(limits.low.as_ref(), Ordering::Less).is_some() {
            return Some(SignalKind::BelowAlarm);
        }
        beyond(limits.high.as_ref(), Ordering::Greater).map(|()| SignalKind::AboveAlarm)
    }
}

/// One spelling of a unit: the litre is `l` or `L` (BIPM, The International System of Units, 9th edition, table 8), and micro has two code
/// points that look alike. Other letters mean something in each case (`mg`, `Mg`).
fn one_unit(unit: &str) -> String {
    let known = |sign: char| match sign {
        'L' => 'l',
        '\u{3bc}' => '\u{b5}',
        other => other,
    };
    unit.chars().filter(|sign| !sign.is_whitespace()).map(known).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str, unit: Option<&str>) -> Vec<SignalKind> {
        let (comparator, number) = number(text);
        let limit = |text: &str| Some(text.to_owned());
        let alarm = Some(Limits { low: limit("2.8"), high: limit("6.2"), unit: limit("mmol/l"), ..Limits::default() });
        let value = Value { comparator, number, alarm, unit: unit.map(str::to_owned), ..Value::default() };
        value.signals().into_iter().map(|signal| signal.kind).collect()
    }

    #[test]
    fn alarm_limits() {
        use SignalKind::{AboveAlarm, BelowAlarm};
        let own = Some("mmol/l");
        for (text, expected) in [
            ("6.2", None),
            ("6.20", None),
            ("6.21", Some(AboveAlarm)),
            ("10", Some(AboveAlarm)),
            ("2.8", None),
            ("2.79", Some(BelowAlarm)),
            ("-1", Some(BelowAlarm)),
            (">6.2", Some(AboveAlarm)),
            (">5", None),
            ("<2.8", Some(BelowAlarm)),
            ("<3", None),
            ("negativ", None),
        ] {
            assert_eq!(kinds(text, own), expected.into_iter().collect::<Vec<_>>(), "{text}");
        }
        assert!(kinds("70", Some("mg/dl")).is_empty(), "another unit is not compared");
        assert_eq!(kinds("7", Some("mmol/L")), [AboveAlarm], "another spelling of the same unit");
    }

    #[test]
    fn what_alarm_limits_leave_open() {
        let value = |text: &str, unit: Option<&str>, high: &str| {
            let (comparator, number) = number(text);
            let alarm =
                Some(Limits { high: Some(high.to_owned()), unit: Some("mmol/l".to_owned()), ..Limits::default() });
            Value {
                text: text.to_owned(),
                comparator,
                number,
                alarm,
                unit: unit.map(str::to_owned),
                ..Value::default()
            }
        };
        let own = Some("mmol/L");
        assert!(!value("4.1", own, "6.2").has_open_alarm() && !value("", own, "6.2").has_open_alarm());
        for open in [
            value("70", Some("mg/dl"), "6.2"),
            value("7", None, "6.2"),
            value("hoch", own, "6.2"),
            value("7", own, "siehe Text"),
        ] {
            assert!(open.has_open_alarm(), "{open:?}");
        }
        assert!(
            !Value { alarm: Some(Limits::default()), ..value("7", own, "") }.has_open_alarm(),
            "there are no limits"
        );
    }
}
