//! Damaged and hostile messages: cut, flipped, shortened, garbage. Nothing may panic, hang or fill the memory.
use std::time::{Duration, Instant};

use crate::support::all;

/// Deterministic pseudo-random numbers (Knuth's constants).
struct Lcg(u64);

impl Lcg {
    fn next(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or(0) % below.max(1)
    }
}

/// What HL7 can be hurt with: delimiters, escapes, frames, names, bytes of other character sets.
const HOSTILE: [&[u8]; 24] = [
    b"|",
    b"^",
    b"~",
    b"&",
    b"\\",
    b"\r",
    b"\n",
    b"\x0b",
    b"\x1c\r",
    b"\0",
    b"\xff",
    b"\xc3",
    "ü".as_bytes(),
    "\\XäB\\".as_bytes(),
    b"\\X00\\",
    b"\\.sp 99999999999999999999\\",
    b"\\XC3\\",
    b"\"\"",
    b"MSH|",
    b"\rPID|",
    b"\rORC|",
    b"\rOBR|",
    b"\rOBX|1|ED|",
    b"\rDSC|",
];

#[test]
fn random_damage_never_panics_and_says_no_content() {
    let mut random = Lcg(20_261_122);
    let samples: Vec<_> = all("good").into_iter().chain(all("broken")).collect();
    for _ in 0..4000 {
        let (name, bytes) = &samples[random.next(samples.len())];
        let mut damaged = bytes.clone();
        for _ in 0..=random.next(8) {
            let at = random.next(damaged.len());
            match random.next(4) {
                0 => {
                    let end = (at + random.next(9)).min(damaged.len());
                    damaged.drain(at..end);
                }
                1 => damaged.truncate(at),
                2 if at < damaged.len() => damaged[at] ^= 1 << random.next(8),
                _ => {
                    let token = HOSTILE[random.next(HOSTILE.len())];
                    damaged.splice(at..at, token.iter().copied());
                }
            }
        }
        let _ = hl7::looks_like_hl7(&damaged);
        let _ = hl7::Acknowledgement::of(&damaged).map(|ack| ack.answer("20261122", "1", None));
        match hl7::read(&damaged) {
            Ok(message) => assert!(!message.reports.is_empty(), "{name}"),
            Err(error) => {
                let said = error.to_string();
                for content in ["Müller", "Beispiel", "PAT-", "2610"] {
                    assert!(!said.contains(content), "{name}: {said}");
                }
            }
        }
    }
}

/// HL7 has no trailer. A cut that leaves a value half is noticed; one between two segments can't be.
#[test]
fn a_cut_inside_of_a_value_is_noticed() {
    for (name, bytes) in all("good") {
        let text = bytes;
        let last = text.windows(4).rposition(|window| &window[1..] == b"OBX").unwrap();
        let separator = if name.starts_with("own") { b'#' } else { b'|' };
        let mut seen = 0;
        for cut in last + 4..text.len() {
            seen += usize::from(text[cut - 1] == separator);
            if text[cut - 1] == b'\r' || seen >= 11 {
                break;
            }
            let code = hl7::read(&text[..cut]).unwrap_err();
            assert!(matches!(code.code(), "truncated" | "missing-field"), "{name} cut at {cut}: {code}");
        }
    }
}

#[test]
fn work_and_memory_are_bounded() {
    let head = "MSH|^~\\&|LIS|LAB||PRAXIS|20261008||ORU^R01|1|P|2.5\rPID|1||||Muster^Eva||19660101|F\rOBR|1|A|B|C\r";
    let obx = "OBX|1|NM|K||7.1|mmol/l|||||F\r";
    let begun = Instant::now();
    for hostile in [
        format!("{head}{}", "|".repeat(2_000_000)),
        format!("{head}OBX|1|ST|K||{}", "^".repeat(2_000_000)),
        format!("{head}{}", "\r".repeat(2_000_000)),
        format!("{head}OBX|1|ST|K||{}", "&".repeat(300_000)),
        format!("{head}{}", "OBX|1|ST|K||1\r".repeat(60_000)),
    ] {
        let refused = hl7::read(hostile.as_bytes()).err().map(|error| error.code());
        assert_eq!(refused, Some("too-many-fields"));
    }
    let note = "x".repeat(1_000_000);
    for hostile in [
        // One long text for each of many reports, orders, values and fields.
        format!(
            "{}NTE|1|L|{note}\r{}",
            &head[..head.find("OBR").unwrap()],
            (0..1000).map(|n| format!("OBR|1|A{n}|B|C\r{obx}")).collect::<String>()
        ),
        format!("{head}OBR|1|A|B|C{}^^{note}\r{}", "|".repeat(22), obx.repeat(1000)),
        format!("{head}OBX|1|NM|{note}||{}|||||F\r", "1~".repeat(1000)),
        format!("{head}OBX|1|RP|{note}||{}|||||F\r", "1~".repeat(1000)),
    ] {
        let refused = hl7::read(hostile.as_bytes()).err().map(|error| error.code());
        assert_eq!(refused, Some("too-many-copies"));
    }
    for (field, hostile) in
        [("OBR-3", head.replace("|B|", &format!("|{note}|"))), ("MSH-4", head.replace("|LAB|", &format!("|{note}|")))]
    {
        let refused = hl7::read(format!("{hostile}{obx}").as_bytes()).err().map(|error| error.to_string());
        assert!(refused.is_some_and(|said| said.contains(field) && said.contains("longer than any number")));
    }
    let many = format!("{head}{}", obx.repeat(8_000));
    assert_eq!(hl7::read(many.as_bytes()).unwrap().reports[0].results.len(), 8_000);
    let orders = |count: usize| {
        let more: String = (1..count).map(|n| format!("OBR|1|A{n}|B|C\r")).collect();
        hl7::read(format!("{head}{more}").as_bytes()).map(|message| message.reports.len()).map_err(|error| error.code())
    };
    assert_eq!((orders(1_000), orders(1_001)), (Ok(1_000), Err("too-many-reports")));
    let long_code = format!("{head}OBX|1|NM|{note}||1{}F\r", "|x".repeat(90_000));
    assert!(hl7::read(long_code.as_bytes()).is_ok());
    let escapes = format!("{head}OBX|1|FT|K||{}||||||F\r", "\\.sp 100\\".repeat(20_000));
    assert!(hl7::read(escapes.as_bytes()).is_ok());
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
}
