//! The scoring as a table of cases, and what holds for whatever is compared.
use proptest::prelude::*;

use super::*;

const DAY: NaiveDate = NaiveDate::from_ymd_opt(1966, 10, 24).unwrap();

fn sent() -> Subject {
    Subject {
        family_name: Some("Müller".to_owned()),
        given_name: Some("Jürgen".to_owned()),
        birth_date: Some(DAY),
        sex: Some("male"),
        ..Subject::default()
    }
}

fn known() -> Known {
    Known {
        id: Uuid::from_u128(1),
        family_name: "Müller".to_owned(),
        given_name: Some("Jürgen".to_owned()),
        birth_date: Some(DAY),
        birth_date_text: None,
        sex: "male".to_owned(),
        insurance_number: None,
        patient_number: None,
    }
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn points(subject: &Subject, patient: &Known) -> (u8, bool) {
    let scored = score(subject, patient);
    (scored.points(), scored.excluded())
}

#[test]
fn the_same_names_birth_date_and_sex_are_enough_and_without_a_sex_on_one_side_they_are_not() {
    assert_eq!(points(&sent(), &known()), (80, false));
    assert_eq!(points(&Subject { sex: None, ..sent() }, &Known { sex: "unknown".to_owned(), ..known() }), (80, false));
    assert_eq!(points(&Subject { sex: None, ..sent() }, &known()), (75, false));
    assert_eq!(points(&sent(), &Known { sex: "female".to_owned(), ..known() }), (50, true));
}

#[test]
fn twins_are_two_and_who_married_is_one() {
    let twin = Known { given_name: some("Jonas"), ..known() };
    assert!(points(&sent(), &twin).0 < POSSIBLE);
    let number = some("A123456780");
    let married = Subject { family_name: some("Schmidt"), insurance_number: number.clone(), ..sent() };
    assert_eq!(points(&married, &Known { insurance_number: number.clone(), ..known() }), (100, false));
    let double = Subject { family_name: some("Müller-Schmidt"), ..sent() };
    assert_eq!(points(&double, &known()), (70, false), "without a number a person decides");
    // A card that was lent: the number says one person, the birth date another.
    let lent = Subject { birth_date: NaiveDate::from_ymd_opt(1990, 1, 1), insurance_number: number.clone(), ..sent() };
    assert_eq!(points(&lent, &Known { insurance_number: number, ..known() }), (100, true));
}

/// A family's card, a number that was given out again, an initial: many points, and nobody is known by them.
#[test]
fn numbers_alone_name_nobody() {
    let number = some("A123456780");
    let holder = Known { insurance_number: number.clone(), patient_number: some("4711"), ..known() };
    let sent = Subject { insurance_number: number, patient_number: some("4711"), ..sent() };
    assert!(score(&sent, &holder).suffices());
    for (who, subject) in [
        ("a twin", Subject { given_name: some("Jonas"), ..sent.clone() }),
        ("a sister", Subject { sex: Some("female"), ..sent.clone() }),
        ("no given name", Subject { given_name: None, ..sent.clone() }),
        ("no birth date", Subject { birth_date: None, ..sent.clone() }),
    ] {
        let scored = score(&subject, &holder);
        assert!(scored.points() >= ENOUGH && !scored.suffices(), "{who}: {scored:?}");
        assert_eq!(choose(vec![(holder.id, scored)]), Choice::Unsure, "{who}");
    }
    let year = Subject { birth_date: None, birth_date_text: some("1966"), ..sent.clone() };
    assert!(score(&year, &holder).suffices());
    let initial = |name: &str| some(name);
    let scored = score(
        &Subject { given_name: initial("J."), insurance_number: None, patient_number: None, ..sent },
        &Known { given_name: initial("J"), ..holder },
    );
    assert_eq!((scored.points(), scored.suffices()), (75, false), "Jonas and Julian");
}

#[test]
fn what_stands_where_nothing_is_known_identifies_nobody() {
    let nobody = Subject {
        family_name: some("Unbekannt"),
        given_name: some("N.N."),
        birth_date: NaiveDate::from_ymd_opt(1900, 1, 1),
        patient_number: some("0000"),
        insurance_number: some("1234567"),
        ..sent()
    };
    let identifying = nobody.identifying();
    assert_eq!(identifying, Subject { sex: nobody.sex, ..Subject::default() });
    let year = Subject { birth_date: None, birth_date_text: some("1900"), ..sent() };
    assert_eq!(year.identifying().birth_date_text, None);
    let known = Subject { insurance_number: some(" A123456780"), patient_number: some("12"), ..sent() };
    assert_eq!(known.identifying(), Subject { insurance_number: some("A123456780"), ..known });
}

#[test]
fn numbers_that_differ_exclude_and_a_decision_lifts_only_the_practices_own() {
    let (one, other) = (some("A123456780"), some("B123456780"));
    let insured = Subject { insurance_number: one.clone(), ..sent() };
    let scored = score(&insured, &Known { insurance_number: other.clone(), ..known() });
    assert!(scored.excluded() && scored.points() == 80);
    assert!(scored.with(Reason::DecidedBefore).excluded());
    let numbered = score(&Subject { patient_number: one, ..sent() }, &Known { patient_number: other, ..known() });
    assert!(numbered.excluded());
    assert!(!numbered.with(Reason::DecidedBefore).excluded());
}

#[test]
fn a_partial_birth_date_fits_or_contradicts() {
    let part = |text: &str| Subject { birth_date: None, birth_date_text: some(text), ..sent() };
    assert_eq!(points(&part("1966"), &known()), (65, false));
    assert_eq!(points(&part("1966-10"), &known()), (65, false));
    assert_eq!(points(&part("1966-11"), &known()), (50, true));
    assert_eq!(points(&part("1967"), &known()), (50, true));
    assert_eq!(points(&part("about 1966"), &known()), (50, false), "no date says nothing");
    let partly = |text: &str| Known { birth_date: None, birth_date_text: some(text), ..known() };
    assert_eq!(points(&part("1966-10"), &partly("1966")), (65, false));
    assert_eq!(points(&part("1966"), &partly("1966-10")), (65, false));
    assert_eq!(points(&part("1966-10"), &partly("1966-09")), (50, true));
    assert_eq!(points(&sent(), &partly("1966-10")), (65, false));
}

#[test]
fn who_is_chosen_is_the_only_one_who_could_be_meant() {
    let (certain, possible) = (score(&sent(), &known()), score(&Subject { sex: None, ..sent() }, &known()));
    let far = score(&sent(), &Known { given_name: some("Jonas"), ..known() });
    let id = Uuid::from_u128;
    assert_eq!(choose(vec![(id(1), certain.clone()), (id(2), far.clone())]), Choice::Patient(id(1), certain.clone()));
    assert_eq!(choose(vec![(id(1), certain.clone()), (id(2), possible.clone())]), Choice::Unsure);
    assert_eq!(choose(vec![(id(1), possible.clone())]), Choice::Unsure);
    assert_eq!(choose(vec![(id(1), far)]), Choice::Nobody);
    let decided = possible.clone().with(Reason::DecidedBefore);
    assert_eq!(choose(vec![(id(1), decided.clone())]), Choice::Patient(id(1), decided.clone()));
    assert_eq!(choose(vec![(id(1), decided), (id(2), possible.clone())]), Choice::Unsure, "no tie is broken");
    assert_eq!(choose(vec![(id(1), certain.with(Reason::UnmatchedBefore))]), Choice::Unsure);
}

#[test]
fn codes_are_told_apart_and_read_back() {
    for reason in Reason::ALL {
        assert_eq!(Reason::from_code(reason.code()), Some(reason));
        assert_eq!(serde_json::to_value(reason).unwrap(), reason.code());
    }
    assert_eq!(Reason::from_code("no such"), None);
}

fn names() -> impl Strategy<Value = Option<String>> {
    prop::option::of(prop::sample::select(vec!["Müller", "Mueller-Meier", "Meier", "Hans", "Hans Peter", "J.", ""]))
        .prop_map(|name| name.map(str::to_owned))
}

fn numbers() -> impl Strategy<Value = Option<String>> {
    prop::option::of(prop::sample::select(vec!["A123456780", "B123456780"])).prop_map(|n| n.map(str::to_owned))
}

fn born() -> impl Strategy<Value = (Option<NaiveDate>, Option<String>)> {
    prop::sample::select(vec![
        (Some(DAY), None),
        (NaiveDate::from_ymd_opt(1966, 10, 25), None),
        (None, some("1966")),
        (None, some("1966-10")),
        (None, some("1967")),
        (None, None),
    ])
}

prop_compose! {
    fn anybody()(
        family_name in names(), given_name in names(), (birth_date, birth_date_text) in born(),
        sex in prop::option::of(prop::sample::select(vec!["male", "female", "other", "unknown"])),
        insurance_number in numbers(), patient_number in numbers(),
    ) -> Subject {
        Subject { patient_number, family_name, given_name, birth_date, birth_date_text, sex, insurance_number }
    }
}

/// The patient who was made of it.
fn made_of(subject: &Subject) -> Known {
    Known {
        id: Uuid::from_u128(1),
        family_name: subject.family_name.clone().unwrap_or_default(),
        given_name: subject.given_name.clone(),
        birth_date: subject.birth_date,
        birth_date_text: subject.birth_date_text.clone(),
        sex: subject.sex.unwrap_or("unknown").to_owned(),
        insurance_number: subject.insurance_number.clone(),
        patient_number: subject.patient_number.clone(),
    }
}

proptest! {
    /// It is the same whichever of two people is known, and in no order of its own.
    #[test]
    fn both_ways_are_the_same(one in anybody(), other in anybody()) {
        prop_assert_eq!(score(&one, &made_of(&other)), score(&other, &made_of(&one)));
    }

    /// Whoever is sent again contradicts nothing of what was sent.
    #[test]
    fn the_same_person_is_not_contradicted(one in anybody()) {
        let scored = score(&one, &made_of(&one));
        prop_assert!(!scored.contradicted() && scored.points() <= 100, "{:?}", scored);
    }

    /// Whoever contradicts in what does not change is not chosen, however much else agrees.
    #[test]
    fn who_contradicts_is_never_chosen(one in anybody(), other in anybody()) {
        let patient = made_of(&other);
        let differs = |a: &Option<String>, b: &Option<String>| a.is_some() && b.is_some() && a != b;
        let apart = differs(&one.insurance_number, &other.insurance_number)
            || differs(&one.patient_number, &other.patient_number)
            || one.birth_date.is_some() && other.birth_date.is_some() && one.birth_date != other.birth_date;
        let chosen = choose(vec![(patient.id, score(&one, &patient))]);
        prop_assert!(!(apart && matches!(chosen, Choice::Patient(..))));
    }

    /// Of two equal people none is chosen.
    #[test]
    fn no_tie_is_broken(one in anybody()) {
        let scored = score(&one, &made_of(&one));
        let chosen = choose(vec![(Uuid::from_u128(1), scored.clone()), (Uuid::from_u128(2), scored)]);
        prop_assert!(!matches!(chosen, Choice::Patient(..)));
    }
}
