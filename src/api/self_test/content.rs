//! What the reader makes of the file: format, charset, lengths, and whether somebody here is known to receive it.
//! Must stay true: codes, places and counts only; nothing that the file says, and no practice.
use axum::body::Bytes;
use labor_db::DbError;
use serde::Serialize;
use utoipa::ToSchema;

use crate::App;
use crate::worker::route::{self, Addressee};

/// Of wrong lines, how many are listed.
const LISTED: usize = 20;

/// What was read.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct Content {
    /// Whether the file would be read; if not, it would be accepted and set aside.
    readable: bool,
    /// Why not: a stable code, and the place.
    fault: Option<Notice>,
    /// `LDT2`, `LDT3` or `HL7`.
    format: Option<&'static str>,
    /// The charset that the text was read in.
    charset: Option<String>,
    /// Whether it was converted to UTF-8 on its way: set the charset of File Reader and HTTP Sender.
    transcoded: Option<bool>,
    lines: Lines,
    /// What was odd, each once.
    warnings: Vec<Notice>,
    records: Records,
}

/// A code, what it means, and where it was seen first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Notice {
    code: &'static str,
    text: String,
    /// From 1; of HL7 the segment.
    line: Option<usize>,
    /// How often; of HL7 each place is told for itself.
    count: usize,
}

/// Lengths at the beginning of lines, counted in the bytes that arrived.
#[derive(Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Lines {
    /// Lines that are not empty.
    total: usize,
    /// Whose length does not fit.
    wrong: usize,
    /// The first of them.
    first_wrong: Vec<WrongLine>,
}

/// A line whose length does not fit.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct WrongLine {
    /// From 1.
    line: usize,
    /// The length it begins with, if it begins with one.
    says: Option<usize>,
    /// Its bytes, line end included.
    has: usize,
}

/// For whom the reports are.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct Records {
    /// Reports in the file.
    total: usize,
    /// Whose recipient is a known and active practice.
    recipient_known: usize,
    /// Whose recipient is not: they would be set aside.
    recipient_unknown: usize,
}

/// Reads the file as a worker would, and asks for whom it is.
pub(super) async fn of(app: &App, bytes: &Bytes) -> Result<Content, DbError> {
    let bytes = bytes.clone();
    let reading = tokio::task::spawn_blocking(move || read(&bytes)).await;
    // A reader that panics says as little as a file that can't be read.
    let (mut content, recipients) = reading.unwrap_or_default();
    for (addressee, reports) in recipients {
        let known = route::tenant(&app.control, &addressee).await?.is_some();
        let count = if known { &mut content.records.recipient_known } else { &mut content.records.recipient_unknown };
        *count += reports;
    }
    Ok(content)
}

/// The file's facts, and its recipients with the number of their reports.
fn read(bytes: &[u8]) -> (Content, Vec<(Addressee, usize)>) {
    if hl7::looks_like_hl7(bytes) {
        return read_hl7(bytes);
    }
    let lines = lines(bytes);
    let package = match ldt::read(bytes) {
        Ok(package) => package,
        Err(error) => {
            let line = error.location().map(|at| at.line);
            let fault = Some(Notice { code: error.code(), text: error.to_string(), line, count: 1 });
            return (Content { fault, lines, ..Content::default() }, Vec::new());
        }
    };
    let notice = |warning: &ldt::Warning| Notice {
        code: warning.code(),
        text: warning.kind.text().to_owned(),
        line: Some(warning.at.line),
        count: warning.count,
    };
    let content = Content {
        readable: true,
        fault: None,
        format: Some(crate::worker::format(&package)),
        charset: Some(format!("{:?}", package.charset)),
        transcoded: Some(package.transcoded),
        lines,
        warnings: package.warnings.iter().map(notice).collect(),
        records: Records { total: package.reports.len(), ..Records::default() },
    };
    let reports =
        |addressee: &Addressee| package.reports.iter().filter(|report| report.recipient == addressee.recipient).count();
    let recipients = route::of_package(&package).into_iter().map(|addressee| (reports(&addressee), addressee));
    (content, recipients.map(|(reports, addressee)| (addressee, reports)).collect())
}

/// HL7 has no lengths. One message goes to one recipient.
fn read_hl7(bytes: &[u8]) -> (Content, Vec<(Addressee, usize)>) {
    let format = Some("HL7");
    let message = match hl7::read(bytes) {
        Ok(message) => message,
        Err(error) => {
            let fault = Some(Notice { code: error.code(), text: error.to_string(), line: None, count: 1 });
            return (Content { fault, format, ..Content::default() }, Vec::new());
        }
    };
    let notice = |warning: &hl7::Warning| Notice {
        code: warning.code(),
        text: warning.code().replace('-', " "),
        line: Some(warning.at.segment),
        count: 1,
    };
    let content = Content {
        readable: true,
        format,
        charset: Some(format!("{:?}", message.charset)),
        warnings: message.warnings.iter().map(notice).collect(),
        records: Records { total: message.reports.len(), ..Records::default() },
        ..Content::default()
    };
    let recipients = route::of_hl7(&message).into_iter().map(|addressee| (addressee, message.reports.len()));
    (content, recipients.collect())
}

fn lines(bytes: &[u8]) -> Lines {
    let mut lines = Lines::default();
    for (index, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        lines.total += 1;
        let says =
            line.get(..3).and_then(|digits| std::str::from_utf8(digits).ok()).and_then(|digits| digits.parse().ok());
        if says != Some(line.len()) {
            lines.wrong += 1;
            if lines.first_wrong.len() < LISTED {
                lines.first_wrong.push(WrongLine { line: index + 1, says, has: line.len() });
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_those_of_the_bytes_that_arrived() {
        let fits = b"0138000\r\n".iter().chain(b"0123101\xe4\r\n").copied().collect::<Vec<_>>();
        let told = lines(&fits);
        assert_eq!((told.total, told.wrong), (2, 2), "the first says 13 and has 9");
        let good = lines(b"0093564\r\n0103564x\r\n\r\n");
        assert_eq!(good, Lines { total: 2, wrong: 0, first_wrong: Vec::new() });
        let transcoded = lines("0093564\r\n0103564\u{e4}\r\nxy\n".as_bytes());
        let wrong = |line, says, has| WrongLine { line, says, has };
        assert_eq!(transcoded.first_wrong, [wrong(2, Some(10), 11), wrong(3, None, 3)]);
        assert_eq!(lines(&b"x\n".repeat(1000)).first_wrong.len(), LISTED);
    }

    /// Whatever is in the file, none of it comes back.
    #[test]
    fn nothing_of_the_content_is_told() {
        let formats = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("formats");
        let folders = ["ldt/tests/fixtures/good", "ldt/tests/fixtures/broken", "hl7/tests/fixtures/good"];
        for entry in folders.iter().flat_map(|folder| std::fs::read_dir(formats.join(folder)).unwrap()) {
            let path = entry.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            let told = serde_json::to_string(&read(&bytes).0).unwrap();
            for word in ["ller", "Mustermann", "Praxis", "123456700", "222222200", "Kalium", "19661024"] {
                assert!(!told.contains(word), "{word} of {} in {told}", path.display());
            }
        }
    }
}
