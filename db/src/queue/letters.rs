//! What operators see of the queue: how long it is, and what was given up.
//! Must stay true: a dead letter goes only when its message is worked on again or an operator says that it may; the message itself stays
//! with its practice. Opaque names and ids only.
use chrono::{DateTime, Utc};
use labor_catalog::TenantName;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::{DEAD, DeadLetter, Entry, Queue};
use crate::DbError;

/// How long the queue is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct QueueState {
    /// Entries that wait for a worker.
    pub waiting: i64,
    /// Entries that a worker has, or that come again after a pause.
    pub hidden: i64,
    /// Alerts whose time limit is not over yet: nothing waits for them.
    pub timers: i64,
    /// For how many seconds the oldest entry is there that is no such timer; a timer's time counts from its limit on.
    pub oldest_seconds: f64,
    /// Dead letters.
    pub dead: i64,
}

/// A dead letter as operators see it.
#[derive(Debug, Clone, Serialize)]
pub struct Letter {
    /// pgmq's number of it.
    pub number: i64,
    /// Since when it is one.
    pub since: DateTime<Utc>,
    /// What it is about; `None`: the entry was malformed.
    #[serde(flatten)]
    pub entry: Option<Entry>,
    /// Why it was given up: no content.
    pub reason: String,
}

impl Queue {
    /// How long the queue is.
    ///
    /// # Errors
    /// When the database can't be asked.
    pub async fn state(&self) -> Result<QueueState, DbError> {
        Ok(sqlx::query_as!(
            QueueState,
            r#"SELECT count(*) FILTER (WHERE vt <= clock_timestamp()) AS "waiting!",
                      count(*) FILTER (WHERE vt > clock_timestamp() AND NOT timer) AS "hidden!", count(*) FILTER (WHERE timer AND vt > clock_timestamp()) AS "timers!",
                      coalesce(extract(epoch FROM clock_timestamp() - least(min(enqueued_at) FILTER (WHERE due IS NULL),
                                                                            min(due) FILTER (WHERE due <= clock_timestamp()))), 0)::float8 AS "oldest_seconds!",
                      (SELECT count(*) FROM pgmq.q_dead_messages) AS "dead!"
                 FROM (SELECT vt, enqueued_at, due, coalesce(due > clock_timestamp(), false) AS timer
                         FROM (SELECT vt, enqueued_at,
                                      -- One that names no time, as no worker makes it, is due when it is seen.
                                      CASE WHEN message ? 'alert_id' THEN coalesce((message ->> 'due')::timestamptz, vt) END AS due
                                 FROM pgmq.q_messages) m) q"#
        )
        .fetch_one(&self.pool)
        .await?)
    }

    /// Dead letters, the oldest first, at most 200.
    ///
    /// # Errors
    /// When the database can't be asked.
    pub async fn dead_letters(&self) -> Result<Vec<Letter>, DbError> {
        let rows =
            sqlx::query!("SELECT msg_id, enqueued_at, message FROM pgmq.q_dead_messages ORDER BY msg_id LIMIT 200");
        let rows = rows.fetch_all(&self.pool).await?;
        Ok(rows.into_iter().map(|row| letter(row.msg_id, row.enqueued_at, row.message)).collect())
    }

    /// One dead letter.
    ///
    /// # Errors
    /// When the database can't be asked.
    pub async fn dead_letter_of(&self, number: i64) -> Result<Option<Letter>, DbError> {
        let row = sqlx::query!("SELECT enqueued_at, message FROM pgmq.q_dead_messages WHERE msg_id = $1", number);
        Ok(row.fetch_optional(&self.pool).await?.map(|row| letter(number, row.enqueued_at, row.message)))
    }

    /// Takes a dead letter away: its message is worked on again, or an operator has dealt with it.
    ///
    /// # Errors
    /// When the database can't be asked.
    pub async fn remove_dead_letter(&self, number: i64) -> Result<bool, DbError> {
        Ok(self.pgmq.delete_with_cxn(DEAD, number, &self.pool).await?)
    }

    /// Takes the dead letters about a message away, if there are any.
    ///
    /// # Errors
    /// When the database can't be asked.
    pub async fn remove_dead_letters_of(&self, tenant: &TenantName, message: Uuid) -> Result<(), DbError> {
        sqlx::query!(
            "DELETE FROM pgmq.q_dead_messages WHERE message ->> 'tenant' = $1 AND message ->> 'message_id' = $2",
            tenant.as_str(),
            message.to_string()
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}

fn letter(number: i64, since: DateTime<Utc>, message: Option<Value>) -> Letter {
    match message.map(serde_json::from_value::<DeadLetter>) {
        Some(Ok(letter)) => Letter { number, since, entry: Some(letter.entry), reason: letter.reason },
        _ => Letter { number, since, entry: None, reason: "malformed entry".to_owned() },
    }
}
