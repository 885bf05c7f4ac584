//! Storing what a message says when it is read again, with a later reader.
//! Must stay true: only what was planned is stored, and only where everything is as it was then; what was read before stays as it is, as an
//! earlier version. The new version takes that one's place in the order of arrival, so it replaces nothing that came later; it is the same
//! patient's, and nobody's if that one is nobody's: whom a report is about is not decided again. One message is one transaction.
use chrono::{DateTime, Utc};
use serde::Serialize;
use tokio_postgres::Row;
use utoipa::ToSchema;
use uuid::Uuid;

use super::compare::{self, Compared, Outcome};
use super::patient::{Meant, Place};
use super::score::Reason;
use super::{Came, NewReport, ReadMessage, chain, insert, number, order, store_report};
use crate::alerts::judge;
use crate::alerts::judge::Limit;
use crate::alerts::raise::{self, Stored};
use crate::session::{Query, Unit};
use crate::statements::statements;
use crate::{DbError, TenantSession};

statements! { Reread {
    /// Whoever has messages of this practice read again waits here for another who does: the oldest message's row is the lock of all.
    LOCK_TURN = "SELECT FROM raw_messages m ORDER BY m.received_at, m.id LIMIT 1 FOR UPDATE";
    LOCK_PROCESSED = "SELECT m.received_at, m.source_id FROM raw_messages m WHERE m.id = $1 AND m.state = 'processed' AND m.sha256 = $2 FOR UPDATE";
    /// After the lock: what another wrote who held it is seen.
    LAST_READING = "SELECT coalesce(max(r.reading), 1) FROM reports r WHERE r.raw_message_id = $1";
    AUDIT_REPARSE = "INSERT INTO audit (id, actor, actor_role, action, object_kind, object_id, outcome, request_id)
        VALUES ($1, $2, $3, 'message.reparse', 'raw_messages', $4, 'success', $5)";
    AUDIT_VALUES = "INSERT INTO audit (id, actor, actor_role, action, object_kind, outcome, request_id)
        VALUES ($1, $2, $3, 'message.show_values', 'raw_messages', 'success', $4)";
} }

/// That a version comes of reading a message again: the laboratory sent nothing new.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ReadAgain {
    /// When.
    pub at: DateTime<Utc>,
    /// With which reader, such as `hl7 0.2.0`.
    pub with: String,
}

impl ReadAgain {
    /// From `reread_at` and `reread_with`, the first at this place.
    pub(crate) fn of(row: &Row, place: usize) -> Option<Self> {
        let (at, with): (Option<_>, Option<_>) = (row.get(place), row.get(place + 1));
        at.zip(with).map(|(at, with)| Self { at, with })
    }
}

/// A record that is to be stored as it reads now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// Which record of the message.
    pub record: usize,
    /// Digest of what was stored of it when it was planned; none: nothing.
    pub stored: Option<String>,
    /// Digest of what it said then.
    pub now: String,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reread {
    /// It was stored now.
    Stored {
        /// Records.
        records: usize,
        /// Alerts that were raised.
        alerts: usize,
    },
    /// It was stored before, by a run that was ended or another one.
    Before,
    /// Something is not as it was when it was planned. Nothing was stored.
    Drifted,
}

/// Stores the planned records of a message. `reader`: with which it was read now.
///
/// # Errors
/// [`DbError::Conflict`] when another message about the same report was stored at the same moment; else when the database can't be asked.
/// Nothing is stored then.
pub async fn apply(
    session: &mut TenantSession,
    read: &ReadMessage,
    sha256: &[u8],
    planned: &[Planned],
    reader: &str,
) -> Result<Reread, DbError> {
    let (unit, _) = session.begin(Query { sql: LOCK_TURN, params: &[] }).await?;
    let rows = unit.query(LOCK_PROCESSED, &[&read.id, &sha256]).await?;
    let Some((at, source)) = rows.first().map(|row| (row.get(0), row.get(1))) else { return Ok(Reread::Drifted) };
    let compared = compare::records(&unit, source, read).await?;
    let standing = |planned: &Planned| compared.iter().find(|one| one.record == planned.record && one.now.is_some());
    let mut to_do = Vec::new();
    for planned in planned {
        match standing(planned) {
            Some(one) if one.now.as_ref() != Some(&planned.now) => return Ok(Reread::Drifted),
            Some(Compared { outcome: Outcome::Same, .. }) => {}
            Some(one) if one.stored == planned.stored && is_to_be_stored(&one.outcome) => to_do.push(one),
            _ => return Ok(Reread::Drifted),
        }
    }
    if to_do.is_empty() {
        unit.commit(Query { sql: super::END_UNCHANGED, params: &[] }).await?;
        return Ok(Reread::Before);
    }
    let last: i32 = unit.query(LAST_READING, &[&read.id]).await?.first().map_or(1, |row| row.get(0));
    let came = Came { id: read.id, source, at, reading: last + 1, reread_with: Some(reader) };
    let limits = raise::limits_for(&unit, &read.reports).await?;
    let mut alerts = 0;
    for one in &to_do {
        let report = read.reports.get(one.record).ok_or(DbError::Data("a record that was planned"))?;
        let raised = match one.report {
            Some(before) => put(&unit, &came, &limits, (one.record, report), (before, one.patient)).await?,
            None => Some(store_report(&unit, &came, &limits, one.record, report).await?.1),
        };
        let Some(raised) = raised else { return Ok(Reread::Drifted) };
        alerts += raised;
    }
    let ((actor, role), request) = (unit.actor(), unit.request_id());
    let audit = Query { sql: AUDIT_REPARSE, params: &[&Uuid::now_v7(), &actor, &role, &read.id, &request] };
    unit.commit(audit).await?;
    Ok(Reread::Stored { records: to_do.len(), alerts })
}

/// Notes that values of the practice's patients are written into a file, before the first is.
///
/// # Errors
/// When the database can't be asked.
pub async fn note_values_shown(session: &mut TenantSession) -> Result<(), DbError> {
    let (id, (actor, role), request) = (Uuid::now_v7(), session.actor(), session.request_id());
    session.run(&[Query { sql: AUDIT_VALUES, params: &[&id, &actor, &role, &request] }]).await?;
    Ok(())
}

fn is_to_be_stored(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Changed | Outcome::Added)
}

/// Stores what a record says now in the place of the version `before`, under the locks that workers take (order, chain). How many alerts
/// were raised; none when that version does not stand any more, or is not matched any more to whom it was when they were compared.
async fn put(
    unit: &Unit<'_>,
    came: &Came<'_>,
    limits: &[Limit],
    (index, report): (usize, &NewReport),
    (before, compared_with): (Uuid, Option<Uuid>),
) -> Result<Option<usize>, DbError> {
    let key = chain::report_key(came.source, came.id, index, report);
    let content = chain::content_digest(report)?;
    let order = order::find_or_make(unit, report).await?.map(|(order, _)| order);
    let chain = chain::Chain::lock(unit, &key).await?;
    let standing = chain.standing(unit, before).await?;
    let Some(before) = standing.filter(|before| before.patient == compared_with) else { return Ok(None) };
    // It stands where it was sent last, and not where it was sent first.
    let lately = Some(before.confirmed_at);
    let chain = chain.around(before.confirmed_at);
    let judgement = judge::judge(report, limits);
    let place = Place {
        key: &key,
        first: false,
        source: came.source,
        arrived_at: came.at,
        order,
        order_number: report.order_number.as_deref().filter(|number| !number::is_placeholder(number)),
    };
    let (id, patient) = (Uuid::now_v7(), before.patient);
    let row = insert::Row {
        id,
        message_id: came.id,
        index,
        key: &key,
        content,
        order,
        patient,
        received_at: came.at,
        version: chain.next,
        not_judged: judgement.not_judged(),
        reading: came.reading,
        reread_with: came.reread_with,
    };
    insert::record(unit, &row, report).await?;
    let version = chain::Version::of(id, came.id, report, content, came.at).in_place_of(&before);
    let counts = chain.put(unit, &before, &version).await?;
    if let Some(patient) = patient {
        let meant = Meant { patient, score: None, reasons: vec![Reason::SameReport.code()] };
        order::note_match(unit, id, None, &meant).await?;
    }
    let near = lately.filter(|_| !report.subject.identifying().is_complete());
    insert::genetic_hold(unit, &row, report, &place, near).await?;
    let stored = Stored { id, key: &key, lately, patient, counts, first: false };
    Ok(Some(raise::raise(unit, &stored, report, &judgement).await?))
}
