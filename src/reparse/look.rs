//! One message, read again and compared with what is stored of it.
//! Must stay true: nothing is written, and it is the worker's own way of reading. A record that was sent again unchanged is told by reading
//! the message that it repeats again too, so that it is none that was added.
use std::collections::BTreeMap;
use std::sync::Arc;

use labor_db::messages::arrived::{self, Arrived};
use labor_db::messages::{self, RawMessage};
use labor_db::results::ReadMessage;
use labor_db::results::compare::{self, Compared, Difference, Outcome, Said};
use uuid::Uuid;

use super::Reparse;
use super::plan::{Line, Record};
use crate::admin::AdminError;
use crate::worker::read::{Message, reader};
use crate::worker::{JobError, process, route};

/// What was seen of a message.
pub(super) struct Look {
    pub(super) reader: &'static str,
    pub(super) seen: Seen,
}

/// What came of looking.
pub(super) enum Seen {
    /// A worker has not read it yet.
    Waits,
    /// It was set aside, and today's reader understands it, or says why not: a code.
    SetAside(Result<(), &'static str>),
    /// It was understood before.
    Read {
        /// None: it reads as it is stored.
        line: Option<Line>,
        /// What the records that read as they are stored say: digests.
        settled: BTreeMap<usize, String>,
        /// Of which record.
        differences: Vec<(usize, Difference)>,
    },
}

/// Looks at a message.
pub(super) async fn look(reparse: &Reparse, message: &Arrived) -> Result<Look, AdminError> {
    if message.state == "received" {
        return Ok(Look { reader: "", seen: Seen::Waits });
    }
    let raw = bytes(reparse, message.id).await?;
    let (reader, sha256) = (reader(&raw.body), hex::encode(messages::sha256(&raw.body)));
    let read = read(raw.clone()).await?;
    if message.state != "processed" {
        return Ok(Look { reader, seen: Seen::SetAside(read.map(|_| ())) });
    }
    let line = |left: Option<&str>, records| Line {
        message: message.id,
        arrived_at: message.at,
        sha256,
        reader: reader.to_owned(),
        left: left.map(str::to_owned),
        records,
    };
    let left = |line| Seen::Read { line: Some(line), settled: BTreeMap::new(), differences: Vec::new() };
    let seen = match read {
        Err(code) => left(line(Some(&format!("not-understood: {code}")), Vec::new())),
        Ok((read, _)) if !is_for(reparse, &read).await? => left(line(Some("other-recipient"), Vec::new())),
        Ok((_, readable)) => {
            let mut session = reparse.session().await?;
            let compared = compare::compare(&mut session, raw.source_id, &readable).await?;
            drop(session);
            let (mut records, mut settled, mut differences) = (Vec::new(), BTreeMap::new(), Vec::new());
            for one in compared {
                match (is_settled(reparse, &one, (&raw, &readable)).await?, &one.now) {
                    (true, Some(now)) => {
                        settled.insert(one.record, now.clone());
                    }
                    _ => {
                        records.push(record(&one));
                        differences.extend(one.differences.into_iter().map(|difference| (one.record, difference)));
                    }
                }
            }
            let line = (!records.is_empty()).then(|| line(None, records));
            Seen::Read { line, settled, differences }
        }
    };
    Ok(Look { reader, seen })
}

/// A message with its bytes.
pub(super) async fn bytes(reparse: &Reparse, message: Uuid) -> Result<Arc<RawMessage>, AdminError> {
    let raw = arrived::bytes(&mut reparse.session().await?, message).await?;
    raw.map(Arc::new).ok_or_else(|| AdminError::Invalid(format!("message {message} is not there any more")))
}

/// Reads it as the worker does; else a code.
pub(super) async fn read(raw: Arc<RawMessage>) -> Result<Result<(Message, ReadMessage), &'static str>, AdminError> {
    match process::read(raw).await {
        Ok(read) => Ok(read.map_err(|unreadable| unreadable.code)),
        Err(JobError::Fault(_)) => Ok(Err("reader-panicked")),
        Err(JobError::Database(error)) => Err(error.into()),
    }
}

/// Whether every record is for this practice, in today's registry.
pub(super) async fn is_for(reparse: &Reparse, read: &Message) -> Result<bool, AdminError> {
    let found = route::single_tenant(&reparse.app.control, &read.addressees()).await?;
    Ok(found.as_ref() == Some(&reparse.tenant))
}

/// Whether the record reads as it is stored, or only repeats what another message said.
async fn is_settled(
    reparse: &Reparse,
    one: &Compared,
    (own, readable): (&RawMessage, &ReadMessage),
) -> Result<bool, AdminError> {
    if one.outcome == Outcome::Same {
        return Ok(true);
    }
    let Some(report) = readable.reports.get(one.record).filter(|_| one.report.is_none()) else { return Ok(false) };
    let said = Said { source: own.source_id, message: readable.id, record: one.record, report };
    for other in &one.others {
        let raw = bytes(reparse, *other).await?;
        // Two that were passed over alike must not settle each other: only what arrived before is repeated.
        if (raw.received_at, raw.id) >= (own.received_at, own.id) {
            continue;
        }
        let source = raw.source_id;
        let Ok((_, other)) = read(raw).await? else { continue };
        for (record, report) in other.reports.iter().enumerate() {
            if compare::repeats(said, Said { source, message: other.id, record, report })? {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

fn record(one: &Compared) -> Record {
    let mut fields = BTreeMap::new();
    for difference in &one.differences {
        *fields.entry(difference.field.clone()).or_default() += 1;
    }
    let left = if let Outcome::Left(why) = one.outcome { Some(why) } else { None };
    Record { record: one.record, report: one.report, stored: one.stored.clone(), now: one.now.clone(), left, fields }
}
