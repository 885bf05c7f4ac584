//! Nothing that identifies somebody survives, in any charset; what was found does.

use std::collections::BTreeSet;

use ldt::tree::{Field, Node, Tree};
use ldt::{Charset, FieldId, Version};

use super::{fixture, run, text};

const KEY: &str = "a key for the tests, not random";

fn all(nodes: &[Node], found: &mut Vec<Field>) {
    for node in nodes {
        match node {
            Node::Field(field) => found.push(field.clone()),
            Node::Object(object) => all(&object.nodes, found),
        }
    }
}

fn fields(tree: &Tree) -> Vec<Field> {
    let mut found = Vec::new();
    tree.records.iter().for_each(|record| all(&record.nodes, &mut found));
    found
}

/// What must not survive: an own list, independent of the program's.
fn secrets(tree: &Tree) -> BTreeSet<String> {
    let identifying = [
        200, 201, 203, 205, 211, 212, 215, 216, 1250, 3000, 3100, 3101, 3102, 3103, 3105, 3107, 3112, 3113, 3119, 6329,
        7305, 7330, 7358, 8310, 8311, 8312, 8320, 8321, 8322, 8323, 8405, 8490, 8615,
    ];
    let of = |field: &Field| {
        let words = field.text.split(|c: char| !c.is_alphanumeric()).filter(|word| word.chars().count() >= 4);
        let mut found = vec![field.text.clone()];
        // A digit of an order number may be anywhere; a name may not.
        found.extend(words.filter(|word| word.chars().all(char::is_alphabetic)).map(str::to_owned));
        found
    };
    // The last line of a document is often the same in all of them.
    let whole = |field: &Field| field.id.0 != 6329 || field.text.len() >= 40;
    let chosen = fields(tree).into_iter().filter(|field| identifying.contains(&field.id.0) && whole(field));
    chosen.flat_map(|field| of(&field)).filter(|text| text.chars().count() >= 4).collect()
}

fn anonymise(bytes: &[u8], key: &str) -> Vec<u8> {
    let output = run(&["anonymise", "-", "--key", key], bytes);
    assert!(output.status.success(), "{}", text(&output.stderr));
    output.stdout
}

/// Every good fixture; the LDT 2 ones in every charset.
fn inputs() -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(fixture("good")).unwrap() {
        let path = entry.unwrap().path();
        let (name, bytes) = (path.file_stem().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap());
        let tree = Tree::read(&bytes).unwrap();
        if tree.version == Version::Ldt2 {
            use Charset::{Cp437, Din66003, Latin1, Latin9, Utf8, Windows1252};
            for charset in [Din66003, Cp437, Latin1, Latin9, Windows1252, Utf8] {
                let mut other = Tree { charset, ..tree.clone() };
                for node in &mut other.records[0].nodes {
                    if let Node::Field(field) = node
                        && field.id == FieldId(9106)
                    {
                        field.text = charset.code().unwrap_or("4").to_owned();
                    }
                }
                // A sample may have letters that DIN 66003 lacks.
                found.extend(other.write().ok().map(|bytes| (format!("{name} {charset:?}"), bytes)));
            }
        }
        found.push((name, bytes));
    }
    found
}

#[test]
fn nothing_that_identifies_survives_in_any_charset() {
    let inputs = inputs();
    assert!(inputs.len() > 50);
    for (name, bytes) in inputs {
        let before = Tree::read(&bytes).unwrap();
        let anonymous = anonymise(&bytes, KEY);
        let after = Tree::read(&anonymous).unwrap_or_else(|error| panic!("{name}: {error}"));
        let secrets = secrets(&before);
        assert!(secrets.len() > 5, "{name}");
        for charset in [before.charset, Charset::Utf8, Charset::Latin1] {
            for secret in &secrets {
                let Some(needle) = charset.encode(secret) else { continue };
                let found = anonymous.windows(needle.len()).position(|window| window == needle);
                assert_eq!(found, None, "{name}: {secret}");
            }
        }
        // Same lines, other contents; only attachments have another length.
        let ids = |tree: &Tree| -> Vec<FieldId> {
            fields(tree).iter().map(|field| field.id).filter(|id| id.0 != 6329).collect()
        };
        assert_eq!(ids(&after), ids(&before), "{name}");
    }
}

#[test]
fn what_was_found_is_kept() {
    for (name, bytes) in inputs() {
        let (before, after) = (ldt::read(&bytes).unwrap(), ldt::read(&anonymise(&bytes, KEY)).unwrap());
        let odd = |package: &ldt::Package| {
            let codes = package.warnings.iter().map(|warning| warning.code());
            // Masked letters are no longer evidence of a charset.
            codes.filter(|code| *code != "charset-contradicted").collect::<Vec<_>>()
        };
        assert_eq!(odd(&after), odd(&before), "{name}");
        assert_eq!(after.recipients().len(), before.recipients().len(), "{name}");
        for (new, old) in after.reports.iter().zip(&before.reports) {
            assert_eq!(
                (new.status, new.genetic, new.life_threatening),
                (old.status, old.genetic, old.life_threatening)
            );
            assert_eq!(new.signals(), old.signals(), "{name}");
            assert_eq!(new.results.len(), old.results.len(), "{name}");
            for (new, old) in new.results.iter().zip(&old.results) {
                assert_eq!(
                    (&new.test_code, new.status, &new.loinc),
                    (&old.test_code, old.status, &old.loinc),
                    "{name}"
                );
                assert_eq!((&new.collected_at, &new.specimen), (&old.collected_at, &old.specimen), "{name}");
                for (new, old) in new.values.iter().zip(&old.values).filter(|(_, old)| old.number.is_some()) {
                    assert_eq!(new, old, "{name}");
                }
            }
        }
        for attachment in after.reports.iter().flat_map(|report| &report.attachments) {
            assert!(attachment.decode().unwrap().starts_with(b"%PDF-"), "{name}");
        }
    }
}

/// The same person stays the same person: in the file, and with the same key in other files.
#[test]
fn the_same_person_stays_the_same() {
    let read = |name: &str, key: &str| {
        let bytes = std::fs::read(fixture(&format!("good/{name}.ldt"))).unwrap();
        let package = ldt::read(&anonymise(&bytes, key)).unwrap();
        let mut patient = package.reports[0].patient.clone().unwrap();
        patient.number = None;
        patient.insurance_number = None;
        (patient, package.reports[0].recipient.bsnr.clone())
    };
    let first = read("Z03_ldt2_8201_1_Teilbefund", KEY);
    assert_eq!(first, read("Z03_ldt2_8201_3_Wiederholung_B", KEY));
    assert_eq!(first.1, read("Z01_LDT3_01_final", KEY).1);
    assert_ne!(first.0, read("Z03_ldt2_8201_1_Teilbefund", "another key of sixteen").0);
    // Without a key nobody can repeat it.
    let bytes = std::fs::read(fixture("good/Z01_LDT3_01_final.ldt")).unwrap();
    let once = || run(&["anonymise", "-"], &bytes).stdout;
    assert_ne!(once(), once());
    let short = run(&["anonymise", "-", "--key", "short"], &bytes);
    assert_eq!(short.status.code(), Some(2));
}

/// A name in a text, in the name of a test, in the name of an object; before and after its own field.
#[test]
fn names_are_found_where_they_do_not_belong() {
    let bytes = std::fs::read(fixture("good/Z01_LDT3_01_final.ldt")).unwrap();
    let mut changed = Tree::read(&bytes).unwrap();
    fn rename(nodes: &mut [Node]) {
        for node in nodes {
            match node {
                Node::Field(field) if field.text == "Kalium" => field.text = "MÜLLER".to_owned(),
                Node::Field(_) => {}
                Node::Object(object) => {
                    if object.number == 45 {
                        object.name = "Müller".to_owned();
                    }
                    rename(&mut object.nodes);
                }
            }
        }
    }
    changed.records.iter_mut().for_each(|record| rename(&mut record.nodes));
    let anonymous = Charset::Latin9.decode(&anonymise(&changed.write().unwrap(), KEY)).to_lowercase();
    assert!(!anonymous.contains("müller"));
}
