//! What transport does to messages: charsets, line ends, byte order marks, several packages, parts of packages.

use ldt::{Charset, Recipient};

use crate::support::{all, broken, codes, content, field, fields, good, render, replace};

/// What a channel does that believes the file to be ISO 8859-1 (or -15, or CP437) and sends UTF-8.
fn to_utf8(bytes: &[u8], charset: Charset) -> Vec<u8> {
    charset.decode(bytes).into_bytes()
}

#[test]
fn conversion_to_utf8_is_undone() {
    for (name, bytes) in all("good").into_iter().filter(|(name, _)| !name.starts_with('S')) {
        let whole = ldt::read(&bytes).unwrap();
        let misread = to_utf8(&bytes, Charset::Latin1);
        for converted in [to_utf8(&bytes, whole.charset), misread] {
            let package = ldt::read(&converted).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(package.transcoded, "{name}");
            assert!(codes(&package).contains(&"transcoded"), "{name}");
            assert_eq!(content(&package), content(&whole), "{name}");
        }
    }
}

/// A converter that believes in windows-1252 leaves signs no charset of LDT has.
#[test]
fn wrong_beliefs_of_converters_are_undone() {
    let bytes = good("X01_ldt2_8201_cp437");
    let whole = ldt::read(&bytes).unwrap();
    let package = ldt::read(&to_utf8(&bytes, Charset::Windows1252)).unwrap();
    assert_eq!((package.charset, package.transcoded), (Charset::Cp437, true));
    assert_eq!(content(&package), content(&whole));
    // The euro sign of ISO 8859-15 is another sign in ISO 8859-1; the checksum tells.
    let mut all = fields(&good("Z01_LDT3_01_final"));
    let name = all.iter().position(|(id, content)| id == "8411" && content == b"Kalium").unwrap();
    all[name].1 = b"Kalium \xA4".to_vec();
    for belief in [Charset::Latin1, Charset::Windows1252, Charset::Latin9] {
        let package = ldt::read(&to_utf8(&render(&all), belief)).unwrap();
        assert_eq!(package.reports[0].results[0].test_name.as_deref(), Some("Kalium €"), "{belief:?}");
    }
}

#[test]
fn conversion_that_destroys_characters_is_noticed() {
    let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned().into_bytes();
    let error = ldt::read(&lossy(&good("Z01_LDT3_01_final"))).unwrap_err();
    assert_eq!(error.code(), "checksum-mismatch");
    let package = ldt::read(&lossy(&good("Z01_ldt2_8201_iso885915"))).unwrap();
    assert!(codes(&package).contains(&"characters-lost"));
}

#[test]
fn wrong_charset_declarations_are_seen_through() {
    let latin = content(&ldt::read(&good("Z01_ldt2_8201_iso885915")).unwrap());
    for (name, old, codes_of_others) in
        [("X01_ldt2_8201_cp437", "2", ["1", "3", "4"]), ("Z01_ldt2_8201_iso885915", "4", ["1", "2", "2"])]
    {
        for code in codes_of_others {
            let package = ldt::read(&replace(&good(name), "9106", old, &[field("9106", code)])).unwrap();
            assert_eq!(codes(&package), ["charset-contradicted"], "{name} as {code}");
            assert_eq!(content(&package), latin, "{name} as {code}");
        }
    }
    let din = content(&ldt::read(&good("S01_ldt2_8201_din66003")).unwrap());
    let package = ldt::read(&replace(&good("S01_ldt2_8201_din66003"), "9106", "1", &[field("9106", "4")])).unwrap();
    assert_eq!((codes(&package), content(&package)), (vec!["charset-contradicted"], din));
}

#[test]
fn utf8_with_honest_lengths_is_read_as_utf8() {
    for (name, bytes) in all("good").into_iter().filter(|(name, _)| !name.starts_with('S')) {
        let whole = ldt::read(&bytes).unwrap();
        let converted: Vec<_> = fields(&bytes).into_iter().map(|(id, c)| (id, to_utf8(&c, whole.charset))).collect();
        let package = ldt::read(&render(&converted)).unwrap();
        assert_eq!((package.charset, package.transcoded), (Charset::Utf8, false), "{name}");
        assert_eq!(content(&package), content(&whole), "{name}");
    }
}

#[test]
fn line_ends_do_not_matter() {
    for (name, bytes) in all("good") {
        let whole = ldt::read(&bytes).unwrap();
        let lf: Vec<u8> = bytes.iter().copied().filter(|byte| *byte != b'\r').collect();
        let cr: Vec<u8> = bytes.iter().copied().filter(|byte| *byte != b'\n').collect();
        for changed in [lf, cr] {
            let package = ldt::read(&changed).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(content(&package), content(&whole), "{name}");
            assert!(codes(&package).contains(&"line-ends"), "{name}");
        }
        // UTF-8 and LF at once, as editors and version control do.
        let both: Vec<u8> = to_utf8(&bytes, whole.charset).into_iter().filter(|byte| *byte != b'\r').collect();
        assert_eq!(content(&ldt::read(&both).unwrap()), content(&whole), "{name}");
        // Byte order mark, Ctrl-Z, blank lines around.
        let mut framed = [b"\xEF\xBB\xBF", &bytes[..], b"\x1A"].concat();
        let package = ldt::read(&framed).unwrap();
        assert!(codes(&package).contains(&"byte-order-mark") && codes(&package).contains(&"trailing-bytes"), "{name}");
        framed.drain(..3);
        framed.splice(0..0, *b"\r\n\r\n");
        assert_eq!(content(&ldt::read(&framed).unwrap()), content(&whole), "{name}");
    }
}

/// Software that counts the line end as one byte, or not at all: one rule explains all lines.
#[test]
fn one_rule_for_all_prefixes_is_accepted() {
    for shortfall in [1, 2] {
        let bytes = good("Z01_ldt2_8201_iso885915");
        let mut message = Vec::new();
        for (id, content) in fields(&bytes) {
            message.extend(format!("{:03}{id}", content.len() + 9 - shortfall).bytes());
            message.extend(content);
            message.extend(b"\r\n");
        }
        let package = ldt::read(&message).unwrap();
        assert!(codes(&package).contains(&"length-rule"));
        let copy = package.extract(&message, &package.recipients()[0]);
        assert_eq!(content(&ldt::read(&copy).unwrap()), content(&package));
    }
}

#[test]
fn a_wrong_prefix_is_forgiven_only_if_the_content_is_proven() {
    let bytes = good("Z01_ldt2_8201_iso885915");
    let text = Charset::Latin1.decode(&bytes);
    let latin = |text: String| text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect::<Vec<u8>>();
    let typo = ldt::read(&latin(text.replacen("01284206.8", "01384206.8", 1))).unwrap();
    assert_eq!(codes(&typo), ["line-length"]);
    let lost = ldt::read(&latin(text.replacen("01384200.93", "01384200.9", 1))).unwrap_err();
    assert_eq!(lost.code(), "length-mismatch");
    assert_eq!(lost.location().unwrap().line, 51);
}

#[test]
fn extracts_are_valid_packages_of_one_recipient() {
    let bytes = good("Z01_LDT3_07_zwei_einsender_ein_paket");
    let utf8 = to_utf8(&bytes, Charset::Latin9);
    let lf: Vec<u8> = bytes.iter().copied().filter(|byte| *byte != b'\r').collect();
    for input in [bytes.clone(), utf8, lf] {
        let package = ldt::read(&input).unwrap();
        let recipients = package.recipients();
        let numbers: Vec<_> = recipients.iter().map(|recipient| recipient.bsnr.as_deref()).collect();
        assert_eq!(numbers, [Some("123456700"), Some("222222200")]);
        for (index, recipient) in recipients.iter().enumerate() {
            let part = package.extract(&input, recipient);
            let again = ldt::read(&part).unwrap();
            assert_eq!(again.reports.len(), 1);
            assert_eq!(content(&again)[0], content(&package)[index]);
            assert_eq!(again.recipients(), std::slice::from_ref(recipient));
            assert_eq!(again.transcoded, package.transcoded);
            let other = if index == 0 { "zdemir" } else { "PAT-0001" };
            assert!(!String::from_utf8_lossy(&part).contains(other), "nothing of the other practice's patient");
            let kept = &input[package.reports[index].span.clone()];
            assert!(part.windows(kept.len()).any(|window| window == kept), "bytes are untouched");
        }
        assert!(package.extract(&input, &Recipient::default()).is_empty());
    }
    let first = ldt::read(&bytes).unwrap();
    let part = first.extract(&bytes, &first.recipients()[0]);
    assert!(ldt::read(&part).unwrap().warnings.is_empty());
}

#[test]
fn extracting_the_only_recipient_changes_nothing() {
    for (name, bytes) in all("good").into_iter().filter(|(name, _)| !name.contains("_07_")) {
        let package = ldt::read(&bytes).unwrap();
        assert_eq!(package.extract(&bytes, &package.recipients()[0]), bytes, "{name}");
    }
    let bytes = broken("utf8_reencoded_lengths_unchanged");
    let package = ldt::read(&bytes).unwrap();
    assert_eq!(package.extract(&bytes, &package.recipients()[0]), bytes);
}

#[test]
fn several_packages_in_one_file() {
    for name in ["Z01_LDT3_01_final", "Z01_ldt2_8201_iso885915"] {
        let one = good(name);
        let two = [&one[..], &one[..]].concat();
        let package = ldt::read(&two).unwrap();
        assert_eq!(codes(&package), ["several-packages"]);
        assert_eq!(package.reports.len(), 2 * ldt::read(&one).unwrap().reports.len());
        assert_eq!(package.extract(&two, &package.recipients()[0]), two);
    }
    // Each header is the recipient of its own records.
    let one = good("Z01_ldt2_8201_iso885915");
    let other = replace(&one, "0201", "123456700", &[field("0201", "222222200")]);
    let package = ldt::read(&[&one[..], &other[..]].concat()).unwrap();
    let numbers: Vec<_> = package.reports.iter().map(|report| report.recipient.bsnr.clone().unwrap()).collect();
    assert_eq!(numbers, ["123456700", "123456700", "222222200", "222222200"]);
    // Of different laboratories, versions, or with a cut one in front: refused.
    let lab = replace(&one, "8321", "Laborweg 2", &[field("8321", "Laborweg 2")]);
    let lab = replace(&lab, "0101", "Z/39/2610/36/tst", &[field("0101", "Z/39/2610/36/abc")]);
    assert_eq!(ldt::read(&[&one[..], &lab[..]].concat()).unwrap_err().code(), "mixed-packages");
    assert!(ldt::read(&[&one[..], &good("Z01_LDT3_01_final")[..]].concat()).is_err());
    let cut = &one[..one.len() - 44];
    assert_eq!(ldt::read(&[cut, &one[..]].concat()).unwrap_err().code(), "missing-trailer");
}

#[test]
fn media_records_frame_an_ldt2_package() {
    let mut message = fields(&good("Z01_ldt2_8201_iso885915"));
    let plain = content(&ldt::read(&render(&message)).unwrap());
    message.splice(0..0, [field("8000", "0020"), field("8100", ""), field("9105", "001"), field("9106", "4")]);
    message.extend([field("8000", "0021"), field("8100", "")]);
    // 9202 does not count the media records.
    let framed = render(&message);
    let package = ldt::read(&framed).unwrap();
    assert_eq!(content(&package), plain);
}
