//! Messages and files of a wanted size, grown from the samples: the same people and tests, more of them.
//! Must stay true: the readers have no more to say about them than about the samples, so what is measured is a good file's way.
use labor_demo::messages::{Messages, Person};
use labor_demo::{Failure, samples};
use ldt::tree::{Field, Node, Object, Record, Tree};

/// What stands for the numbers and names that are replaced.
const NUMBER: &str = "4040404040";
const PERSON: Person<'_> = Person { letters: "qqq", birth_date: "19040229" };
/// The sample's four tests so many times.
const TIMES: usize = 4;
const CHEMISTRY_2: &str = "Z01_ldt2_8201_iso885915.ldt";
const CHEMISTRY_3: &str = "Z01_LDT3_01_final.ldt";
const WITH_PDF: &str = "Z01_LDT3_06_pdf_anhang.ldt";
/// Field ids of LDT.
const ORDER_NUMBER: u16 = 8310;
const LAB_ORDER_NUMBER: u16 = 8311;
const FAMILY_NAME: u16 = 3101;
const BIRTH_DATE: u16 = 3103;
const TEST: u16 = 8410;
const BASE64: u16 = 6329;

/// An LDT 2 message: one patient, sixteen values.
pub(crate) fn chemistry() -> Result<Messages, Failure> {
    Messages::like(&ldt2(1)?, NUMBER, Some(PERSON))
}

/// An LDT 2 file of about so many bytes, sixteen values to a report.
pub(crate) fn ldt2(bytes: usize) -> Result<Vec<u8>, Failure> {
    let mut tree = Tree::read(&samples::named(CHEMISTRY_2)?.bytes)?;
    tree.records.remove(2);
    let report = tree.records.get_mut(1).ok_or("the sample has changed")?;
    let tests = report.nodes.iter().position(|node| is(node, TEST)).ok_or("the sample has changed")?;
    let mut tests = report.nodes.split_off(tests);
    // What is about the whole report or one moment: it would be said again and again.
    tests.retain(|node| ![8470, 8422, 8490].iter().any(|id| is(node, *id)));
    for time in 0..TIMES {
        let mut tests = tests.clone();
        each(&mut tests, TEST, &|field| field.text += &time.to_string());
        report.nodes.append(&mut tests);
    }
    for id in [ORDER_NUMBER, LAB_ORDER_NUMBER] {
        each(&mut report.nodes, id, &|field| field.text = NUMBER.to_owned());
    }
    each(&mut report.nodes, FAMILY_NAME, &|field| field.text = format!("Muster{}", PERSON.letters));
    each(&mut report.nodes, BIRTH_DATE, &|field| field.text = PERSON.birth_date.to_owned());
    repeated(tree, bytes)
}

/// An LDT 3 file of about so many bytes.
pub(crate) fn ldt3(bytes: usize) -> Result<Vec<u8>, Failure> {
    let mut tree = Tree::read(&samples::named(CHEMISTRY_3)?.bytes)?;
    let report = tree.records.get_mut(1).ok_or("the sample has changed")?;
    let all = object(&mut report.nodes, 8135).ok_or("the sample has changed")?;
    let chemistry = |node: &&Node| matches!(node, Node::Object(object) if object.attribute.0 == 8160);
    let results: Vec<Node> = all.nodes.iter().filter(chemistry).cloned().collect();
    for _ in 1..TIMES {
        all.nodes.extend(results.clone());
    }
    repeated(tree, bytes)
}

/// An LDT 3 message with one PDF of about so many bytes, and this order number.
pub(crate) fn pdf(number: &str, bytes: usize) -> Result<Vec<u8>, Failure> {
    let mut tree = Tree::read(&samples::named(WITH_PDF)?.bytes)?;
    let report = tree.records.get_mut(1).ok_or("the sample has changed")?;
    for id in [ORDER_NUMBER, LAB_ORDER_NUMBER] {
        each(&mut report.nodes, id, &|field| field.text = number.to_owned());
    }
    let lines = object(&mut report.nodes, 8242).ok_or("the sample has changed")?;
    let line = lines.nodes.iter().find(|node| is(node, BASE64)).ok_or("the sample has changed")?.clone();
    let length = if let Node::Field(field) = &line { field.text.len() + 9 } else { 1 };
    lines.nodes = vec![line; (bytes / length).max(1)];
    Ok(tree.write()?)
}

/// An HL7 message of about so many bytes: the chemistry sample's order again and again.
pub(crate) fn hl7(bytes: usize) -> Result<Vec<u8>, Failure> {
    let sample = samples::hl7("chemistry_critical.hl7")?;
    let order = sample.find("\rORC|").ok_or("the sample has changed")?;
    let (head, order) = sample.split_at(order + 1);
    Ok((head.to_owned() + &order.repeat((bytes / order.len()).max(1))).into_bytes())
}

/// An HL7 message with one PDF of about so many bytes.
pub(crate) fn hl7_pdf(bytes: usize) -> Result<Vec<u8>, Failure> {
    let sample = samples::hl7("microbiology_pdf.hl7")?;
    let (before, behind) = sample.split_once("^Base64^").ok_or("the sample has changed")?;
    let (_, behind) = behind.split_once('|').ok_or("the sample has changed")?;
    Ok(format!("{before}^Base64^{}|{behind}", "JVBERi0x".repeat((bytes / 8).max(1))).into_bytes())
}

/// The file with its one report as often as fits.
fn repeated(mut tree: Tree, bytes: usize) -> Result<Vec<u8>, Failure> {
    let report = tree.records.get(1).ok_or("the sample has changed")?.clone();
    let one = tree.write()?.len();
    tree.records.insert(1, report.clone());
    let each = tree.write()?.len() - one;
    tree.records.remove(1);
    let more: Vec<Record> = vec![report; bytes.saturating_sub(one) / each];
    tree.records.splice(1..1, more);
    Ok(tree.write()?)
}

fn is(node: &Node, id: u16) -> bool {
    matches!(node, Node::Field(field) if field.id.0 == id)
}

/// Every field with this id, at any depth.
fn each(nodes: &mut [Node], id: u16, change: &dyn Fn(&mut Field)) {
    for node in nodes {
        match node {
            Node::Field(field) if field.id.0 == id => change(field),
            Node::Field(_) => {}
            Node::Object(object) => each(&mut object.nodes, id, change),
        }
    }
}

/// The first object with this attribute, at any depth.
fn object(nodes: &mut [Node], attribute: u16) -> Option<&mut Object> {
    for node in nodes {
        if let Node::Object(found) = node {
            if found.attribute.0 == attribute {
                return Some(found);
            }
            if let Some(deeper) = object(&mut found.nodes, attribute) {
                return Some(deeper);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use labor_demo::messages::order_number;

    fn warnings(bytes: &[u8]) -> Vec<String> {
        ldt::read(bytes).unwrap().warnings.iter().map(|warning| format!("{:?}", warning.kind)).collect()
    }

    #[test]
    fn a_message_is_read_as_the_sample_is_and_has_its_number() {
        let messages = chemistry().unwrap();
        for _ in 0..30 {
            let made = messages.numbered();
            let package = ldt::read(&made.body).unwrap();
            let number = Some(order_number(made.number));
            let [report] = &package.reports[..] else { panic!("{} reports", package.reports.len()) };
            assert_eq!((&report.order_number, &report.lab_order_number), (&number, &number));
            assert_eq!(report.results.len(), 16);
            // No value that somebody has to be called about: that is other work.
            assert!(!made.body.windows(6).any(|line| line == b"8422++"));
            assert_eq!(warnings(&made.body), warnings(&samples::named(CHEMISTRY_2).unwrap().bytes));
        }
    }

    #[test]
    fn sixteen_values_are_sixteen_tests() {
        let package = ldt::read(&chemistry().unwrap().next()).unwrap();
        let mut codes: Vec<String> = package.reports[0].results.iter().map(|result| result.test_code.clone()).collect();
        codes.sort();
        codes.dedup();
        assert_eq!(codes.len(), 16);
    }

    #[test]
    fn files_are_as_large_as_wanted_and_read_without_new_warnings() {
        const MEGABYTE: usize = 1_000_000;
        let made = [
            (CHEMISTRY_2, ldt2(MEGABYTE).unwrap()),
            (CHEMISTRY_3, ldt3(MEGABYTE).unwrap()),
            (WITH_PDF, pdf("0000000001", MEGABYTE).unwrap()),
        ];
        for (sample, bytes) in made {
            assert!(bytes.len().abs_diff(MEGABYTE) < MEGABYTE / 20, "{sample}: {} bytes", bytes.len());
            let known = warnings(&samples::named(sample).unwrap().bytes);
            assert!(warnings(&bytes).iter().all(|warning| known.contains(warning)), "{sample}");
        }
        for (bytes, wanted) in [(hl7(100_000).unwrap(), 100_000), (hl7_pdf(MEGABYTE).unwrap(), MEGABYTE)] {
            assert!(bytes.len().abs_diff(wanted) < wanted / 20, "{} bytes", bytes.len());
            ::hl7::read(&bytes).unwrap();
        }
    }

    #[test]
    fn a_pdf_comes_with_the_wanted_number() {
        let package = ldt::read(&pdf("0000000077", 100_000).unwrap()).unwrap();
        let report = &package.reports[0];
        assert_eq!(report.lab_order_number.as_deref(), Some("0000000077"));
        assert!(report.attachments[0].base64.as_ref().unwrap().len() > 80_000);
    }
}
