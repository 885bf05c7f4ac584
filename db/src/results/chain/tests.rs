//! Which version may replace which, as a table of cases.
use super::*;

fn version(message: u128, shown: &[(&str, &str, &str, bool)]) -> Version {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let shown = shown.iter().map(|(test, specimen, collected_at, valued)| Shown {
        test: (*test).to_owned(),
        specimen: some(specimen),
        collected_at: some(collected_at),
        unit: None,
        part_of: Vec::new(),
        valued: *valued,
        withdrawn: false,
    });
    Version {
        id: Uuid::from_u128(message),
        message_id: Uuid::from_u128(message),
        content: Vec::new(),
        arrived_at: DateTime::UNIX_EPOCH,
        stored: 1,
        invalidates_earlier: false,
        shown: shown.collect(),
        notes: Vec::new(),
        documents: Vec::new(),
    }
}

#[test]
fn a_final_report_replaces_the_partial_one_that_waited_for_a_value() {
    let partial = version(1, &[("K", "", "", true), ("TSH", "", "", false)]);
    let whole = version(2, &[("K", "", "", true), ("TSH", "", "", true)]);
    assert!(whole.replaces(&partial));
    assert!(!partial.replaces(&whole), "a value that is missing again hides nothing");
}

#[test]
fn the_same_test_of_another_time_or_specimen_replaces_nothing() {
    let fasting = version(1, &[("GLUC", "", "08:00", true), ("GLUC", "", "09:00", true)]);
    assert!(!version(2, &[("GLUC", "", "10:00", true)]).replaces(&fasting));
    assert!(!version(2, &[("GLUC", "Urin", "08:00", true), ("GLUC", "", "09:00", true)]).replaces(&fasting));
    assert!(!version(2, &[("GLUC", "", "08:00", true)]).replaces(&fasting), "one of two is not both");
}

#[test]
fn two_records_of_one_message_stand_beside_each_other() {
    let one = version(1, &[("K", "", "", true)]);
    let other = version(1, &[("K", "", "", true)]);
    assert!(!other.replaces(&one));
}

#[test]
fn a_report_of_text_or_pdf_alone_is_replaced_only_by_one_that_holds_it() {
    let text = Version { notes: vec!["Befund".to_owned()], ..version(1, &[]) };
    let pdf = Version { documents: vec![vec![1]], ..version(1, &[]) };
    let values = version(2, &[("K", "", "", true)]);
    assert!(!values.replaces(&text) && !values.replaces(&pdf));
    assert!(Version { notes: vec!["Befund".to_owned()], ..version(2, &[]) }.replaces(&text));
    assert!(Version { documents: vec![vec![1], vec![2]], ..version(2, &[]) }.replaces(&pdf));
    assert!(!Version { documents: vec![vec![2]], ..version(2, &[]) }.replaces(&pdf), "another document");
}

#[test]
fn beside_values_a_document_is_printed_anew_and_another_germ_has_values_of_its_own() {
    let partial = Version { documents: vec![vec![1]], ..version(1, &[("K", "", "", true)]) };
    assert!(Version { documents: vec![vec![2]], ..version(2, &[("K", "", "", true)]) }.replaces(&partial));
    let mut germ = version(1, &[("AMP", "", "", true)]);
    germ.shown[0].part_of = vec!["Sub-ID 1".to_owned()];
    let mut other = version(2, &[("AMP", "", "", true)]);
    other.shown[0].part_of = vec!["Sub-ID 2".to_owned()];
    assert!(!other.replaces(&germ));
}

#[test]
fn what_invalidates_everything_before_replaces_everything_before() {
    let whole = version(1, &[("K", "", "", true), ("TSH", "", "", true)]);
    assert!(Version { invalidates_earlier: true, ..version(2, &[("K", "", "", true)]) }.replaces(&whole));
}

/// The same, but what has no value was taken back.
fn withdrawing(message: u128, shown: &[(&str, &str, &str, bool)]) -> Version {
    let mut version = version(message, shown);
    version.shown.iter_mut().for_each(|shown| shown.withdrawn = !shown.valued);
    version
}

#[test]
fn a_value_that_was_taken_back_does_not_keep_its_version() {
    let wrong = version(1, &[("K", "Serum", "08:00", true), ("CREA", "Serum", "08:00", true)]);
    assert!(withdrawing(2, &[("K", "Serum", "08:00", false), ("CREA", "Serum", "08:00", true)]).replaces(&wrong));
    assert!(withdrawing(2, &[("K", "", "", false), ("CREA", "Serum", "08:00", true)]).replaces(&wrong));
    assert!(!withdrawing(2, &[("K", "", "", false)]).replaces(&wrong), "what was not taken back stays");
    let other = withdrawing(2, &[("K", "Urin", "", false), ("CREA", "Serum", "08:00", true)]);
    assert!(!other.replaces(&wrong), "of another material");
    let series = version(1, &[("GLU", "", "08:00", true), ("GLU", "", "09:00", true)]);
    assert!(!withdrawing(2, &[("GLU", "", "", false)]).replaces(&series), "one withdrawal, one value");
    assert!(
        !version(2, &[("K", "", "", false), ("CREA", "Serum", "08:00", true)]).replaces(&wrong),
        "pending is not wrong"
    );
}

#[test]
fn of_two_that_arrived_at_the_same_moment_the_one_stored_first_comes_first() {
    let (first, second) = (version(1, &[]), Version { stored: 2, ..version(2, &[]) });
    assert!(first.comes_before(&second) && !second.comes_before(&first));
    let before = Stands {
        id: first.id,
        version: 1,
        patient: None,
        confirmed_at: DateTime::UNIX_EPOCH,
        invalidates_earlier: false,
    };
    let reread = Version { stored: i32::MAX, ..version(1, &[]) }.in_place_of(&before);
    assert!(reread.comes_before(&second), "read again it is not later than what came after it");
}
