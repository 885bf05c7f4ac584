//! Raw messages: what laboratories sent, byte for byte.
//! Must stay true: message and queue entry are one transaction and one round trip; the same bytes from the same source are one
//! message, whatever the number of retries and of threads that send them.
pub mod arrived;

use tokio_postgres::Row;
use uuid::Uuid;

use crate::session::Query;
use crate::statements::statements;
use crate::{DbError, TenantSession};

/// A message to be stored.
#[derive(Debug, Clone, Copy)]
pub struct NewMessage<'a> {
    /// Who sent it.
    pub source_id: Uuid,
    /// The sender's own id of it; of a long one the first 200 characters are kept.
    pub sender_message_id: Option<&'a str>,
    /// Content-Type as sent.
    pub content_type: Option<&'a str>,
    /// The bytes.
    pub body: &'a [u8],
    /// SHA-256 of them ([`sha256`]): whoever received them has computed it on the way.
    pub sha256: [u8; 32],
    /// When it became durable, if that was before now: a part of a message keeps the whole's place in the order of arrival.
    pub received_at: Option<chrono::DateTime<chrono::Utc>>,
}

/// What the sender is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The message's id; for a duplicate the id of the first one.
    pub id: Uuid,
    /// Whether it was there already.
    pub duplicate: bool,
    /// Whether the sender's own id came with other bytes before.
    pub id_reused: bool,
}

/// The warning that is kept with a message whose sender gave its id to other bytes before.
pub const ID_REUSED: &str = "message-id-reused";

/// Characters of a sender's id that are kept. It has an index, which takes 2,704 bytes at most: a longer one would refuse the message.
const LONGEST_ID: usize = 200;

/// SHA-256 of a message's bytes.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut sha256 = [0; 32];
    sha256.copy_from_slice(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref());
    sha256
}

/// Why a message does not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Can't be understood or routed.
    Quarantined,
    /// Given up after retries.
    Failed,
}

statements! { Messages {
    /// Enqueues in the same statement; a duplicate is neither stored nor enqueued nor audited again. An id that came with other bytes
    /// is looked for by its own index: looking through the latest messages cost more than all the rest of this statement.
    STORE_MESSAGE = "
WITH reused AS MATERIALIZED (
  SELECT EXISTS (SELECT FROM raw_messages WHERE source_id = $2 AND sender_message_id = $3::text AND sha256 <> $4) AS so
), stored AS (
  INSERT INTO raw_messages (id, source_id, sender_message_id, sha256, body, content_type, received_at, warnings)
  SELECT $1::uuid, $2::uuid, $3::text, $4::bytea, $5::bytea, $6::text, coalesce($9::timestamptz, now()),
         CASE WHEN so THEN '[{\"code\": \"message-id-reused\"}]' ELSE '[]' END::jsonb FROM reused
  ON CONFLICT (source_id, sha256) DO NOTHING
  RETURNING id
), queued AS (
  SELECT id, guard.enqueue(id) AS entry FROM stored
), audited AS (
  INSERT INTO audit (id, actor, actor_role, action, object_kind, object_id, outcome, request_id)
  SELECT $7, $10, $11, 'message.store', 'raw_messages', id, 'success', $8 FROM stored
)
SELECT id, false AS duplicate, (SELECT so FROM reused) FROM queued WHERE entry IS NOT NULL
UNION ALL
SELECT m.id, true, false FROM raw_messages m WHERE m.source_id = $2 AND m.sha256 = $4";
    LOAD_MESSAGE = "SELECT id, source_id, sender_message_id, content_type, body, received_at, state = 'received'
            FROM raw_messages WHERE id = $1";
    SET_ASIDE = "WITH changed AS (
            UPDATE raw_messages SET state = $2, reason = $3, processed_at = now()
             WHERE id = $1 AND state = 'received' RETURNING id, state
          )
          INSERT INTO audit (id, action, object_kind, object_id, outcome, request_id)
          SELECT $4, 'message.' || state, 'raw_messages', id, 'success', $5 FROM changed";
    HANDED_ON = "WITH changed AS (
            UPDATE raw_messages SET state = 'processed', format = $2, charset = $3, processed_at = now(), body = ''
             WHERE id = $1 AND state = 'received' RETURNING id
          )
          INSERT INTO audit (id, action, object_kind, object_id, outcome, request_id)
          SELECT $4, 'message.hand_on', 'raw_messages', id, 'success', $5 FROM changed";
    DISCARD_LETTER = "WITH changed AS (
            UPDATE raw_messages SET reason = reason || '; discarded: ' || $2::text 
             WHERE id = $1 AND state IN ('failed', 'quarantined') AND position('; discarded: ' IN reason) = 0 RETURNING id
          ), audited AS (
            INSERT INTO audit (id, actor, actor_role, action, object_kind, object_id, outcome, request_id)
            SELECT $3, $4, $5, 'message.discard', 'raw_messages', id, 'success', $6 FROM raw_messages WHERE id = $1
          )
          SELECT id FROM changed";
    /// What nobody has discarded stands first, so what is cut off is the oldest of that only when there is more of it.
    LIST_SET_ASIDE = "SELECT id, state, coalesce(reason, 'waits for a worker for more than a quarter of an hour'), received_at, count(*) OVER ()
            FROM raw_messages
           WHERE state IN ('quarantined', 'failed') OR (state = 'received' AND received_at < now() - interval '15 minutes')
           ORDER BY coalesce(position('; discarded: ' IN reason) > 0, false), received_at DESC, id DESC LIMIT 200";
    AUDIT_SET_ASIDE = "INSERT INTO audit (id, actor, actor_role, action, object_kind, outcome, request_id)
        VALUES ($1, $2, $3, 'message.list_set_aside', 'raw_messages', 'success', $4)";
    IS_SET_ASIDE = "SELECT FROM raw_messages WHERE id = $1 AND state <> 'processed'";
    /// Who wants it, before a service does it for them: the two rows have the same request.
    AUDIT_WISH = "INSERT INTO audit (id, actor, actor_role, action, object_kind, object_id, outcome, request_id)
        SELECT $1, $2, $3, $4, 'raw_messages', $5,
               CASE WHEN EXISTS (SELECT FROM raw_messages WHERE id = $5 AND state <> 'processed') THEN 'success' ELSE 'not_found' END, $6";
    REPLAY_MESSAGE = "WITH changed AS (
            UPDATE raw_messages SET state = 'received', reason = NULL, processed_at = NULL
             WHERE id = $1 AND state <> 'processed' RETURNING id
          ), audited AS (
            INSERT INTO audit (id, action, object_kind, object_id, outcome, request_id)
            SELECT $2, 'message.replay', 'raw_messages', id, 'success', $3 FROM changed
          )
          SELECT guard.enqueue(id) FROM changed";
} }

/// Stores a message and enqueues it, durably when this returns.
///
/// # Errors
/// When the database can't be asked; then the sender has to try again.
pub async fn store(session: &mut TenantSession, message: NewMessage<'_>) -> Result<Stored, DbError> {
    let (id, audit_id, request) = (Uuid::now_v7(), Uuid::now_v7(), session.request_id());
    let (actor, role) = session.actor();
    let sender_id = message.sender_message_id.map(|id| id.chars().take(LONGEST_ID).collect::<String>());
    // A twin that commits while this statement waits for it is invisible to the statement's snapshot: no row comes back,
    // and the second look finds the twin.
    for _ in 0..2 {
        let rows = session
            .run(&[Query {
                sql: STORE_MESSAGE,
                params: &[
                    &id,
                    &message.source_id,
                    &sender_id,
                    &&message.sha256[..],
                    &message.body,
                    &message.content_type,
                    &audit_id,
                    &request,
                    &message.received_at,
                    &actor,
                    &role,
                ],
            }])
            .await?;
        if let Some(row) = rows.first().and_then(|rows| rows.first()) {
            return Ok(Stored { id: row.get(0), duplicate: row.get(1), id_reused: row.get(2) });
        }
    }
    Err(DbError::Conflict)
}

/// A message as a worker sees it.
#[derive(Debug, Clone)]
pub struct RawMessage {
    /// Its id.
    pub id: Uuid,
    /// Who sent it.
    pub source_id: Uuid,
    /// The sender's own id of it.
    pub sender_message_id: Option<String>,
    /// Content-Type as sent.
    pub content_type: Option<String>,
    /// The bytes.
    pub body: Vec<u8>,
    /// When it became durable.
    pub received_at: chrono::DateTime<chrono::Utc>,
    /// Whether it still waits to be processed.
    pub waiting: bool,
}

/// The message, or `None` when there is none with this id.
///
/// # Errors
/// When the database can't be asked.
pub async fn load(session: &mut TenantSession, id: Uuid) -> Result<Option<RawMessage>, DbError> {
    let rows = session.run(&[Query { sql: LOAD_MESSAGE, params: &[&id] }]).await?;
    Ok(rows.first().and_then(|rows| rows.first()).map(|row| RawMessage {
        id: row.get(0),
        source_id: row.get(1),
        sender_message_id: row.get(2),
        content_type: row.get(3),
        body: row.get(4),
        received_at: row.get(5),
        waiting: row.get(6),
    }))
}

/// Takes a message out of the way, with a reason that holds no content of it. Changes nothing when it was processed already.
///
/// # Errors
/// When the database can't be asked.
pub async fn set_aside(session: &mut TenantSession, id: Uuid, verdict: Verdict, reason: &str) -> Result<(), DbError> {
    let state = match verdict {
        Verdict::Quarantined => "quarantined",
        Verdict::Failed => "failed",
    };
    let (audit_id, request) = (Uuid::now_v7(), session.request_id());
    session.run(&[Query { sql: SET_ASIDE, params: &[&id, &state, &reason, &audit_id, &request] }]).await?;
    Ok(())
}

/// Ends a message of the intake whose parts were all handed to their practices. Its bytes are theirs now and are not kept here,
/// where they would outlive a practice's deletion; the hash stays, so that a retry is recognised.
///
/// # Errors
/// When the database can't be asked.
pub async fn handed_on(session: &mut TenantSession, id: Uuid, format: &str, charset: &str) -> Result<(), DbError> {
    let (audit_id, request) = (Uuid::now_v7(), session.request_id());
    session.run(&[Query { sql: HANDED_ON, params: &[&id, &format, &charset, &audit_id, &request] }]).await?;
    Ok(())
}

/// Notes beside a message that was set aside why it is not to be worked on again. It stays what it is, with its bytes. False when it is not
/// set aside any more, or a reason was noted before: then only the audit tells.
///
/// # Errors
/// When the database can't be asked.
pub async fn discarded(session: &mut TenantSession, id: Uuid, reason: &str) -> Result<bool, DbError> {
    let (audit_id, request, (actor, role)) = (Uuid::now_v7(), session.request_id(), session.actor());
    let discard = Query { sql: DISCARD_LETTER, params: &[&id, &reason, &audit_id, &actor, &role, &request] };
    let rows = session.run(&[discard]).await?;
    Ok(rows.iter().any(|rows| !rows.is_empty()))
}

/// One message that was set aside.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct SetAside {
    /// Its id.
    pub id: Uuid,
    /// quarantined, failed, or received when it waits for long.
    pub state: String,
    /// Code and place of the fault.
    pub reason: String,
    /// When it became durable.
    pub received_at: chrono::DateTime<chrono::Utc>,
}

/// Messages that were set aside.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct SetAsideMessages {
    /// Newest first, those that somebody discarded last, at most 200.
    #[serde(rename = "items")]
    pub messages: Vec<SetAside>,
    /// How many there are.
    pub total: i64,
}

/// Messages that were set aside, and those that wait for longer than a worker ever lets them.
///
/// # Errors
/// When the database can't be asked.
pub async fn list_set_aside(session: &mut TenantSession) -> Result<SetAsideMessages, DbError> {
    let (audit_id, request, (actor, role)) = (Uuid::now_v7(), session.request_id(), session.actor());
    let audit = Query { sql: AUDIT_SET_ASIDE, params: &[&audit_id, &actor, &role, &request] };
    let results = session.run(&[Query { sql: LIST_SET_ASIDE, params: &[] }, audit]).await?;
    let rows = results.first().map(Vec::as_slice).unwrap_or_default();
    let message =
        |row: &Row| SetAside { id: row.get(0), state: row.get(1), reason: row.get(2), received_at: row.get(3) };
    let total = rows.first().map_or(0, |row| row.get(4));
    Ok(SetAsideMessages { messages: rows.iter().map(message).collect(), total })
}

/// What somebody of a practice wants done with a message that was set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// To have it worked on again.
    Replay,
    /// To leave it where it is for good.
    Discard,
}

/// Notes who wants it. False when no such message was set aside here; that is noted as well.
///
/// # Errors
/// [`DbError::Refused`] when the claims may not; else when the database can't be asked.
pub async fn wished(session: &mut TenantSession, id: Uuid, wish: Wish) -> Result<bool, DbError> {
    let action = match wish {
        Wish::Replay => "message.wish_replay",
        Wish::Discard => "message.wish_discard",
    };
    let (audit_id, request, (actor, role)) = (Uuid::now_v7(), session.request_id(), session.actor());
    let results = session
        .run(&[
            Query { sql: IS_SET_ASIDE, params: &[&id] },
            Query { sql: AUDIT_WISH, params: &[&audit_id, &actor, &role, &action, &id, &request] },
        ])
        .await?;
    Ok(results.first().is_some_and(|rows| !rows.is_empty()))
}

/// Puts a message that was set aside back to work: after a BSNR was registered or a fault mended. Also one that only waits: a
/// second entry does no harm. False when there is none.
///
/// # Errors
/// When the database can't be asked.
pub async fn replay(session: &mut TenantSession, id: Uuid) -> Result<bool, DbError> {
    let (audit_id, request) = (Uuid::now_v7(), session.request_id());
    let rows = session.run(&[Query { sql: REPLAY_MESSAGE, params: &[&id, &audit_id, &request] }]).await?;
    Ok(rows.iter().any(|rows| !rows.is_empty()))
}
