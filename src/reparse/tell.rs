//! What a run prints: for people, or JSON, a line for each message and one for all.
//! Must stay true: ids, names of fields, counts and codes; nothing of what a message says.
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use labor_db::messages::arrived::Arrived;
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::look::{Look, Seen};
use super::plan::{Line, Record};
use crate::admin::AdminError;

/// How it is printed.
pub(super) struct Tell {
    pub(super) json: bool,
}

/// What was found in all.
#[derive(Debug, Default, Serialize)]
pub(super) struct Totals {
    messages: usize,
    /// Records that would be stored.
    would_change: usize,
    /// Records and whole messages that read otherwise and are left as they are, by why.
    left: BTreeMap<String, usize>,
    /// Which fields differ, and how often.
    fields: BTreeMap<String, usize>,
    /// Not read by a worker yet.
    waiting: usize,
    /// That were set aside, and today's readers understand.
    set_aside_understood: usize,
    /// That were set aside, and today's readers don't understand either.
    set_aside: usize,
}

impl Totals {
    pub(super) fn count(&mut self, look: &Look) {
        self.messages += 1;
        match &look.seen {
            Seen::Waits => self.waiting += 1,
            Seen::SetAside(Ok(())) => self.set_aside_understood += 1,
            Seen::SetAside(Err(_)) => self.set_aside += 1,
            Seen::Read { line: None, .. } => {}
            Seen::Read { line: Some(line), .. } => self.count_line(line),
        }
    }

    fn count_line(&mut self, line: &Line) {
        if let Some(left) = &line.left {
            let why = left.split(':').next().unwrap_or_default();
            *self.left.entry(why.to_owned()).or_default() += 1;
        }
        for record in &line.records {
            match left(record) {
                Some(why) => *self.left.entry(why).or_default() += 1,
                None => self.would_change += 1,
            }
            for (field, count) in &record.fields {
                *self.fields.entry(field.clone()).or_default() += count;
            }
        }
    }
}

impl Tell {
    /// Prints what was seen of a message, if there is anything to say.
    pub(super) fn look(&self, message: &Arrived, look: &Look) -> Result<(), AdminError> {
        match &look.seen {
            Seen::Waits | Seen::Read { line: None, .. } => Ok(()),
            Seen::SetAside(understood) => self.set_aside(message, look.reader, understood),
            Seen::Read { line: Some(line), .. } if self.json => out(&json!(line).to_string()),
            Seen::Read { line: Some(line), .. } => {
                if let Some(left) = &line.left {
                    out(&format!("message {}: left as it is, {left} ({})", line.message, line.reader))?;
                }
                line.records.iter().try_for_each(|record| out(&text(line, record)))
            }
        }
    }

    fn set_aside(&self, message: &Arrived, reader: &str, understood: &Result<(), &str>) -> Result<(), AdminError> {
        let code = understood.err();
        if self.json {
            let (id, state) = (message.id, &message.state);
            return out(&json!({ "message": id, "set_aside": state, "reader": reader, "code": code }).to_string());
        }
        let what = match code {
            None => format!("{reader} reads it now; `labor quarantine replay` puts it back to work"),
            Some(code) => format!("{reader} does not read it either ({code})"),
        };
        out(&format!("message {}: {}, {what}", message.id, message.state))
    }

    /// Prints what a dry run found in all.
    pub(super) fn totals(&self, totals: &Totals, hash: &str, file: &Path) -> Result<(), AdminError> {
        if self.json {
            return out(&json!({ "plan": hash, "file": file, "totals": totals }).to_string());
        }
        out(&format!("{:#}", json!(totals)))?;
        out(&format!("Nothing was changed. The plan is {}; to store what it says:", file.display()))?;
        out(&format!("--apply {hash}"))
    }

    /// Prints that a message is not as the plan says.
    pub(super) fn differs(&self, message: Uuid) -> Result<(), AdminError> {
        if self.json {
            return out(&json!({ "message": message, "differs": true }).to_string());
        }
        out(&format!("message {message}: not as the plan says"))
    }

    /// Prints what was applied.
    pub(super) fn applied(&self, message: Option<Uuid>, what: &Value) -> Result<(), AdminError> {
        if self.json {
            return out(&json!({ "message": message, "applied": what }).to_string());
        }
        match message {
            Some(message) => out(&format!("message {message}: {what}")),
            None => out(&format!("{what:#}")),
        }
    }
}

fn out(text: &str) -> Result<(), AdminError> {
    match writeln!(std::io::stdout(), "{text}") {
        // Whoever reads may have seen enough, as `head` does; what is being done goes on.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(AdminError::Invalid(format!("standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// As a code.
fn left(record: &Record) -> Option<String> {
    let why = record.left?;
    Some(json!(why).as_str().unwrap_or_default().to_owned())
}

fn text(line: &Line, record: &Record) -> String {
    let which = record.report.map_or("new".to_owned(), |report| report.to_string());
    let fields: Vec<_> = record.fields.iter().map(|(field, count)| format!("{field} {count}")).collect();
    let left = left(record).map(|why| format!("left as it is, {why}: ")).unwrap_or_default();
    format!("message {}, record {}, report {which}: {left}{}", line.message, record.record, fields.join(", "))
}
