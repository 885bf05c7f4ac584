//! Which version may replace which, as a table of cases.
use super::*;

impl Version {
    /// Where nothing else was said before.
    fn replaces_it(&self, earlier: &Self) -> bool {
        self.replaces(earlier, std::slice::from_ref(earlier))
    }
}

fn version(message: u128, shown: &[(&str, &str, &str, bool)]) -> Version {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let shown = shown.iter().map(|(test, specimen, collected_at, valued)| Shown {
        test: (*test).to_owned(),
        specimen: some(specimen),
        collected_at: some(collected_at),
        unit: None,
        part_of: Vec::new(),
        valued: *valued,
        told: Vec::new(),
        so_far: false,
        invalidates: false,
        withdrawn: false,
    });
    Version {
        id: Uuid::from_u128(message),
        message_id: Uuid::from_u128(message),
        content: Vec::new(),
        arrived_at: DateTime::UNIX_EPOCH,
        current: true,
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
    assert!(whole.replaces_it(&partial));
    assert!(!partial.replaces_it(&whole), "a value that is missing again hides nothing");
}

#[test]
fn the_same_test_of_another_time_or_specimen_replaces_nothing() {
    let fasting = version(1, &[("GLUC", "", "08:00", true), ("GLUC", "", "09:00", true)]);
    assert!(!version(2, &[("GLUC", "", "10:00", true)]).replaces_it(&fasting));
    assert!(!version(2, &[("GLUC", "Urin", "08:00", true), ("GLUC", "", "09:00", true)]).replaces_it(&fasting));
    assert!(!version(2, &[("GLUC", "", "08:00", true)]).replaces_it(&fasting), "one of two is not both");
}

#[test]
fn two_records_of_one_message_stand_beside_each_other() {
    let one = version(1, &[("K", "", "", true)]);
    let other = version(1, &[("K", "", "", true)]);
    assert!(!other.replaces_it(&one));
}

#[test]
fn a_report_of_text_or_pdf_alone_is_replaced_only_by_one_that_holds_it() {
    let text = Version { notes: vec!["Befund".to_owned()], ..version(1, &[]) };
    let pdf = Version { documents: vec![vec![1]], ..version(1, &[]) };
    let values = version(2, &[("K", "", "", true)]);
    assert!(!values.replaces_it(&text) && !values.replaces_it(&pdf));
    assert!(Version { notes: vec!["Befund".to_owned()], ..version(2, &[]) }.replaces_it(&text));
    assert!(Version { documents: vec![vec![1], vec![2]], ..version(2, &[]) }.replaces_it(&pdf));
    assert!(!Version { documents: vec![vec![2]], ..version(2, &[]) }.replaces_it(&pdf), "another document");
}

#[test]
fn beside_values_a_document_is_printed_anew_and_another_germ_has_values_of_its_own() {
    let partial = Version { documents: vec![vec![1]], ..version(1, &[("K", "", "", true)]) };
    assert!(Version { documents: vec![vec![2]], ..version(2, &[("K", "", "", true)]) }.replaces_it(&partial));
    let mut germ = version(1, &[("AMP", "", "", true)]);
    germ.shown[0].part_of = vec!["Sub-ID 1".to_owned()];
    let mut other = version(2, &[("AMP", "", "", true)]);
    other.shown[0].part_of = vec!["Sub-ID 2".to_owned()];
    assert!(!other.replaces_it(&germ));
}

#[test]
fn what_invalidates_what_came_before_does_so_for_the_tests_that_it_holds() {
    let whole = version(1, &[("K", "", "08:00", true), ("TSH", "", "", true)]);
    let invalidating = |shown: &[(&str, &str, &str, bool)]| {
        let mut version = Version { invalidates_earlier: true, ..version(2, shown) };
        version.shown.iter_mut().for_each(|shown| shown.invalidates = true);
        version
    };
    assert!(invalidating(&[("K", "Serum", "09:00", true), ("TSH", "", "", true)]).replaces_it(&whole));
    assert!(!invalidating(&[("K", "", "08:00", true)]).replaces_it(&whole), "nobody corrected the TSH");
    assert!(
        !invalidating(&[("K", "", "08:00", true), ("TSH", "", "", false)]).replaces_it(&whole),
        "it says nothing of the TSH"
    );
    let mut other = invalidating(&[("K", "Serum", "09:00", true), ("TSH", "", "", true)]);
    other.shown[0].invalidates = false;
    assert!(!other.replaces_it(&whole), "the potassium of 09:00 is another");
    let twice = version(1, &[("K", "", "08:00", true), ("K", "", "10:00", true)]);
    assert!(!invalidating(&[("K", "", "10:00", true)]).replaces_it(&twice), "the potassium of 08:00 stays");
    let (eight, eleven) = (version(1, &[("K", "", "08:00", true)]), version(3, &[("K", "", "11:00", true)]));
    let corrected = Version {
        message_id: Uuid::from_u128(7),
        arrived_at: eleven.arrived_at,
        ..invalidating(&[("K", "", "11:00", true)])
    };
    let all = [eight, eleven];
    assert!(
        corrected.replaces(&all[1], &all) && !corrected.replaces(&all[0], &all),
        "the 11:00 is meant, in another report"
    );
}

#[test]
fn a_finding_in_words_is_replaced_only_by_one_that_says_it_too() {
    let found = |message: u128, specimen: &str, told: &[&str]| {
        let mut version = version(message, &[("CULTURE", specimen, "", false)]);
        version.shown[0].told = told.iter().map(|&text| text.to_owned()).collect();
        version
    };
    let germ = found(1, "Nase", &["MRSA"]);
    assert!(found(2, "Nase", &["MRSA"]).replaces_it(&germ));
    for other in [found(2, "Leiste", &["MRSA"]), found(2, "Nase", &["kein Wachstum"]), found(2, "Nase", &[])] {
        assert!(!other.replaces_it(&germ), "{other:?}");
    }
    assert!(
        germ.replaces_it(&Version { message_id: Uuid::from_u128(9), ..found(0, "", &[]) }),
        "what was pending came"
    );
}

#[test]
fn the_finding_replaces_what_was_said_so_far_of_the_same_material() {
    let said = |message: u128, specimen: &str, so_far: bool| {
        let mut version = version(message, &[("CULTURE", specimen, "", false)]);
        version.shown[0].told = vec![format!("{message} Keime")];
        version.shown[0].so_far = so_far;
        version
    };
    let so_far = said(1, "Nase", true);
    assert!(said(2, "Nase", false).replaces_it(&so_far));
    assert!(!said(2, "Nase", true).replaces_it(&so_far), "it says something else, and is not the last word");
    assert!(!said(2, "Leiste", false).replaces_it(&so_far));
    let mut nothing = said(2, "Nase", false);
    nothing.shown[0].told.clear();
    assert!(!nothing.replaces_it(&so_far), "it says nothing");
    assert!(!said(2, "Nase", true).replaces_it(&said(1, "Nase", false)));
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
    assert!(withdrawing(2, &[("K", "Serum", "08:00", false), ("CREA", "Serum", "08:00", true)]).replaces_it(&wrong));
    assert!(withdrawing(2, &[("K", "", "", false), ("CREA", "Serum", "08:00", true)]).replaces_it(&wrong));
    assert!(!withdrawing(2, &[("K", "", "", false)]).replaces_it(&wrong), "what was not taken back stays");
    let other = withdrawing(2, &[("K", "Urin", "", false), ("CREA", "Serum", "08:00", true)]);
    assert!(!other.replaces_it(&wrong), "of another material");
    let series = version(1, &[("GLU", "", "08:00", true), ("GLU", "", "09:00", true)]);
    assert!(!withdrawing(2, &[("GLU", "", "", false)]).replaces_it(&series), "one withdrawal, one value");
    assert!(
        !version(2, &[("K", "", "", false), ("CREA", "Serum", "08:00", true)]).replaces_it(&wrong),
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
