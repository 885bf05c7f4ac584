//! Damaged messages: cut, flipped, shortened, garbage. Nothing may panic, hang, or be taken for something else.

use crate::support::{all, broken, codes, content, good};

/// Deterministic pseudo-random numbers (Knuth's constants).
struct Lcg(u64);

impl Lcg {
    fn next(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or(0) % below.max(1)
    }
}

#[test]
fn no_prefix_of_a_message_is_a_message() {
    for (name, bytes) in all("good").into_iter().chain(all("broken")).filter(|(_, bytes)| bytes.len() < 20_000) {
        let whole = ldt::read(&bytes);
        // The line end of the last line may be missing, nothing else.
        let complete = bytes.trim_ascii_end().len();
        for cut in 0..bytes.len() {
            let result = ldt::read(&bytes[..cut]);
            let _ = ldt::looks_like_ldt(&bytes[..cut]);
            if cut < complete {
                assert!(result.is_err(), "{name} cut at {cut}");
            } else if let Ok(package) = &whole {
                assert_eq!(content(&result.unwrap()), content(package), "{name} cut at {cut}");
            }
        }
    }
}

#[test]
fn a_lost_byte_is_noticed_or_harmless() {
    for (name, bytes) in all("good") {
        let whole = ldt::read(&bytes).unwrap();
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged.remove(at);
            if let Ok(package) = ldt::read(&damaged) {
                assert_ne!(codes(&package), codes(&whole), "{name} without byte {at}: silently");
                assert_eq!(package.recipients(), whole.recipients(), "{name} without byte {at}");
                let doubted = codes(&package).contains(&"record-length");
                assert!(doubted || content(&package) == content(&whole), "{name} without byte {at}");
            }
        }
    }
}

#[test]
fn a_doubled_byte_is_noticed_or_harmless() {
    for (name, bytes) in all("good") {
        let whole = ldt::read(&bytes).unwrap();
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged.insert(at, bytes[at]);
            if let Ok(package) = ldt::read(&damaged) {
                assert_eq!(package.recipients(), whole.recipients(), "{name} with byte {at} doubled");
                let doubted = codes(&package).contains(&"record-length");
                assert!(doubted || content(&package) == content(&whole), "{name} with byte {at} doubled");
            }
        }
    }
}

/// LDT 3 has a checksum: whatever is flipped, the content is the same or the message is refused.
#[test]
fn a_flipped_byte_in_ldt3_changes_nothing() {
    let mut random = Lcg(3);
    for (name, bytes) in all("good").into_iter().filter(|(name, _)| name.contains("LDT3")) {
        let whole = ldt::read(&bytes).unwrap();
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << random.next(8);
            if let Ok(package) = ldt::read(&damaged) {
                assert_eq!(content(&package), content(&whole), "{name} at {at}");
            }
        }
    }
}

/// LDT 2 has none: contents may change, but no test may swallow another one, and the recipient only changes where it
/// stands.
#[test]
fn a_flipped_byte_in_ldt2_joins_nothing() {
    let mut random = Lcg(2);
    for (name, bytes) in all("good").into_iter().filter(|(name, _)| name.contains("ldt2")) {
        let whole = ldt::read(&bytes).unwrap();
        let header = bytes.windows(11).position(|window| window == b"01380008201").unwrap_or(363).min(363);
        for at in (0..bytes.len()).flat_map(|at| [at; 4]) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << random.next(8);
            let Ok(package) = ldt::read(&damaged) else { continue };
            let noticed = codes(&package) != codes(&whole);
            assert_eq!(package.reports.len(), whole.reports.len(), "{name} at {at}");
            for (report, original) in package.reports.iter().zip(&whole.reports) {
                assert!(report.recipient == original.recipient || at < header, "{name} at {at}");
                let tests = |report: &ldt::Report| report.results.len();
                assert!(noticed || tests(report) == tests(original), "{name} at {at}: a test is gone");
                for (result, original) in report.results.iter().zip(&original.results) {
                    assert!(noticed || result.values.len() <= original.values.len().max(1), "{name} at {at}");
                }
            }
        }
    }
}

#[test]
fn a_lost_line_is_noticed() {
    for (name, bytes) in all("good") {
        let whole = ldt::read(&bytes).unwrap();
        let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
        for skip in 0..lines.len() {
            let damaged: Vec<u8> =
                lines.iter().enumerate().filter(|(i, _)| *i != skip).flat_map(|(_, l)| l.to_vec()).collect();
            if let Ok(package) = ldt::read(&damaged) {
                assert!(codes(&package) != codes(&whole), "{name} without line {}", skip + 1);
                assert_eq!(package.reports.len(), whole.reports.len(), "{name} without line {}", skip + 1);
            }
        }
    }
}

#[test]
fn garbage_is_refused_quickly() {
    let mut random = Lcg(1);
    for round in 0..2000 {
        let length = random.next(600);
        let alphabet: &[u8] = if round % 2 == 0 { b"0123456789\r\n8000822Obj_ABCD" } else { b"" };
        let bytes: Vec<u8> = (0..length)
            .map(|_| {
                if alphabet.is_empty() {
                    u8::try_from(random.next(256)).unwrap()
                } else {
                    alphabet[random.next(alphabet.len())]
                }
            })
            .collect();
        assert!(ldt::read(&bytes).is_err());
        let _ = ldt::looks_like_ldt(&bytes);
    }
    for bytes in
        [&b""[..], b"\r\n\r\n", b"   ", b"\xEF\xBB\xBF", b"\x1A", b"000", b"0000000", b"<xml/>", b"\xFF\xFE0\x001\x00"]
    {
        assert!(ldt::read(bytes).is_err());
        let _ = ldt::looks_like_ldt(bytes);
    }
    assert_eq!(ldt::read(b" \r\n").unwrap_err(), ldt::Error::Empty);
}

/// Shuffled, repeated and dropped lines of real messages reach deeper than random bytes.
#[test]
fn shuffled_lines_never_panic() {
    let mut random = Lcg(7);
    for (_, bytes) in all("good") {
        let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
        for _ in 0..200 {
            let mut shuffled = lines.clone();
            for _ in 0..=random.next(4) {
                let (from, to) = (random.next(shuffled.len()), random.next(shuffled.len()));
                match random.next(3) {
                    0 => shuffled.swap(from, to),
                    1 => shuffled.insert(from, lines[to.min(lines.len() - 1)]),
                    _ => {
                        shuffled.remove(from);
                    }
                }
            }
            let _ = ldt::read(&shuffled.concat());
        }
    }
}

#[test]
fn bombs_cost_no_time() {
    assert_eq!(ldt::read(&broken("nesting_bomb_2000")).unwrap_err().code(), "too-deep");
    // A million objects, a million blank lines, a million length prefixes of zero.
    let header = good("Z01_LDT3_01_final");
    let mut nested = header[..1200].to_vec();
    nested.truncate(nested.iter().rposition(|byte| *byte == b'\n').unwrap() + 1);
    nested.extend(b"0358167Zusaetzliche_Informationen\r\n0178002Obj_0068\r\n".repeat(100_000));
    assert!(ldt::read(&nested).is_err());
    let mut blank = good("Z01_ldt2_8201_iso885915");
    blank.extend(b"\r\n".repeat(100_0000));
    assert_eq!(codes(&ldt::read(&blank).unwrap()), ["blank-lines"]);
    assert!(ldt::read(&b"0008000\r\n".repeat(100_000)).is_err());
    let mut tail = good("Z01_ldt2_8201_iso885915");
    tail.extend(b"\x1A\n".repeat(500_000));
    assert_eq!(codes(&ldt::read(&tail).unwrap()), ["trailing-bytes"]);
    let error = ldt::read(&vec![b' '; ldt::MAX_BYTES + 1]).unwrap_err();
    assert_eq!((error.code(), error.tolerance()), ("too-large", ldt::Tolerance::Reject));
    let error = ldt::read(&b"0098000\r\n".repeat(4_000_001)).unwrap_err();
    assert_eq!((error.code(), error.tolerance()), ("too-many-lines", ldt::Tolerance::Reject));
}

/// Texts of errors and warnings end up in logs: no content of the message in them.
#[test]
fn errors_and_warnings_say_nothing_of_the_patient() {
    let secrets = ["Müller", "Jürgen", "Mustermann", "19661024", "1966-10-24", "A123456780", "PAT-0001", "A-2026"];
    let mut random = Lcg(11);
    for (_, bytes) in all("good") {
        for _ in 0..400 {
            let mut damaged = bytes.clone();
            for _ in 0..2 {
                let at = random.next(damaged.len());
                damaged[at] = u8::try_from(random.next(256)).unwrap();
            }
            let texts = match ldt::read(&damaged) {
                Ok(package) => package.warnings.iter().map(|warning| format!("{warning} {warning:?}")).collect(),
                Err(error) => vec![format!("{error} {error:?}")],
            };
            for text in texts {
                assert!(!secrets.iter().any(|secret| text.contains(secret)), "{text}");
            }
        }
    }
}
