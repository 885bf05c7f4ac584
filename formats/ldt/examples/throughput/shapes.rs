//! Messages of a given size: what laboratories send, and what somebody sends who means harm.

use ldt::tree::{Node, Object, Record, Tree};
use ldt::{Charset, Version};

/// Makes about so many bytes.
type Make = fn(usize) -> Vec<u8>;

pub(crate) const ALL: &[(&str, Make)] = &[
    ("LDT 2, chemistry", ldt2),
    ("LDT 2, one record", ldt2_one_record),
    ("LDT 2, CP437", ldt2_cp437),
    ("LDT 3, chemistry", ldt3),
    ("LDT 3, one report", ldt3_one_report),
    ("LDT 3, converted to UTF-8", ldt3_utf8),
    ("LDT 3, one PDF", ldt3_pdf),
    ("two million tiny lines", tiny_lines),
    ("one huge line", huge_line),
    ("nesting bomb", nesting_bomb),
    ("nesting at the limit", nested_to_the_limit),
    ("notices inside notices", nested_notices),
    ("a million objects", many_objects),
    ("many records", many_records),
    ("many recipients", many_recipients),
    ("one name in many lines", many_names),
    ("many materials", many_materials),
    ("many antibiograms", antibiograms),
    ("converted, sum wrong", utf8_wrong_sum),
    ("blank lines", blank_lines),
];

fn written(tree: &Tree) -> Vec<u8> {
    tree.write().unwrap_or_default()
}

/// So many copies as fit.
fn times(bytes: usize, unit: usize) -> usize {
    (bytes / unit).max(1)
}

fn header2(charset: Charset) -> Record {
    Record::new(8220)
        .field(9212, "LDT1014.01")
        .field(201, "123456700")
        .field(203, "Praxis Dr. Müller")
        .field(205, "Weg 1")
        .field(215, "12345")
        .field(216, "Musterhausen")
        .field(101, "Z/39/2610/36/tst")
        .field(9106, charset.code().unwrap_or("4"))
        .field(8312, "4711")
        .field(9103, "20261008")
}

fn patient2(record: Record) -> Record {
    record
        .field(8310, "A-2026-1")
        .field(8301, "20261008")
        .field(8302, "20261008")
        .field(3101, "Müller")
        .field(3103, "19661024")
        .field(8401, "E")
}

fn test2(record: Record, number: usize) -> Record {
    record
        .field(8410, &format!("T{}", number % 1000))
        .field(8411, "Kalium im Blut, größer")
        .field(8420, "4.6")
        .field(8421, "mmol/l")
        .field(8422, "+")
        .field(8461, "3.5")
        .field(8462, "5.1")
        .field(8480, "Wert kontrolliert")
}

fn file2(charset: Charset, records: Vec<Record>) -> Vec<u8> {
    let mut tree = Tree::new(Version::Ldt2, charset).record(header2(charset));
    tree.records.extend(records);
    written(&tree.record(Record::new(8221)))
}

fn chemistry2(bytes: usize, charset: Charset) -> Vec<u8> {
    let record = (0..40).fold(patient2(Record::new(8201)), test2);
    file2(charset, vec![record; times(bytes, 40 * 146)])
}

fn ldt2(bytes: usize) -> Vec<u8> {
    chemistry2(bytes, Charset::Latin9)
}

fn ldt2_cp437(bytes: usize) -> Vec<u8> {
    let one = patient2(Record::new(8201)).field(8410, "T").field(8480, &"üäöß▒▒▓█é".repeat(90));
    file2(Charset::Cp437, vec![one; times(bytes, 940)])
}

fn ldt2_one_record(bytes: usize) -> Vec<u8> {
    file2(Charset::Latin9, vec![(0..times(bytes, 146)).fold(patient2(Record::new(8201)), test2)])
}

fn site(attribute: u16, bsnr: &str) -> Object {
    Object::new(attribute, "Betriebsstaette", 19).field(204, "1").field(203, "Größe").field(201, bsnr)
}

fn header3() -> Record {
    Record::new(8220)
        .object(Object::new(8132, "Kopfdaten", 32).field(1, "LDT3.2.20"))
        .object(Object::new(8136, "Laborkennung", 36).field(7266, "2"))
        .object(site(8119, "987654300"))
}

fn report3(bsnr: &str, materials: usize, results: Vec<Object>) -> Record {
    let person = Object::new(8147, "Person", 47).field(7420, "12").field(3101, "Müller").field(3102, "Jürgen");
    let sender = Object::new(8122, "Einsenderidentifikation", 22).field(7321, "02").object(site(8119, bsnr));
    let information =
        Object::new(8117, "Befundinformationen", 17).field(8310, "A-1").field(8311, "L-1").field(8401, "2");
    let mut record =
        Record::new(8205).object(sender).object(Object::new(8145, "Patient", 45).object(person)).object(information);
    for number in 0..materials {
        record =
            record.object(Object::new(8137, "Material", 37).field(7364, &format!("PR{number}")).field(8430, "Serum"));
    }
    let mut all = Object::new(8135, "Laborergebnisbericht", 35);
    all.nodes.extend(results.into_iter().map(Node::Object));
    record.object(all)
}

fn result3(vessel: &str) -> Object {
    let normal = Object::new(8142, "Normalwert", 42)
        .field(8424, "20")
        .field(8461, "3.5")
        .field(8419, "1")
        .field(8421, "mmol/l")
        .field(8462, "5.1")
        .field(8422, "N");
    Object::new(8160, "UE_Klinische_Chemie", 60)
        .field(7304, "E-K")
        .field(7364, vessel)
        .field(8410, "K")
        .field(8411, "Kalium, größer")
        .field(8418, "06")
        .field(7306, "01")
        .field(8420, "4.6")
        .field(8419, "1")
        .field(8421, "mmol/l")
        .object(normal)
}

/// About the bytes of `result3`.
const RESULT3: usize = 345;

fn file3(records: Vec<Record>) -> Vec<u8> {
    let mut tree = Tree::new(Version::Ldt3, Charset::Latin9).record(header3());
    tree.records.extend(records);
    written(&tree.record(Record::new(8221)))
}

fn ldt3(bytes: usize) -> Vec<u8> {
    let record = report3("123456700", 1, vec![result3("PR0"); 40]);
    file3(vec![record; times(bytes, 40 * RESULT3 + 800)])
}

fn ldt3_one_report(bytes: usize) -> Vec<u8> {
    file3(vec![report3("123456700", 1, vec![result3("PR0"); times(bytes, RESULT3)])])
}

fn ldt3_utf8(bytes: usize) -> Vec<u8> {
    Charset::Latin9.decode(&ldt3(bytes)).into_bytes()
}

fn utf8_wrong_sum(bytes: usize) -> Vec<u8> {
    let text = Charset::Latin9.decode(&ldt3(bytes));
    text.replacen("01284204.6", "01284204.7", 1).into_bytes()
}

fn ldt3_pdf(bytes: usize) -> Vec<u8> {
    let mut base64 = Object::new(8242, "base64", 68);
    let line = "A".repeat(60);
    base64.nodes = vec![Node::field(6329, &line); times(bytes, 69)];
    let document = Object::new(8110, "Anhang", 10).field(9970, "100").object(base64).field(6303, "PDF");
    file3(vec![report3("123456700", 1, vec![result3("PR0")]).object(document)])
}

fn tiny_lines(bytes: usize) -> Vec<u8> {
    let mut record = patient2(Record::new(8201)).field(8410, "T");
    record.nodes.extend(vec![Node::field(8480, "x"); times(bytes, 10)]);
    file2(Charset::Latin9, vec![record])
}

fn huge_line(bytes: usize) -> Vec<u8> {
    let mut message = file2(Charset::Latin9, vec![test2(patient2(Record::new(8201)), 1)]);
    message.truncate(message.len() - 44);
    message.extend(b"9998480");
    message.extend(std::iter::repeat_n(b'x', bytes));
    message.extend(b"\r\n01380008221\r\n014810000044\r\n017920200000000\r\n");
    message
}

/// Nested as deep as the bytes allow, never closed.
fn nesting_bomb(bytes: usize) -> Vec<u8> {
    let mut message = written(&Tree::new(Version::Ldt3, Charset::Latin9).record(header3()));
    message.extend(b"01380008205\r\n");
    message.extend(b"0138167Text\r\n0178002Obj_0068\r\n".repeat(times(bytes, 30)));
    message
}

fn nest(number: u16, attribute: u16, inner: Object) -> Object {
    (0..60).fold(inner, |inner, _| Object::new(attribute, "X", number).object(inner))
}

fn nested_to_the_limit(bytes: usize) -> Vec<u8> {
    let text = Object::new(8167, "X", 68).field(3564, "x");
    let deep = nest(27, 8127, text);
    let count = times(bytes, 61 * 44);
    file3(vec![(0..count).fold(report3("123456700", 1, vec![result3("PR0")]), |record, _| record.object(deep.clone()))])
}

/// The text is at the bottom of sixty notices.
fn nested_notices(bytes: usize) -> Vec<u8> {
    let mut text = Object::new(8167, "X", 68);
    text.nodes = vec![Node::field(3564, "x"); times(bytes, 10)];
    file3(vec![report3("123456700", 1, vec![result3("PR0")]).object(nest(26, 8126, text))])
}

fn many_objects(bytes: usize) -> Vec<u8> {
    let mut record = report3("123456700", 1, vec![result3("PR0")]);
    record.nodes.extend(vec![Node::Object(Object::new(8167, "", 68)); times(bytes, 43).max(1_000_000)]);
    file3(vec![record])
}

fn many_records(bytes: usize) -> Vec<u8> {
    let record = patient2(Record::new(8201)).field(8410, "K").field(8420, "4.6").field(8421, "g");
    file2(Charset::Latin9, vec![record; times(bytes, 170)])
}

fn many_recipients(bytes: usize) -> Vec<u8> {
    let records = (0..times(bytes, 1150)).map(|number| report3(&format!("{number:09}"), 1, vec![result3("PR0")]));
    file3(records.collect())
}

fn many_names(bytes: usize) -> Vec<u8> {
    let mut record = patient2(Record::new(8201)).field(8410, "K").field(8420, "4.6").field(8421, "g");
    record.nodes.extend(vec![Node::field(3102, "Jürgen"); times(bytes, 15)]);
    file2(Charset::Latin9, vec![record])
}

/// Each result has its own vessel, in the worst order.
fn many_materials(bytes: usize) -> Vec<u8> {
    let count = times(bytes, RESULT3 + 100);
    let results = (0..count).rev().map(|number| result3(&format!("PR{number}"))).collect();
    file3(vec![report3("123456700", count, results)])
}

fn antibiograms(bytes: usize) -> Vec<u8> {
    let mut matrix = Object::new(8111, "Antibiogramm", 11);
    for _ in 0..times(bytes, 130) {
        for (id, text) in [(7287, "AMP"), (7370, "Ampicillin"), (7354, "K1"), (7367, "R"), (7289, ">=32"), (7290, "3")]
        {
            matrix.nodes.push(Node::field(id, text));
        }
    }
    let result = Object::new(8161, "UE_Mikrobiologie", 61)
        .field(7304, "E-1")
        .field(7364, "PR0")
        .field(8410, "U")
        .field(7281, "5")
        .field(8418, "06")
        .field(7354, "K1")
        .field(7355, "E. coli")
        .field(7286, "1")
        .object(matrix);
    file3(vec![report3("123456700", 1, vec![result])])
}

fn blank_lines(bytes: usize) -> Vec<u8> {
    let mut message = file2(Charset::Latin9, vec![test2(patient2(Record::new(8201)), 1)]);
    message.extend(b"\r\n".repeat(bytes / 2));
    message
}
