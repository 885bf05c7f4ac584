//! Which values of a report somebody has to be told of.
//! Must stay true: no I/O; exact numbers. What the laboratory says counts as it is. A value in another unit than a limit's is never
//! held against it, and that it was not is counted. Whose age or sex is not known meets a limit for any: rather one call too many.
use std::cmp::Ordering;
use std::collections::BTreeSet;

use chrono::NaiveDate;
use uuid::Uuid;

use super::decimal::Decimal;
use super::{Cause, Tier};
use crate::results::{NewObservation, NewReport, Subject};

/// A limit of the practice.
#[derive(Debug, Clone)]
pub(crate) struct Limit {
    pub(crate) id: Uuid,
    /// Whose values; any without.
    pub(crate) laboratory: Option<String>,
    pub(crate) test_code: String,
    /// Empty: the laboratory sends none.
    pub(crate) unit: String,
    pub(crate) sex: Option<String>,
    pub(crate) age_from: Option<i32>,
    pub(crate) age_to: Option<i32>,
    pub(crate) bound: Bound,
}

/// Beyond what.
#[derive(Debug, Clone)]
pub(crate) enum Bound {
    /// Critical at or below `low`, at or above `high`.
    Value { tier: Tier, low: Option<Decimal>, high: Option<Decimal> },
    /// Changed by so many percent within so many days.
    Change { percent: Decimal, days: i32 },
    /// Its numbers can't be read, whoever wrote them: no value is held against it, and each is counted.
    Unreadable { tier: Tier },
}

/// What is critical.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// Which value of the report; none: the report as a whole.
    pub(crate) observation: Option<usize>,
    pub(crate) tier: Tier,
    pub(crate) cause: Cause,
    pub(crate) limit: Option<Uuid>,
}

/// A value to be compared with the one before.
#[derive(Debug, Clone)]
pub(crate) struct Comparison {
    pub(crate) observation: usize,
    pub(crate) limit: Uuid,
    pub(crate) number: Decimal,
    pub(crate) percent: Decimal,
    pub(crate) days: i32,
}

/// What was found in a report.
#[derive(Debug, Clone, Default)]
pub(crate) struct Judgement {
    pub(crate) findings: Vec<Finding>,
    pub(crate) comparisons: Vec<Comparison>,
    /// Values that a limit names and that could not be held against it, with the gravest such limit.
    pub(crate) open: Vec<(usize, Uuid)>,
    /// Values of which a limit for changes names the test, and none their unit; and those that the laboratory's own limits leave open.
    uncompared: BTreeSet<usize>,
}

/// Judges every value that counts.
pub(crate) fn judge(report: &NewReport, limits: &[Limit]) -> Judgement {
    let mut judgement = Judgement::default();
    // A day that stands where none is known, as 01.01.1900, is no birth date.
    let born = report.subject.identifying().birth_date;
    for (index, value) in report.observations.iter().enumerate().filter(|(_, value)| counts(value)) {
        let meant: Vec<&Limit> = limits.iter().filter(|limit| limit.is_for(report, value, born)).collect();
        judgement.bounds(index, value, &meant);
        judgement.changes(index, value, &meant);
    }
    if report.critical_whole && report.status != "cancelled" {
        let whole = Finding { observation: None, tier: Tier::Emergency, cause: Cause::Laboratory, limit: None };
        judgement.findings.push(whole);
    }
    judgement
}

/// What was cancelled or taken back is no value, and what is only registered is none as long as none is there.
fn counts(value: &NewObservation) -> bool {
    value.status != "cancelled" && (value.status != "registered" || value.value_text.is_some())
}

/// What holding a value against limits says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    Within,
    Beyond,
    /// It can't be told.
    Open,
}

/// How grave, and by which limit; without one by the laboratory's word.
type Grave = (Tier, Option<Uuid>);

/// Puts the other in the place of what is less grave.
fn graver(kept: &mut Option<Grave>, other: Option<Grave>) {
    if kept.map(|(tier, _)| tier) < other.map(|(tier, _)| tier) {
        *kept = other;
    }
}

impl Judgement {
    /// How many values a limit names that could not be held against it.
    pub(crate) fn not_judged(&self) -> i32 {
        let uncompared = self.uncompared.iter().filter(|index| self.open.iter().all(|(open, _)| open != *index));
        i32::try_from(self.open.len() + uncompared.count()).unwrap_or(i32::MAX)
    }

    /// One finding for a value, the gravest; the laboratory's word before an equal one of the practice. A value beyond one limit that may be
    /// beyond a graver one is taken for beyond that. Of a tier whose limits are all in other units nothing is said; that is counted.
    fn bounds(&mut self, index: usize, value: &NewObservation, meant: &[&Limit]) {
        let mut gravest = value.critical.then_some((Tier::Emergency, None));
        let (mut open, mut judged, mut elsewhere) = (None, Vec::new(), Vec::new());
        let mut unjudged: Option<Grave> = None;
        for limit in meant {
            match limit.bound {
                Bound::Value { tier, low, high } if limit.is_in_unit(value) => {
                    judged.push(tier);
                    match hold(value, low, high) {
                        Held::Within => {}
                        Held::Open => graver(&mut open, Some((tier, Some(limit.id)))),
                        Held::Beyond => graver(&mut gravest, Some((tier, Some(limit.id)))),
                    }
                }
                Bound::Value { tier, .. } => elsewhere.push((tier, Some(limit.id))),
                Bound::Unreadable { tier } if tier > Tier::Check => graver(&mut unjudged, Some((tier, Some(limit.id)))),
                Bound::Unreadable { .. } | Bound::Change { .. } => {}
            }
        }
        for other in elsewhere.into_iter().filter(|(tier, _)| !judged.contains(tier)) {
            graver(&mut unjudged, Some(other));
        }
        // Without a value there is nothing that could have been judged.
        let unjudged = unjudged.filter(|_| value.value_text.is_some());
        if gravest.is_some() {
            graver(&mut gravest, open.take());
        }
        graver(&mut open, unjudged);
        if let Some((tier, limit)) = gravest {
            let cause = if limit.is_some() { Cause::Limit } else { Cause::Laboratory };
            self.findings.push(Finding { observation: Some(index), tier, cause, limit });
        }
        if value.alarm_open && gravest.is_none_or(|(tier, _)| tier < Tier::Emergency) {
            self.uncompared.insert(index);
        }
        let may_be_graver = open.filter(|(tier, _)| gravest.is_none_or(|(found, _)| *tier > found));
        if let Some((_, Some(limit))) = may_be_graver {
            self.open.push((index, limit));
        }
    }

    /// Only plain numbers are compared with the value before.
    fn changes(&mut self, index: usize, value: &NewObservation, meant: &[&Limit]) {
        let (mut named, mut compared) = (false, false);
        let number = value.value_number.as_deref().filter(|_| value.value_comparator.is_none());
        let number = number.and_then(Decimal::parse);
        for limit in meant {
            match (&limit.bound, number) {
                (Bound::Change { percent, days }, number) if limit.is_in_unit(value) => {
                    compared = true;
                    let Some(number) = number else { continue };
                    let (percent, days) = (*percent, *days);
                    self.comparisons.push(Comparison { observation: index, limit: limit.id, number, percent, days });
                }
                (Bound::Change { .. } | Bound::Unreadable { tier: Tier::Check }, _) => named = true,
                _ => {}
            }
        }
        if named && !compared && value.value_text.is_some() {
            self.uncompared.insert(index);
        }
    }
}

impl Limit {
    fn is_for(&self, report: &NewReport, value: &NewObservation, born: Option<NaiveDate>) -> bool {
        self.test_code == value.test_code
            && self.laboratory.as_ref().is_none_or(|laboratory| *laboratory == report.laboratory)
            && self.is_for_sex(&report.subject)
            && self.is_for_age(age(born, value.effective_at.date_naive()))
    }

    fn is_for_sex(&self, subject: &Subject) -> bool {
        // What a laboratory sends as neither male nor female is not known to be beyond the limits of both.
        let (known, known_well) =
            (subject.sex.filter(|sex| *sex != "unknown"), subject.sex.filter(|sex| matches!(*sex, "male" | "female")));
        self.sex
            .as_deref()
            .is_none_or(|wanted| if wanted == "other" { known } else { known_well }.is_none_or(|sex| sex == wanted))
    }

    fn is_for_age(&self, age: Option<i32>) -> bool {
        age.is_none_or(|age| self.age_from.is_none_or(|from| age >= from) && self.age_to.is_none_or(|to| age <= to))
    }

    fn is_in_unit(&self, value: &NewObservation) -> bool {
        value.unit.as_deref().unwrap_or_default() == self.unit
    }
}

/// Completed years; not known without a complete birth date, or with one that lies in the future.
fn age(born: Option<NaiveDate>, on: NaiveDate) -> Option<i32> {
    on.years_since(born?).and_then(|years| i32::try_from(years).ok())
}

/// A bounded value such as `<0.6` is beyond a limit if every value that it can stand for is; if only some are, that is open.
fn hold(value: &NewObservation, low: Option<Decimal>, high: Option<Decimal>) -> Held {
    if value.value_text.is_none() {
        return Held::Within;
    }
    let Some(number) = value.value_number.as_deref().and_then(Decimal::parse) else { return Held::Open };
    let sides = [
        low.map(|low| side(number.compare(low), value.value_comparator, Side::Low)),
        high.map(|high| side(number.compare(high), value.value_comparator, Side::High)),
    ];
    let is = |held: Held| sides.contains(&Some(held));
    if is(Held::Beyond) {
        Held::Beyond
    } else if is(Held::Open) {
        Held::Open
    } else {
        Held::Within
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Low,
    High,
}

/// `compared`: the number that was sent against the limit. `Side::Low` is beyond at or below it, `Side::High` at or above.
fn side(compared: Option<Ordering>, comparator: Option<&str>, side: Side) -> Held {
    let Some(order) = compared else { return Held::Open };
    // Seen from the other end a high limit is a low one.
    let (order, comparator) = match side {
        Side::Low => (order, comparator.map(|sign| (sign.starts_with('<'), sign.ends_with('=')))),
        Side::High => (order.reverse(), comparator.map(|sign| (sign.starts_with('>'), sign.ends_with('=')))),
    };
    match comparator {
        None if order == Ordering::Greater => Held::Within,
        None => Held::Beyond,
        // All of it lies towards the limit and on.
        Some((true, _)) if order != Ordering::Greater => Held::Beyond,
        Some((true, _)) => Held::Open,
        // All of it lies away from the limit, if it begins behind it.
        Some((false, reaches)) => match order {
            Ordering::Greater => Held::Within,
            Ordering::Equal if !reaches => Held::Within,
            Ordering::Equal | Ordering::Less => Held::Open,
        },
    }
}

#[cfg(test)]
mod tests;
