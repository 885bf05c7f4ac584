//! The queue of stored messages and of alerts' timers (pgmq). Entries hold a tenant's opaque name and an id, nothing else.
//! Must stay true: delivery is at least once; the worker's effects are idempotent. An entry is removed only after its effect
//! committed, or moved to the dead-letter queue with its reason in one transaction. Tenants take turns: however many messages one has,
//! another's waits for what is under way and for one of each. An alert's timer whose time is over goes before its practice's messages.
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use labor_catalog::TenantName;
pub use letters::{Letter, QueueState};
use pgmq::PGMQueueExt;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::Connection as _;
use uuid::Uuid;

use crate::DbError;
use crate::control::pool::ControlPool;

mod letters;

const MESSAGES: &str = "messages";
const DEAD: &str = "dead_messages";

/// Between two looks at a queue in which nothing is due.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// What an entry says.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct Entry {
    /// Whose.
    pub tenant: TenantName,
    /// What.
    #[serde(flatten)]
    pub about: About,
}

/// What is to be worked on; the name of its id tells which it is.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
#[serde(untagged)]
pub enum About {
    /// A stored message.
    Message {
        /// Which.
        message_id: Uuid,
    },
    /// An alert whose time limit is over.
    Alert {
        /// Which.
        alert_id: Uuid,
        /// When it is: which turn of the alert's is meant.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        due: Option<DateTime<Utc>>,
    },
}

impl About {
    /// The id, for logs.
    #[must_use]
    pub fn id(self) -> Uuid {
        match self {
            Self::Message { message_id } => message_id,
            Self::Alert { alert_id, due: _ } => alert_id,
        }
    }
}

/// An entry taken from the queue; invisible to others for a while.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// pgmq's number of the entry.
    pub number: i64,
    /// How often it was delivered, this time included.
    pub attempt: i32,
    /// What it says.
    pub entry: Entry,
}

/// A dead letter: an entry that was given up.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DeadLetter {
    /// What it said.
    #[serde(flatten)]
    pub entry: Entry,
    /// Why it was given up: a code, no content.
    pub reason: String,
}

/// The queue.
#[derive(Clone)]
pub struct Queue {
    pgmq: PGMQueueExt,
    pool: ControlPool,
    /// Whose turn was last, of what this process took.
    last: Arc<Mutex<String>>,
}

/// A row of the queue.
struct Taken {
    number: i64,
    attempt: i32,
    message: Value,
    turn: i64,
}

impl Queue {
    pub(crate) async fn new(pool: ControlPool) -> Self {
        Self { pgmq: PGMQueueExt::new_with_pool(pool.bare()).await, pool, last: Arc::default() }
    }

    /// Takes up to `count` entries that are then invisible for `hidden`, of each tenant in turn; waits up to `wait` for the first one.
    ///
    /// # Errors
    /// When the database can't be asked.
    pub async fn take(&self, count: i32, hidden: Duration, wait: Duration) -> Result<Vec<Delivery>, DbError> {
        let until = Instant::now() + wait;
        loop {
            let taken = self.take_after(&self.last(), count, hidden).await?;
            if !taken.is_empty() {
                return Ok(self.deliveries(taken).await);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Vec::new());
            }
            tokio::time::sleep(left.min(LOOK_AGAIN)).await;
        }
    }

    fn last(&self) -> String {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What is due, of the tenants after this name and then of the others: the first of each, then the second of each, and so on. More are
    /// looked at than are wanted, because another worker may be about to take the same.
    async fn take_after(&self, last: &str, count: i32, hidden: Duration) -> Result<Vec<Taken>, DbError> {
        let rows = sqlx::query_as!(
            Taken,
            r#"WITH RECURSIVE turns (tenant, turn, again) AS (
                 -- What is not due yet, as most timers, is not looked at tenant by tenant.
                 SELECT $1::text, 0::bigint, false WHERE EXISTS (SELECT FROM pgmq.q_messages d WHERE d.vt <= statement_timestamp())
                 UNION ALL
                 -- The next tenant by name; after the last one the first, until whoever it began with has come.
                 SELECT n.tenant, t.turn + 1, n.again
                   FROM turns t CROSS JOIN LATERAL (
                          (SELECT coalesce(nullif(q.message ->> 'tenant', ''), '?') AS tenant, t.again FROM pgmq.q_messages q
                            WHERE coalesce(nullif(q.message ->> 'tenant', ''), '?') > t.tenant
                            ORDER BY coalesce(nullif(q.message ->> 'tenant', ''), '?') LIMIT 1)
                          UNION ALL
                          SELECT '', true WHERE NOT t.again
                          LIMIT 1) n
                  WHERE NOT n.again OR n.tenant <= $1
               ), waiting AS MATERIALIZED (
                 SELECT t.tenant, t.turn FROM turns t
                  WHERE t.turn > 0 AND EXISTS (SELECT FROM pgmq.q_messages q
                                 WHERE coalesce(nullif(q.message ->> 'tenant', ''), '?') = t.tenant AND q.vt <= statement_timestamp())
                  LIMIT $2 * 4
               ), due AS MATERIALIZED (
                 SELECT d.msg_id, w.turn, row_number() OVER (PARTITION BY w.tenant ORDER BY d.kind, d.msg_id) AS round
                   FROM waiting w CROSS JOIN LATERAL (
                          (SELECT q.msg_id, 0 AS kind FROM pgmq.q_messages q
                            WHERE coalesce(nullif(q.message ->> 'tenant', ''), '?') = w.tenant AND q.vt <= statement_timestamp() AND q.message ? 'alert_id'
                            ORDER BY q.vt, q.msg_id LIMIT (SELECT $2 * 4 / greatest(count(*), 1) + 1 FROM waiting))
                          UNION ALL
                          (SELECT q.msg_id, 1 FROM pgmq.q_messages q
                            WHERE coalesce(nullif(q.message ->> 'tenant', ''), '?') = w.tenant AND q.vt <= statement_timestamp() AND NOT q.message ? 'alert_id'
                            ORDER BY q.vt, q.msg_id LIMIT (SELECT $2 * 4 / greatest(count(*), 1) + 1 FROM waiting))) d
               ), ours AS MATERIALIZED (
                 SELECT q.msg_id, d.turn FROM due d JOIN pgmq.q_messages q USING (msg_id)
                  WHERE q.vt <= statement_timestamp() ORDER BY d.round, d.turn LIMIT $2 FOR UPDATE OF q SKIP LOCKED
               )
               UPDATE pgmq.q_messages q
                  SET vt = clock_timestamp() + $3 * interval '1 second', read_ct = q.read_ct + 1, last_read_at = clock_timestamp()
                 FROM ours o WHERE q.msg_id = o.msg_id
               RETURNING q.msg_id AS "number!", q.read_ct AS "attempt!", q.message AS "message!", o.turn AS "turn!""#,
            last,
            count,
            hidden.as_secs_f64()
        );
        let mut taken = rows.fetch_all(&self.pool).await?;
        taken.sort_by_key(|entry| (entry.turn, entry.number));
        Ok(taken)
    }

    async fn deliveries(&self, taken: Vec<Taken>) -> Vec<Delivery> {
        let mut deliveries = Vec::with_capacity(taken.len());
        for Taken { number, attempt, message, .. } in taken {
            match serde_json::from_value::<Entry>(message.clone()) {
                Ok(entry) => {
                    entry.tenant.as_str().clone_into(&mut self.last.lock().unwrap_or_else(PoisonError::into_inner));
                    deliveries.push(Delivery { number, attempt, entry });
                }
                // Of another version, or made by hand: it must not stop its neighbours.
                Err(_) => {
                    tracing::error!(entry = number, "not an entry of this queue, to be a dead letter");
                    let letter = json!({ "entry": message, "reason": "malformed entry" });
                    if let Err(error) = self.dead_letter(number, &letter).await {
                        tracing::warn!(%error, entry = number, "could not be moved; it comes again");
                    }
                }
            }
        }
        deliveries
    }

    /// Removes an entry whose effect has committed.
    ///
    /// # Errors
    /// When the database can't be asked; the entry then comes again and finds its effect done.
    pub async fn done(&self, delivery: &Delivery) -> Result<(), DbError> {
        self.pgmq.delete_with_cxn(MESSAGES, delivery.number, &self.pool).await?;
        Ok(())
    }

    /// Lets an entry come again after `delay`.
    ///
    /// # Errors
    /// When the database can't be asked; the entry then comes again when its time is over.
    pub async fn retry_after(&self, delivery: &Delivery, delay: Duration) -> Result<(), DbError> {
        let seconds = i32::try_from(delay.as_secs().max(1)).unwrap_or(i32::MAX);
        self.pgmq.set_vt_with_cxn::<_, Value, Value>(MESSAGES, delivery.number, seconds, &self.pool).await?;
        Ok(())
    }

    /// Lets an entry come again after `delay` as if it had never been taken: that it could not be worked on was no fault of it.
    ///
    /// # Errors
    /// When the database can't be asked; the entry then comes again when its time is over.
    pub async fn leave(&self, delivery: &Delivery, delay: Duration) -> Result<(), DbError> {
        sqlx::query!(
            "UPDATE pgmq.q_messages SET vt = clock_timestamp() + $2 * interval '1 second', read_ct = 0 WHERE msg_id = $1",
            delivery.number,
            delay.as_secs_f64()
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Moves an entry to the dead-letter queue.
    ///
    /// # Errors
    /// When the database can't be asked; the entry then comes again.
    pub async fn bury(&self, delivery: &Delivery, reason: &str) -> Result<(), DbError> {
        let letter = DeadLetter { entry: delivery.entry.clone(), reason: reason.to_owned() };
        self.dead_letter(delivery.number, &letter).await
    }

    async fn dead_letter(&self, number: i64, letter: &impl Serialize) -> Result<(), DbError> {
        let (pgmq, letter) =
            (self.pgmq.clone(), serde_json::to_value(letter).map_err(|_| DbError::Data("a dead letter"))?);
        let moved = self.pool.with(move |connection| {
            Box::pin(async move {
                let mut transaction = connection.begin().await?;
                let moved = async {
                    pgmq.send_with_cxn(DEAD, &letter, &mut *transaction).await?;
                    pgmq.delete_with_cxn(MESSAGES, number, &mut *transaction).await
                };
                if let Err(error) = moved.await {
                    return Ok(Err(error));
                }
                transaction.commit().await?;
                Ok(Ok(()))
            })
        });
        Ok(moved.await??)
    }
}
