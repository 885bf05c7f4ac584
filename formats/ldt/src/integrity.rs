//! Lengths and checksums: did the bytes arrive as the laboratory sent them?
//!
//! What must stay true: a wrong length prefix is only forgiven if something else proves the content complete — the
//! record length (8100) in LDT 2, the SHA-1 (9300) in LDT 3, or one rule that explains every line of the file.

use crate::charset::Charset;
use crate::detect::{Confidence, Evidence};
use crate::error::{Error, FieldId, Location};
use crate::line::Line;
use crate::package::Version;
use crate::source::{Decoder, Form, Source};
use crate::structure::{Record, Section};
use crate::warning::{WarningKind, Warnings};

/// What was found out about a message as a whole.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Finding {
    /// The form that lengths and checksums fit.
    pub(crate) form: Form,
    /// Bytes by which all prefixes are too small (line ends counted as one byte or none); usually 0.
    pub(crate) shortfall: usize,
    pub(crate) charset: Charset,
    /// What the file says itself.
    pub(crate) declared: Option<Charset>,
    pub(crate) decoder: Decoder,
    pub(crate) transcoded: bool,
    pub(crate) confidence: Confidence,
}

/// Decides in which charset the bytes are and whether they were converted on the way. Checksums come later.
pub(crate) fn survey(source: &Source<'_>, declared: Charset, warnings: &mut Warnings) -> Finding {
    let evidence = Evidence::gather(source.bytes, &source.lines);
    let at = source.lines.first().map(|line| Location { field: None, ..line.at() }).unwrap_or_default();
    if evidence.utf8 {
        return survey_utf8(source, declared, at, warnings);
    }
    let decision = evidence.decide(declared);
    if decision.contradicted {
        warnings.push(WarningKind::CharsetContradicted, at);
    }
    let shortfall = shortfall(source, Form::Raw).unwrap_or(0);
    let (charset, confidence) = (decision.charset, decision.confidence);
    Finding {
        form: Form::Raw,
        shortfall,
        charset,
        declared: None,
        decoder: Decoder::Plain(charset),
        transcoded: false,
        confidence,
    }
}

fn survey_utf8(source: &Source<'_>, declared: Charset, at: Location, warnings: &mut Warnings) -> Finding {
    let text = String::from_utf8_lossy(source.bytes);
    if text.contains('\u{fffd}') {
        warnings.push(WarningKind::CharactersLost, at);
    }
    let form = Form::Recoded(declared);
    let misfits = |form: Form| {
        source.lines.iter().filter(|line| form.content_length(source.raw(line)) + 9 != line.declared()).count()
    };
    let raw = shortfall(source, Form::Raw);
    // Sent as UTF-8 with honest byte lengths: an odd sender, not a conversion.
    if raw.is_some() || misfits(Form::Raw) < misfits(form) {
        warnings.push(WarningKind::CharsetContradicted, at);
        let confidence = if raw.is_some() { Confidence::Certain } else { Confidence::Medium };
        let (shortfall, charset) = (raw.unwrap_or(0), Charset::Utf8);
        let decoder = Decoder::Plain(charset);
        return Finding { form: Form::Raw, shortfall, charset, declared: None, decoder, transcoded: false, confidence };
    }
    warnings.push(WarningKind::Transcoded, at);
    let (charset, decoder) = original(&text, declared);
    let confidence = match decoder {
        _ if text.contains('\u{fffd}') => Confidence::Low,
        Decoder::Plain(_) => Confidence::High,
        Decoder::Relabelled { .. } => Confidence::Medium,
    };
    let shortfall = shortfall(source, form).unwrap_or(0);
    Finding { form, shortfall, charset, declared: None, decoder, transcoded: true, confidence }
}

/// By how many bytes all length prefixes are too small, if it is the same number for all.
fn shortfall(source: &Source<'_>, form: Form) -> Option<usize> {
    let fits = |shortfall: &usize| {
        source.lines.iter().all(|line| form.content_length(source.raw(line)) + 9 == line.declared() + shortfall)
    };
    (0..=2).find(fits)
}

/// Which charset a converted message was in, and whether the converter knew. CP437 that was taken for ISO 8859-1 or
/// windows-1252 leaves characters the declared charset does not have, or C1 controls, which no text contains.
fn original(text: &str, declared: Charset) -> (Charset, Decoder) {
    let text = text.trim_start_matches('\u{feff}');
    let controls = text.chars().any(|c| ('\u{80}'..='\u{9f}').contains(&c));
    let can = |charset: Charset| text.chars().all(|c| c.is_ascii() || charset.byte_of(c).is_some());
    let candidates = [declared, Charset::Latin9, Charset::Latin1, Charset::Windows1252, Charset::Cp437];
    // No charset of text has controls: then only one that maps bytes to themselves can have been believed in.
    let skip = if controls { 2 } else { 0 };
    let via = candidates.into_iter().skip(skip).find(|charset| can(*charset));
    match via {
        Some(via) if controls || via != declared => {
            let bytes: Vec<u8> = text.chars().filter_map(|c| via.byte_of(c)).collect();
            let charset = Evidence::of(&bytes).decide(declared).charset;
            (charset, Decoder::Relabelled { via, charset })
        }
        _ => (declared, Decoder::Plain(Charset::Utf8)),
    }
}

/// Checks one package; returns the form its checksum fits.
pub(crate) fn verify(
    source: &Source<'_>,
    version: Version,
    section: &Section,
    finding: &Finding,
    warnings: &mut Warnings,
) -> Result<Form, Error> {
    let form = match version {
        Version::Ldt2 => finding.form,
        Version::Ldt3 => verify_sha1(source, section, finding)?,
    };
    if finding.shortfall > 0 {
        let line = source.line(section.header.lines.start)?;
        warnings.push(WarningKind::LengthRule, line.at());
    }
    let records = || std::iter::once(&section.header).chain(&section.reports).chain(std::iter::once(&section.trailer));
    for record in records() {
        let proven = match version {
            Version::Ldt3 => true,
            Version::Ldt2 => record_length(source, record, finding, warnings)?,
        };
        line_lengths(source, record, finding, proven, warnings)?;
    }
    if version == Version::Ldt2 {
        package_length(source, section, finding, warnings)?;
    }
    Ok(form)
}

/// Checks a record 0020 or 0021, which no package length counts.
pub(crate) fn media(
    source: &Source<'_>,
    record: &Record,
    finding: &Finding,
    warnings: &mut Warnings,
) -> Result<(), Error> {
    let proven = record_length(source, record, finding, warnings)?;
    line_lengths(source, record, finding, proven, warnings)
}

/// The sum of a trailer. Two of them would leave open which one is meant.
fn only<'s>(source: &'s Source<'_>, record: &Record, id: u16) -> Result<&'s Line, Error> {
    let mut found = source.lines.get(record.lines.clone()).unwrap_or_default().iter().filter(|l| l.id == FieldId(id));
    match (found.next(), found.next()) {
        (Some(line), None) => Ok(line),
        (Some(_), Some(second)) => Err(Error::RepeatedField { at: second.at() }),
        (None, _) => Err(Error::MissingField { field: FieldId(id), at: source.line(record.lines.start)?.at() }),
    }
}

fn nominal(source: &Source<'_>, record: &Record, finding: &Finding) -> usize {
    let lines = source.lines.get(record.lines.clone()).unwrap_or_default();
    lines.iter().map(|line| finding.form.content_length(source.raw(line)) + 9).sum()
}

fn prefixes(source: &Source<'_>, record: &Record) -> usize {
    source.lines.get(record.lines.clone()).unwrap_or_default().iter().map(|line| line.declared()).sum()
}

fn number(source: &Source<'_>, record: &Record, id: u16) -> Option<usize> {
    let content = source.raw(source.find(record.lines.clone(), id)?).trim_ascii();
    let digits = !content.is_empty() && content.len() <= 12 && content.iter().all(u8::is_ascii_digit);
    if digits { std::str::from_utf8(content).ok()?.parse().ok() } else { None }
}

/// 8100 is the sum of all line lengths of the record, itself included (KBV LDT 2, LDT1014.01, section 2.3.3).
/// True if it proves that no byte is missing.
fn record_length(
    source: &Source<'_>,
    record: &Record,
    finding: &Finding,
    warnings: &mut Warnings,
) -> Result<bool, Error> {
    let first = source.line(record.lines.start)?;
    let Some(line) = source.find(record.lines.clone(), 8100) else {
        return Err(Error::MissingField { field: FieldId(8100), at: first.at() });
    };
    let declared = number(source, record, 8100);
    let complete = declared == Some(nominal(source, record, finding));
    if !complete && declared != Some(prefixes(source, record)) {
        warnings.push(WarningKind::RecordLength, line.at());
    }
    Ok(complete)
}

fn line_lengths(
    source: &Source<'_>,
    record: &Record,
    finding: &Finding,
    proven: bool,
    warnings: &mut Warnings,
) -> Result<(), Error> {
    for line in source.lines.get(record.lines.clone()).unwrap_or_default() {
        let actual = finding.form.content_length(source.raw(line)) + 9;
        if line.declared() + finding.shortfall == actual {
            continue;
        }
        if !proven {
            return Err(Error::LengthMismatch { declared: line.declared(), actual, at: line.at() });
        }
        warnings.push(WarningKind::LineLength, line.at());
    }
    Ok(())
}

/// 9202 is the sum of the package's 8100; the specification does not say whether the trailer counts, so both do.
fn package_length(
    source: &Source<'_>,
    section: &Section,
    finding: &Finding,
    warnings: &mut Warnings,
) -> Result<(), Error> {
    let line = only(source, &section.trailer, 9202)?;
    let declared = number(source, &section.trailer, 9202);
    let body = || std::iter::once(&section.header).chain(&section.reports);
    let announced = |record: &Record| number(source, record, 8100).unwrap_or(0);
    let sums = [
        (body().map(|r| nominal(source, r, finding)).sum::<usize>(), nominal(source, &section.trailer, finding)),
        (body().map(|r| prefixes(source, r)).sum(), prefixes(source, &section.trailer)),
        (body().map(announced).sum(), announced(&section.trailer)),
    ];
    if !sums.iter().any(|(body, trailer)| declared == Some(*body) || declared == Some(body + trailer)) {
        warnings.push(WarningKind::PackageLength, line.at());
    }
    Ok(())
}

/// 9300 is the SHA-1 of all bytes before its line (KBV LDT 3 Satzbeschreibung 3.2.20, p. 73 and 98, E157).
/// Bytes that were converted on the way are converted back before they are judged.
fn verify_sha1(source: &Source<'_>, section: &Section, finding: &Finding) -> Result<Form, Error> {
    let line = only(source, &section.trailer, 9300)?;
    let end = section
        .trailer
        .lines
        .clone()
        .find(|i| source.lines.get(*i).is_some_and(|l| l.id == FieldId(9300)))
        .unwrap_or_default();
    let lines = source.lines.get(section.header.lines.start..end).unwrap_or_default();
    let announced = source.raw(line).trim_ascii().to_ascii_lowercase();
    let mut forms = vec![Form::Raw, Form::Lines];
    if finding.transcoded {
        forms.extend([Charset::Latin9, Charset::Latin1, Charset::Windows1252, Charset::Cp437].map(Form::Recoded));
    }
    let fits = |form: &Form| form.digest(source.bytes, lines).is_some_and(|sum| sum.as_bytes() == announced);
    forms.into_iter().find(fits).ok_or(Error::ChecksumMismatch { at: line.at() })
}
