//! A plan: what a dry run found, as a file, and its digest.
//! Must stay true: it holds ids, digests and names of fields. The digest is of the whole file, so nobody applies but what was shown. The same
//! messages and readers give the same bytes, except where something was applied or has changed.
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};
use chrono::{DateTime, NaiveDate, Utc};
use labor_db::TenantName;
use labor_db::results::compare::Why;
use labor_db::results::reread::Planned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::admin::AdminError;

/// Of the file.
pub(super) const FORMAT: u8 = 1;

/// The first line: which messages were looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) format: u8,
    pub(super) tenant: TenantName,
    pub(super) since: Option<NaiveDate>,
    pub(super) until: Option<NaiveDate>,
    pub(super) messages: Vec<Uuid>,
}

/// A message that reads otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Line {
    pub(super) message: Uuid,
    pub(super) arrived_at: DateTime<Utc>,
    /// Of its bytes.
    pub(super) sha256: String,
    pub(super) reader: String,
    /// Why the whole message is left as it is: a code.
    pub(super) left: Option<String>,
    pub(super) records: Vec<Record>,
}

/// A record that reads otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) record: usize,
    pub(super) report: Option<Uuid>,
    pub(super) stored: Option<String>,
    pub(super) now: Option<String>,
    /// Why it is left as it is; null: it is stored when the plan is applied.
    pub(super) left: Option<Why>,
    /// Which fields differ, and how often.
    pub(super) fields: BTreeMap<String, usize>,
}

impl Line {
    /// What is stored when the plan is applied.
    pub(super) fn planned(&self) -> Vec<Planned> {
        let planned = |record: &Record| {
            let now = record.now.clone().filter(|_| record.left.is_none())?;
            Some(Planned { record: record.record, stored: record.stored.clone(), now })
        };
        self.records.iter().filter_map(planned).collect()
    }

    /// What is left of the line once its plan was applied to the message.
    pub(super) fn applied(&self) -> Option<Self> {
        let records: Vec<_> = self.records.iter().filter(|record| record.left.is_some()).cloned().collect();
        (self.left.is_some() || !records.is_empty()).then(|| Self { records, ..self.clone() })
    }
}

/// A plan that is being written. Until it is finished its file has another name.
pub(super) struct Writing {
    file: BufWriter<File>,
    digest: Context,
    folder: PathBuf,
    part: PathBuf,
}

impl Writing {
    pub(super) fn begin(folder: &Path, header: &Header) -> Result<Self, AdminError> {
        let part = folder.join(format!("reparse-{}.part", Uuid::now_v7()));
        let file = private_file(&part)?;
        let (file, digest) = (BufWriter::new(file), Context::new(&SHA256));
        let mut writing = Self { file, digest, folder: folder.to_owned(), part };
        writing.write(header)?;
        Ok(writing)
    }

    pub(super) fn add(&mut self, line: &Line) -> Result<(), AdminError> {
        self.write(line)
    }

    fn write(&mut self, line: &impl Serialize) -> Result<(), AdminError> {
        let mut text = serde_json::to_vec(line).map_err(|error| unwritten(&self.part, &error))?;
        text.push(b'\n');
        self.digest.update(&text);
        self.file.write_all(&text).map_err(|error| unwritten(&self.part, &error))
    }

    /// The plan's digest, and where it is.
    pub(super) fn finish(mut self) -> Result<(String, PathBuf), AdminError> {
        self.file.flush().map_err(|error| unwritten(&self.part, &error))?;
        let hash = hex::encode(self.digest.finish());
        let file = file_of(&self.folder, &hash);
        std::fs::rename(&self.part, &file).map_err(|error| unwritten(&file, &error))?;
        Ok((hash, file))
    }
}

/// A plan that is being read, line by line.
pub(super) struct Reading {
    file: PathBuf,
    lines: std::io::Lines<BufReader<File>>,
    next: Option<Line>,
}

impl Reading {
    /// Opens a plan whose bytes have this digest.
    pub(super) fn open(folder: &Path, hash: &str) -> Result<(Header, Self), AdminError> {
        if hash.len() != 64 || !hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(AdminError::Invalid(
                "a PLANHASH has 64 hexadecimal digits, as the dry run printed it".to_owned(),
            ));
        }
        let path = file_of(folder, &hash.to_lowercase());
        let unread = |error: &dyn std::fmt::Display| {
            AdminError::Invalid(format!("the plan {} can't be read: {error}; --plans says where it is", path.display()))
        };
        let mut digest = Context::new(&SHA256);
        let mut file = BufReader::new(File::open(&path).map_err(|error| unread(&error))?);
        loop {
            let bytes = file.fill_buf().map_err(|error| unread(&error))?;
            if bytes.is_empty() {
                break;
            }
            digest.update(bytes);
            let length = bytes.len();
            file.consume(length);
        }
        if hex::encode(digest.finish()) != hash.to_lowercase() {
            return Err(AdminError::Invalid(format!(
                "{} was changed since it was written; make a new dry run",
                path.display()
            )));
        }
        let mut lines = BufReader::new(File::open(&path).map_err(|error| unread(&error))?).lines();
        let first = lines.next().transpose().map_err(|error| unread(&error))?.unwrap_or_default();
        let header: Header = serde_json::from_str(&first).map_err(|error| unread(&error))?;
        if header.format != FORMAT {
            return Err(unread(&"another release wrote it; make a new dry run"));
        }
        let mut reading = Self { file: path, lines, next: None };
        reading.next = reading.read()?;
        Ok((header, reading))
    }

    /// The next line.
    pub(super) fn next(&mut self) -> Result<Option<Line>, AdminError> {
        let line = self.next.take();
        self.next = self.read()?;
        Ok(line)
    }

    /// The next line if it is about this message.
    pub(super) fn next_of(&mut self, message: Uuid) -> Result<Option<Line>, AdminError> {
        if self.next.as_ref().is_some_and(|line| line.message == message) { self.next() } else { Ok(None) }
    }

    fn read(&mut self) -> Result<Option<Line>, AdminError> {
        let Some(text) = self.lines.next() else { return Ok(None) };
        let line = text.map_err(|error| unwritten(&self.file, &error))?;
        Ok(Some(serde_json::from_str(&line).map_err(|error| unwritten(&self.file, &error))?))
    }
}

fn file_of(folder: &Path, hash: &str) -> PathBuf {
    folder.join(format!("reparse-{hash}.plan"))
}

/// A new file that its owner alone can read.
pub(super) fn private_file(path: &Path) -> Result<File, AdminError> {
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    made.map_err(|error| unwritten(path, &error))
}

pub(super) fn unwritten(path: &Path, error: &dyn std::fmt::Display) -> AdminError {
    AdminError::Invalid(format!("{}: {error}", path.display()))
}
