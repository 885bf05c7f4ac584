//! Who is alerted of what, as tables of cases.
use chrono::{DateTime, Utc};
use proptest::prelude::*;

use super::*;

const LIMIT: Uuid = Uuid::from_u128(1);
const OTHER: Uuid = Uuid::from_u128(2);

fn value(text: &str) -> NewObservation {
    let (comparator, number) = match text.strip_prefix("<=").map(|rest| ("<=", rest)) {
        Some(found) => (Some(found.0), found.1),
        None => [">=", "<", ">"]
            .into_iter()
            .find_map(|sign| text.strip_prefix(sign).map(|rest| (Some(sign), rest)))
            .unwrap_or((None, text)),
    };
    NewObservation {
        id: Uuid::nil(),
        position: 0,
        test_code: "K".to_owned(),
        test_name: None,
        loinc: None,
        specimen: None,
        status: "final",
        status_code: None,
        value_text: Some(text.to_owned()),
        value_comparator: comparator,
        value_number: Decimal::parse(number).map(|_| number.to_owned()),
        unit: Some("mmol/L".to_owned()),
        reference_text: None,
        reference_low: None,
        reference_high: None,
        reference_unit: None,
        flag: None,
        interpretation: None,
        critical: false,
        alarm_open: false,
        collected_at: None,
        effective_at: "2026-10-08T08:00:00Z".parse::<DateTime<Utc>>().unwrap(),
        notes: Vec::new(),
    }
}

fn report(values: Vec<NewObservation>) -> NewReport {
    NewReport {
        kind: "8201".to_owned(),
        status: "final",
        laboratory: "987654300".to_owned(),
        laboratory_name: "Labor".to_owned(),
        subject: Subject {
            birth_date: NaiveDate::from_ymd_opt(1966, 10, 24),
            sex: Some("female"),
            ..Subject::default()
        },
        order_number: None,
        lab_order_number: None,
        report_number: None,
        reported_on: None,
        critical: values.iter().any(|value| value.critical),
        critical_whole: false,
        genetic: false,
        doctor_number: None,
        invalidates_earlier: false,
        notes: Vec::new(),
        unmapped: Vec::new(),
        observations: values,
        documents: Vec::new(),
    }
}

fn number(text: &str) -> Option<Decimal> {
    (!text.is_empty()).then(|| Decimal::parse(text).unwrap())
}

fn limit(tier: Tier, low: &str, high: &str) -> Limit {
    Limit {
        id: LIMIT,
        laboratory: None,
        test_code: "K".to_owned(),
        unit: "mmol/L".to_owned(),
        sex: None,
        age_from: None,
        age_to: None,
        bound: Bound::Value { tier, low: number(low), high: number(high) },
    }
}

/// What a single value says to limits of 2.8 and 6.2.
fn held(text: &str) -> (usize, i32) {
    let judged = judge(&report(vec![value(text)]), &[limit(Tier::Phone, "2.8", "6.2")]);
    (judged.findings.len(), judged.not_judged())
}

#[test]
fn a_limit_is_met_at_it_and_beyond() {
    for (text, alerts) in [("2.8", 1), ("2.79", 1), ("2.81", 0), ("6.2", 1), ("6.20", 1), ("6.19", 0), ("-1", 1)] {
        assert_eq!(held(text), (alerts, 0), "{text}");
    }
}

/// `<6.2` may be 2.0, and may be 4.0; `<2.8` is critical whatever it is.
#[test]
fn a_bounded_value_alerts_if_all_that_it_can_be_is_critical_and_is_counted_if_some_is() {
    for (text, alerts, open) in [
        ("<2.8", 1, 0),
        ("<=2.8", 1, 0),
        ("<2.5", 1, 0),
        ("<3", 0, 1),
        (">6.2", 1, 0),
        (">=6.2", 1, 0),
        (">7", 1, 0),
        (">6", 0, 1),
        (">1", 0, 1),
    ] {
        assert_eq!(held(text), (alerts, open), "{text}");
    }
    let high_only = |text: &str| {
        let judged = judge(&report(vec![value(text)]), &[limit(Tier::Phone, "", "0.6")]);
        (judged.findings.len(), judged.not_judged())
    };
    assert_eq!(high_only("<0.6"), (0, 0), "less than the limit is not at it");
    assert_eq!(high_only("<=0.6"), (0, 1), "it may be at it");
    assert_eq!(high_only("<0.5"), (0, 0));
}

#[test]
fn a_value_in_another_unit_or_without_a_number_is_not_judged_and_counted() {
    let limits = [limit(Tier::Emergency, "2.8", "6.2")];
    for (text, unit) in
        [("7.1", Some("mg/dL")), ("7.1", None), ("7.1", Some("mmol/l")), ("hämolytisch", Some("mmol/L"))]
    {
        let sent = NewObservation { unit: unit.map(str::to_owned), ..value(text) };
        let judged = judge(&report(vec![sent]), &limits);
        assert_eq!((judged.findings.len(), judged.not_judged()), (0, 1), "{text} {unit:?}");
    }
    // A ratio has no unit, and a limit may say so.
    let none = Limit { unit: String::new(), ..limit(Tier::Emergency, "", "6.2") };
    let judged = judge(&report(vec![NewObservation { unit: None, ..value("7.1") }]), std::slice::from_ref(&none));
    assert_eq!((judged.findings.len(), judged.not_judged()), (1, 0));
    // A limit in each of two units: one of them is enough, if it is of the same tier.
    let of = |limits: &[Limit]| {
        let judged = judge(&report(vec![value("4.0")]), limits);
        (judged.findings.len(), judged.not_judged())
    };
    assert_eq!(of(&[none.clone(), limit(Tier::Emergency, "2.8", "6.2")]), (0, 0));
    assert_eq!(of(&[none, limit(Tier::Phone, "2.8", "6.2")]), (0, 1));
    let without = NewObservation { value_text: None, value_number: None, ..value("") };
    assert_eq!(judge(&report(vec![without]), &limits).not_judged(), 0, "there is no value yet");
}

#[test]
fn what_was_taken_back_or_only_registered_alerts_nobody() {
    let registered = NewObservation { value_text: None, value_number: None, status: "registered", ..value("") };
    for sent in [NewObservation { status: "cancelled", ..value("9.9") }, registered] {
        let sent = NewObservation { critical: true, ..sent };
        let judged = judge(&report(vec![sent.clone()]), &[limit(Tier::Emergency, "2.8", "6.2")]);
        assert!(judged.findings.is_empty() && judged.comparisons.is_empty() && judged.open.is_empty(), "{sent:?}");
    }
    for status in ["final", "corrected", "preliminary", "unknown", "registered"] {
        let sent = NewObservation { status, ..value("9.9") };
        assert_eq!(judge(&report(vec![sent]), &[limit(Tier::Phone, "2.8", "6.2")]).findings.len(), 1, "{status}");
    }
}

#[test]
fn the_gravest_counts_and_the_laboratory_before_an_equal_limit() {
    let (phone, emergency) =
        (limit(Tier::Phone, "2.8", "6.2"), Limit { id: OTHER, ..limit(Tier::Emergency, "2.5", "6.5") });
    let of = |text: &str, critical: bool, limits: &[Limit]| {
        let found = judge(&report(vec![NewObservation { critical, ..value(text) }]), limits).findings;
        assert!(found.len() < 2, "one alert for one value");
        found.first().map(|finding| (finding.tier, finding.cause, finding.limit))
    };
    for limits in [[phone.clone(), emergency.clone()], [emergency, phone.clone()]] {
        assert_eq!(of("6.3", false, &limits), Some((Tier::Phone, Cause::Limit, Some(LIMIT))));
        assert_eq!(of("6.5", false, &limits), Some((Tier::Emergency, Cause::Limit, Some(OTHER))));
        assert_eq!(of("6.5", true, &limits), Some((Tier::Emergency, Cause::Laboratory, None)));
    }
    assert_eq!(of("6.3", true, &[phone]), Some((Tier::Emergency, Cause::Laboratory, None)));
    assert_eq!(of("4.0", true, &[]), Some((Tier::Emergency, Cause::Laboratory, None)));
}

#[test]
fn a_report_that_is_critical_as_a_whole_alerts_once() {
    let whole = NewReport { critical: true, critical_whole: true, ..report(vec![value("4.0")]) };
    let found = judge(&whole, &[]).findings;
    assert_eq!((found.len(), found[0].observation, found[0].tier), (1, None, Tier::Emergency));
    let named = report(vec![NewObservation { critical: true, ..value("7.1") }]);
    let of = |report: &NewReport| judge(report, &[]).findings.iter().map(|found| found.observation).collect::<Vec<_>>();
    assert_eq!(of(&named), [Some(0)], "the value says it already");
    assert_eq!(of(&NewReport { critical_whole: true, ..named }), [Some(0), None], "something else besides");
    assert!(judge(&NewReport { status: "cancelled", ..whole }, &[]).findings.is_empty());
}

/// More than 6.0 may be more than 7.0: rather one call too many, and the graver one.
#[test]
fn what_may_be_beyond_a_graver_limit_is_taken_for_beyond_it() {
    let (phone, emergency) = (limit(Tier::Phone, "", "6.0"), Limit { id: OTHER, ..limit(Tier::Emergency, "", "7.0") });
    for limits in [[phone.clone(), emergency.clone()], [emergency, phone]] {
        let judged = judge(&report(vec![value(">6.0")]), &limits);
        let found: Vec<_> = judged.findings.iter().map(|found| (found.tier, found.limit)).collect();
        assert_eq!((found, judged.not_judged()), (vec![(Tier::Emergency, Some(OTHER))], 0));
        assert_eq!(judge(&report(vec![value("6.5")]), &limits).findings[0].tier, Tier::Phone);
        assert_eq!(judge(&report(vec![value(">5.0")]), &limits).open, [(0, OTHER)]);
    }
}

/// 01.01.1900 stands for a birth date that nobody knows.
#[test]
fn a_birth_date_that_stands_where_none_is_known_makes_nobody_old() {
    let young = Limit { age_to: Some(18), ..limit(Tier::Phone, "", "6.2") };
    let found = |born| {
        let subject = Subject { birth_date: NaiveDate::from_ymd_opt(born, 1, 1), ..Subject::default() };
        judge(&NewReport { subject, ..report(vec![value("7.1")]) }, std::slice::from_ref(&young)).findings.len()
    };
    assert_eq!([found(1900), found(1966), found(2020)], [1, 0, 1]);
}

/// LDT sends D and X besides M and W: limits for men and for women both mean them.
#[test]
fn whose_sex_is_neither_is_not_beyond_every_limit() {
    let of = |sent: &'static str, wanted: &str| {
        let subject = Subject { sex: Some(sent), ..Subject::default() };
        let limit = Limit { sex: Some(wanted.to_owned()), ..limit(Tier::Phone, "", "6.2") };
        judge(&NewReport { subject, ..report(vec![value("7.1")]) }, &[limit]).findings.len()
    };
    assert_eq!([of("other", "male"), of("other", "female"), of("other", "other")], [1, 1, 1]);
    assert_eq!([of("male", "female"), of("male", "other"), of("male", "male")], [0, 0, 1]);
}

#[test]
fn a_limit_is_for_its_laboratory_test_sex_and_age_and_for_whom_they_are_not_known() {
    let base = limit(Tier::Phone, "", "6.2");
    let met = |limit: Limit, report: &NewReport| !judge(report, &[limit]).findings.is_empty();
    let woman_of_59 = report(vec![value("7.1")]);
    let unknown = NewReport { subject: Subject::default(), ..woman_of_59.clone() };
    let unknown_sex = Subject { sex: Some("unknown"), ..Subject::default() };
    let unknown_sex = NewReport { subject: unknown_sex, ..woman_of_59.clone() };
    let laboratory = |name: &str| Limit { laboratory: Some(name.to_owned()), ..base.clone() };
    assert!(met(laboratory("987654300"), &woman_of_59) && !met(laboratory("Labor"), &woman_of_59));
    assert!(!met(Limit { test_code: "NA".to_owned(), ..base.clone() }, &woman_of_59));
    let sex = |sex: &str| Limit { sex: Some(sex.to_owned()), ..base.clone() };
    assert!(met(sex("female"), &woman_of_59) && !met(sex("male"), &woman_of_59));
    assert!(met(sex("male"), &unknown) && met(sex("male"), &unknown_sex), "rather one call too many");
    let age = |age_from, age_to| Limit { age_from, age_to, ..base.clone() };
    // Born on 24 October 1966, collected on 8 October 2026: 59.
    for (from, to, expected) in [
        (Some(59), None, true),
        (Some(60), None, false),
        (None, Some(59), true),
        (None, Some(58), false),
        (Some(18), Some(59), true),
        (Some(0), Some(0), false),
    ] {
        assert_eq!(met(age(from, to), &woman_of_59), expected, "{from:?} to {to:?}");
        assert!(met(age(from, to), &unknown), "rather one call too many");
    }
}

#[test]
fn only_plain_numbers_in_the_unit_are_compared_with_the_value_before() {
    let percent = Decimal::parse("50").unwrap();
    let change = Limit { bound: Bound::Change { percent, days: 7 }, ..limit(Tier::Check, "", "") };
    let compared = |sent: NewObservation| judge(&report(vec![sent]), std::slice::from_ref(&change)).comparisons.len();
    assert_eq!(compared(value("4.0")), 1);
    assert_eq!(compared(value("<4.0")), 0);
    assert_eq!(compared(value("positiv")), 0);
    assert_eq!(compared(NewObservation { unit: None, ..value("4.0") }), 0);
}

proptest! {
    /// What is beyond a limit stays so further out, and what is sent in more digits is the same value.
    #[test]
    fn further_out_is_not_less_critical(at in -5000_i64..5000, step in 0_i64..5000, high in -5000_i64..5000) {
        let written = |n: i64| format!("{}{}.{:02}", if n < 0 { "-" } else { "" }, n.abs() / 100, n.abs() % 100);
        let limits = [limit(Tier::Phone, "", &written(high))];
        let alerts = |text: &str| judge(&report(vec![value(text)]), &limits).findings.len();
        prop_assert_eq!(alerts(&written(at)), usize::from(at >= high));
        prop_assert!(alerts(&written(at + step)) >= alerts(&written(at)));
        prop_assert_eq!(alerts(&format!("{}000", written(at))), alerts(&written(at)));
    }

    /// A bounded value alerts only if the plain values on its side do.
    #[test]
    fn a_bound_never_alerts_for_what_its_own_values_would_not(at in 0_i64..1000, low in 0_i64..1000, beyond in 1_i64..100) {
        let limits = [limit(Tier::Phone, &low.to_string(), "")];
        let alerts = |text: &str| judge(&report(vec![value(text)]), &limits).findings.len();
        if alerts(&format!("<{at}")) == 1 {
            prop_assert_eq!(alerts(&(at - beyond).to_string()), 1);
        }
        prop_assert_eq!(alerts(&format!(">{at}")), 0);
    }
}

/// A limit for a call says nothing of what a graver one in another spelling of the unit would say.
#[test]
fn a_graver_limit_in_another_unit_is_not_hidden_by_one_that_was_met_or_not() {
    let elsewhere = Limit { id: OTHER, unit: "mmol/l".to_owned(), ..limit(Tier::Emergency, "", "7.0") };
    for (text, found) in [("7.5", 0), ("2.9", 1)] {
        let judged = judge(&report(vec![value(text)]), &[limit(Tier::Phone, "3.0", ""), elsewhere.clone()]);
        assert_eq!(
            (judged.findings.len(), &judged.open[..], judged.not_judged()),
            (found, &[(0, OTHER)][..], 1),
            "{text}"
        );
    }
    // What is beyond as grave a limit is told already.
    let critical = NewObservation { critical: true, ..value("7.5") };
    assert_eq!(judge(&report(vec![critical]), &[elsewhere]).not_judged(), 0);
}

#[test]
fn what_is_not_compared_because_of_its_unit_or_can_not_be_is_counted_once() {
    let change = |unit: &str| Limit {
        unit: unit.to_owned(),
        bound: Bound::Change { percent: number("30").unwrap(), days: 7 },
        ..limit(Tier::Check, "", "")
    };
    let unreadable = |tier: Tier| Limit { id: OTHER, bound: Bound::Unreadable { tier }, ..limit(tier, "", "") };
    let of = |limits: &[Limit]| {
        let judged = judge(&report(vec![value("7.5")]), limits);
        (judged.findings.len(), judged.comparisons.len(), judged.not_judged(), judged.open.len())
    };
    assert_eq!(of(&[change("mmol/l")]), (0, 0, 1, 0));
    assert_eq!(of(&[change("mmol/l"), change("mmol/L")]), (0, 1, 0, 0));
    assert_eq!(of(&[unreadable(Tier::Check)]), (0, 0, 1, 0));
    // One that can't be read hides no other, and no other hides it.
    assert_eq!(of(&[unreadable(Tier::Emergency), limit(Tier::Phone, "", "6.2")]), (1, 0, 1, 1));
    assert_eq!(of(&[unreadable(Tier::Phone), limit(Tier::Phone, "", "8.0")]), (0, 0, 1, 1));
    assert_eq!(of(&[unreadable(Tier::Phone), change("mmol/l")]), (0, 0, 1, 1));
}

/// The laboratory's own limits are in another unit than its value: nobody can say that it is not critical.
#[test]
fn what_the_laboratory_s_alarm_limits_leave_open_is_counted_once() {
    let open = NewObservation { alarm_open: true, ..value("70") };
    assert_eq!(judge(&report(vec![open.clone(), value("4.1")]), &[]).not_judged(), 1);
    let critical = NewObservation { critical: true, ..open.clone() };
    assert_eq!(judge(&report(vec![critical]), &[]).not_judged(), 0, "it is alerted");
    let cancelled = NewObservation { status: "cancelled", ..open };
    assert_eq!(judge(&report(vec![cancelled]), &[]).not_judged(), 0);
}
