//! From bytes to the message: limits, framing, character set, and which segment belongs to which.
//!
//! What must stay true: all or nothing; work and memory are bounded by the limits here, whatever the bytes are; a message that was
//! cut is refused wherever that can be seen (HL7 has no trailer: a cut between two segments can't).

use std::borrow::Cow;

use er7::Separators;

use crate::segment::{Context, Seg};
use crate::{Charset, Error, Location, Message, WarningKind, header, order, patient};

/// The longest message that is read.
pub const MAX_BYTES: usize = 64 * 1024 * 1024;
/// As many delimiters and line ends as are read. Each costs some 400 bytes when it is taken apart; a large report has ten thousand.
const MAX_PARTS: usize = 100_000;
/// As many order groups (OBR) as are read: each may become a report, and a laboratory sends a day's results of one patient.
const MAX_ORDERS: usize = 1_000;

/// Begin and end of a message on a bare connection (MLLP).
const BLOCK: (u8, u8) = (0x0B, 0x1C);

/// One OBX and what is said under it.
pub(crate) struct Observed<'m> {
    pub(crate) obx: Seg<'m>,
    pub(crate) notes: Vec<String>,
    /// Which of the order's specimens stands before it.
    pub(crate) specimen: Option<usize>,
}

/// One OBR and what is said under it.
pub(crate) struct Group<'m> {
    pub(crate) orc: Option<Seg<'m>>,
    pub(crate) obr: Seg<'m>,
    pub(crate) notes: Vec<String>,
    pub(crate) observed: Vec<Observed<'m>>,
    pub(crate) specimens: Vec<Seg<'m>>,
    pub(crate) others: Vec<Seg<'m>>,
}

/// One PID, or none, and what is said under it.
#[derive(Default)]
pub(crate) struct PatientGroup<'m> {
    pub(crate) pid: Option<Seg<'m>>,
    pub(crate) notes: Vec<String>,
    pub(crate) orders: Vec<Group<'m>>,
    pub(crate) others: Vec<Seg<'m>>,
}

/// Whether the bytes mean to be HL7 v2, also as a batch.
#[must_use]
pub fn looks_like_hl7(bytes: &[u8]) -> bool {
    let text = unframed(bytes).0;
    [&b"MSH"[..], b"FHS", b"BHS"].iter().any(|name| text.starts_with(name))
        && text.get(3).is_some_and(|sign| !sign.is_ascii_alphanumeric() && !sign.is_ascii_whitespace())
}

/// Reads an ORU^R01.
///
/// # Errors
/// When anything in it can't be understood or is missing: nothing of it may be used then.
pub fn read(bytes: &[u8]) -> Result<Message, Error> {
    let (bytes, framed) = unframed(bytes);
    if bytes.is_empty() {
        return Err(Error::Empty);
    }
    if bytes.len() > MAX_BYTES {
        return Err(Error::TooLarge { length: bytes.len(), limit: MAX_BYTES });
    }
    if !looks_like_hl7(bytes) {
        return Err(Error::NotHl7);
    }
    let separators = separators(bytes).ok_or(Error::BadDelimiters)?;
    let parts = [separators.field, separators.component, separators.repetition, separators.subcomponent, '\r', '\n'];
    let counted = bytes.iter().filter(|byte| parts.contains(&char::from(**byte))).count();
    if counted > MAX_PARTS {
        return Err(Error::TooManyFields { limit: MAX_PARTS });
    }
    let at = Location { segment: 1, name: Some("MSH"), field: 18 };
    let declared = declared_charset(bytes, &separators);
    let (charset, contradiction) = Charset::of(bytes, &declared).ok_or(Error::CharsetUnknown { at })?;
    let text = charset.decode(bytes);
    let parsed = er7::parse(&text).map_err(|_| Error::BadDelimiters)?;
    let context = Context::new(separators, charset).of_length(text.len());
    let segments: Vec<_> = parsed.segments.iter().enumerate().map(|(n, s)| Seg::new(s, n + 1, &context)).collect();
    let Some(msh) = segments.first() else { return Err(Error::Empty) };
    contradiction.into_iter().for_each(|kind| msh.warn(kind, 18));
    if text.contains('\u{fffd}') {
        msh.warn(WarningKind::CharactersLost, 0);
    }
    ends_whole(&segments, framed, text.ends_with(['\r', '\n']))?;
    let mut message = begin(segments, &context)?;
    message.warnings = context.into_warnings().into_list();
    Ok(message)
}

/// The groups of a message, read.
fn begin<'m>(segments: Vec<Seg<'m>>, context: &'m Context) -> Result<Message, Error> {
    let mut segments = segments.into_iter();
    let Some(msh) = segments.next() else { return Err(Error::Empty) };
    if msh.name() != "MSH" {
        return Err(Error::SeveralMessages { at: msh.at(0) });
    }
    header::check(&msh)?;
    let laboratory = header::laboratory(&msh)?;
    let mut recipient = header::recipient(&msh)?;
    let groups = group(segments)?;
    if recipient.bsnr.is_none() && !header::names_facility(&msh) {
        recipient.bsnr = ordered_by(&groups)?;
    }
    let names = patient::practice_names(&msh, &recipient);
    let mut reports = Vec::new();
    for group in &groups {
        let person = group.pid.as_ref().map(|pid| patient::patient(pid, &names));
        if person.as_ref().is_none_or(|person| person.family_name.is_none()) {
            group
                .pid
                .as_ref()
                .or(group.orders.first().map(|order| &order.obr))
                .into_iter()
                .for_each(|seg| seg.warn(WarningKind::NoPatient, 0));
        }
        reports.extend(order::reports(person.as_ref(), group)?);
    }
    let control_id = msh.peek(10, 1, 1, 1);
    if control_id.is_none() {
        msh.warn(WarningKind::NoControlId, 10);
    }
    let charset = context.charset;
    Ok(Message { control_id, laboratory, recipient, charset, reports, warnings: Vec::new() })
}

/// The practice that every order names; none if one of them names none.
fn ordered_by(groups: &[PatientGroup<'_>]) -> Result<Option<String>, Error> {
    let mut found: Option<String> = None;
    for order in groups.iter().flat_map(|group| &group.orders) {
        let Some(bsnr) = header::ordering_practice(order.orc.as_ref(), &order.obr) else { return Ok(None) };
        if found.as_ref().is_some_and(|before| *before != bsnr) {
            return Err(Error::SeveralRecipients { at: order.obr.at(16) });
        }
        found = Some(bsnr);
    }
    Ok(found)
}

/// Which segment belongs to which.
fn group<'m>(segments: impl Iterator<Item = Seg<'m>>) -> Result<Vec<PatientGroup<'m>>, Error> {
    let mut patients: Vec<PatientGroup<'m>> = Vec::new();
    let mut orc: Option<Seg<'m>> = None;
    let mut before_all: Vec<Seg<'m>> = Vec::new();
    let mut orders = 0;
    for segment in segments {
        let at = segment.at(0);
        let context = segment.context;
        let order = patients.last_mut().and_then(|patient| patient.orders.last_mut()).filter(|_| orc.is_none());
        match (segment.name(), order) {
            ("MSH" | "FHS" | "BHS" | "BTS" | "FTS", _) => return Err(Error::SeveralMessages { at }),
            ("DSC", _) if segment.peek(1, 1, 1, 1).is_some() => return Err(Error::Continued { at: segment.at(1) }),
            ("PID" | "ORC", _) if orc.is_some() => return Err(Error::MisplacedSegment { at }),
            ("PID", _) => patients.push(PatientGroup { pid: Some(segment), ..PatientGroup::default() }),
            ("ORC", _) => orc = Some(segment),
            ("OBR", _) => {
                orders += 1;
                if orders > MAX_ORDERS {
                    return Err(Error::TooManyReports { limit: MAX_ORDERS });
                }
                if patients.is_empty() {
                    patients.push(PatientGroup::default());
                }
                if let Some(patient) = patients.last_mut() {
                    patient.orders.push(Group::new(orc.take(), segment));
                }
            }
            (_, Some(order)) => order.take(segment),
            ("OBX" | "SPM", None) => return Err(Error::MisplacedSegment { at }),
            (name, None) => match patients.last_mut() {
                Some(patient) => {
                    patient.notes.extend((name == "NTE").then(|| note(&segment)).flatten());
                    patient.others.push(segment);
                }
                None => before_all.push(segment),
            },
        }
        context.within()?;
    }
    if let Some(orc) = orc {
        return Err(Error::MisplacedSegment { at: orc.at(0) });
    }
    if patients.is_empty() || patients.iter().any(|patient| patient.orders.is_empty()) {
        return Err(Error::NoResults);
    }
    if let Some(first) = patients.first_mut() {
        first.others.splice(0..0, before_all);
    }
    Ok(patients)
}

impl<'m> Group<'m> {
    fn new(orc: Option<Seg<'m>>, obr: Seg<'m>) -> Self {
        Self { orc, obr, notes: Vec::new(), observed: Vec::new(), specimens: Vec::new(), others: Vec::new() }
    }

    /// A segment under the order. A note belongs to the value before it, else to the order.
    fn take(&mut self, segment: Seg<'m>) {
        match segment.name() {
            "OBX" => {
                let specimen = self.specimens.len().checked_sub(1);
                self.observed.push(Observed { obx: segment, notes: Vec::new(), specimen });
            }
            "SPM" => self.specimens.push(segment),
            "NTE" => {
                let notes = self.observed.last_mut().map_or(&mut self.notes, |observed| &mut observed.notes);
                notes.extend(note(&segment));
                self.others.push(segment);
            }
            _ => self.others.push(segment),
        }
    }
}

/// NTE-3, each repetition a line. That the laboratory wrote it (NTE-2 = L) goes without saying.
fn note(nte: &Seg<'_>) -> Option<String> {
    if nte.peek(2, 1, 1, 1).as_deref() == Some("L") {
        nte.skip(2, 0, 0, 0);
    }
    let lines: Vec<_> = (1..=nte.repetitions(3)).map(|nth| nte.whole(3, nth).unwrap_or_default()).collect();
    Some(lines.join("\n").trim_end().to_owned()).filter(|text| !text.is_empty())
}

/// Refuses what is no segment, and what was cut: a frame without its end, or a last line that neither ends nor is complete.
fn ends_whole(segments: &[Seg<'_>], framed: Framing, ended: bool) -> Result<(), Error> {
    if let Some(bad) = segments.iter().find(|segment| !is_name(segment.name())) {
        return Err(Error::BadSegment { at: bad.at(0) });
    }
    let Some(last) = segments.last() else { return Err(Error::Empty) };
    // OBX-11 is mandatory, and all that changes a value stands before it.
    let incomplete = match last.name() {
        "OBX" => last.fields() < 11,
        "MSH" | "PID" | "ORC" | "OBR" => true,
        _ => false,
    };
    let cut = framed == Framing::Opened || (framed == Framing::None && !ended && incomplete);
    if cut { Err(Error::Truncated { at: last.at(0) }) } else { Ok(()) }
}

fn is_name(name: &str) -> bool {
    name.len() == 3
        && name.starts_with(|first: char| first.is_ascii_uppercase())
        && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

/// How the message was framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    None,
    Whole,
    Opened,
}

/// Without byte order mark, blank lines and the frame of a bare connection.
pub(crate) fn unframed(bytes: &[u8]) -> (&[u8], Framing) {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes).trim_ascii_start();
    let Some(rest) = bytes.strip_prefix(&[BLOCK.0]) else { return (bytes, Framing::None) };
    let rest = rest.trim_ascii_start();
    match rest.trim_ascii_end().strip_suffix(&[BLOCK.1]) {
        Some(whole) => (whole, Framing::Whole),
        None => (rest, Framing::Opened),
    }
}

/// MSH-1 and MSH-2: five different signs that can't be part of a text's letters. A sixth (truncation, from 2.7 on) is allowed.
pub(crate) fn separators(bytes: &[u8]) -> Option<Separators> {
    let line = bytes.split(|byte| matches!(byte, b'\r' | b'\n')).next()?;
    let field = *line.get(3)?;
    let signs = line.get(4..)?.split(|byte| *byte == field).next()?;
    if !matches!(signs.len(), 4 | 5) || !line.get(3..8)?.iter().all(u8::is_ascii_punctuation) {
        return None;
    }
    let head: Cow<'_, str> = String::from_utf8_lossy(line.get(..4 + signs.len())?);
    Separators::from_header(&head).ok()
}

/// MSH-18 before anything is decoded.
fn declared_charset(bytes: &[u8], separators: &Separators) -> String {
    let line = bytes.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
    let field = line.split(|byte| char::from(*byte) == separators.field).nth(17).unwrap_or_default();
    let first = field.split(|byte| char::from(*byte) == separators.repetition).next().unwrap_or_default();
    String::from_utf8_lossy(first).into_owned()
}
