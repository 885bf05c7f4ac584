//! A practice's messages in the order in which they arrived, to be looked at again.
//! Must stay true: nothing is written, and the database is told so; a page costs an index scan, and no page holds a message's bytes.
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::RawMessage;
use crate::session::Query;
use crate::statements::statements;
use crate::{DbError, TenantSession};

statements! { Arrived {
    /// From here to its end the transaction writes nothing, whatever is asked.
    READ_ONLY = "SELECT set_config('transaction_read_only', 'on', true)";
    /// After $1, $2; since $3, before $4; only $5, if there are any.
    ARRIVED_MESSAGES = "SELECT m.id, m.received_at, m.sha256, m.state, m.reason FROM raw_messages m
          WHERE (m.received_at, m.id) > ($1, $2) AND m.received_at >= $3 AND m.received_at < $4
            AND (cardinality($5::uuid[]) = 0 OR m.id = ANY ($5))
          ORDER BY m.received_at, m.id LIMIT 200";
    /// Since $1: what a reader tolerated, by code and source.
    TOLERATED_FAULTS = "SELECT w ->> 'code', m.source_id, count(DISTINCT m.id), max(m.received_at), (array_agg(m.id ORDER BY m.received_at DESC, m.id DESC))[1]
            FROM raw_messages m CROSS JOIN jsonb_array_elements(m.warnings) AS w
           WHERE m.received_at >= $1 GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2 LIMIT 200";
    MESSAGE_BYTES = "SELECT m.id, m.source_id, m.sender_message_id, m.content_type, m.body, m.received_at, m.state = 'received'
            FROM raw_messages m WHERE m.id = $1";
} }

/// Which messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// That arrived at this moment or later.
    pub since: DateTime<Utc>,
    /// That arrived before this moment.
    pub before: DateTime<Utc>,
    /// Only these; empty: all.
    pub messages: Vec<Uuid>,
}

/// A message without its bytes.
#[derive(Debug, Clone)]
pub struct Arrived {
    /// Its id.
    pub id: Uuid,
    /// When it became durable.
    pub at: DateTime<Utc>,
    /// SHA-256 of its bytes.
    pub sha256: Vec<u8>,
    /// received, processed, quarantined or failed.
    pub state: String,
    /// Why it was set aside: code and place.
    pub reason: Option<String>,
}

/// The next page of them after this one; empty: there are no more.
///
/// # Errors
/// When the database can't be asked.
pub async fn page(
    session: &mut TenantSession,
    which: &Selection,
    after: Option<&Arrived>,
) -> Result<Vec<Arrived>, DbError> {
    let (at, id) = after.map_or((which.since, Uuid::nil()), |last| (last.at, last.id));
    let list = Query { sql: ARRIVED_MESSAGES, params: &[&at, &id, &which.since, &which.before, &which.messages] };
    let results = session.run(&[Query { sql: READ_ONLY, params: &[] }, list]).await?;
    let rows = results.get(1).map(Vec::as_slice).unwrap_or_default();
    Ok(rows
        .iter()
        .map(|row| Arrived {
            id: row.get(0),
            at: row.get(1),
            sha256: row.get(2),
            state: row.get(3),
            reason: row.get(4),
        })
        .collect())
}

/// What a reader tolerated in messages of one source.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Tolerated {
    /// Code of the warning (`ldt::WarningKind`, `hl7::WarningKind`).
    pub code: String,
    /// Who sent them.
    pub source: Uuid,
    /// In how many.
    pub messages: i64,
    /// When the newest came.
    pub newest_at: DateTime<Utc>,
    /// The newest.
    pub newest: Uuid,
}

/// What was tolerated in the messages since then, the most frequent first, at most 200.
///
/// # Errors
/// When the database can't be asked.
pub async fn tolerated(session: &mut TenantSession, since: DateTime<Utc>) -> Result<Vec<Tolerated>, DbError> {
    let list = Query { sql: TOLERATED_FAULTS, params: &[&since] };
    let results = session.run(&[Query { sql: READ_ONLY, params: &[] }, list]).await?;
    let rows = results.get(1).map(Vec::as_slice).unwrap_or_default();
    let tolerated = |row: &tokio_postgres::Row| Tolerated {
        code: row.get(0),
        source: row.get(1),
        messages: row.get(2),
        newest_at: row.get(3),
        newest: row.get(4),
    };
    Ok(rows.iter().map(tolerated).collect())
}

/// One of them with its bytes.
///
/// # Errors
/// When the database can't be asked.
pub async fn bytes(session: &mut TenantSession, id: Uuid) -> Result<Option<RawMessage>, DbError> {
    let load = Query { sql: MESSAGE_BYTES, params: &[&id] };
    let results = session.run(&[Query { sql: READ_ONLY, params: &[] }, load]).await?;
    Ok(results.get(1).and_then(|rows| rows.first()).map(|row| RawMessage {
        id: row.get(0),
        source_id: row.get(1),
        sender_message_id: row.get(2),
        content_type: row.get(3),
        body: row.get(4),
        received_at: row.get(5),
        waiting: row.get(6),
    }))
}
