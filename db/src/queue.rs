//! The queue of stored messages (pgmq). Entries hold a tenant's opaque name and a message id, nothing else.
//! Must stay true: delivery is at least once; the worker's effects are idempotent. An entry is removed only after its effect
//! committed, or moved to the dead-letter queue with its reason in one transaction.
use std::time::Duration;

use labor_catalog::TenantName;
use pgmq::PGMQueueExt;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::Connection as _;
use uuid::Uuid;

use crate::DbError;
use crate::control::pool::ControlPool;

const MESSAGES: &str = "messages";
const DEAD: &str = "dead_messages";

/// What an entry says.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct Entry {
    /// Whose message.
    pub tenant: TenantName,
    /// Which message.
    pub message_id: Uuid,
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
}

impl Queue {
    pub(crate) async fn new(pool: ControlPool) -> Self {
        Self { pgmq: PGMQueueExt::new_with_pool(pool.bare()).await, pool }
    }

    /// Takes up to `count` entries that are then invisible for `hidden`; waits up to `wait` for the first one.
    ///
    /// # Errors
    /// When the database can't be asked.
    pub async fn take(&self, count: i32, hidden: Duration, wait: Duration) -> Result<Vec<Delivery>, DbError> {
        let hidden = i32::try_from(hidden.as_secs()).unwrap_or(i32::MAX);
        let poll = Some(Duration::from_millis(50));
        let messages = self
            .pgmq
            .read_batch_with_poll_with_cxn::<_, Value, Value>(MESSAGES, hidden, count, Some(wait), poll, &self.pool)
            .await?;
        let mut deliveries = Vec::with_capacity(messages.len());
        for message in messages {
            match serde_json::from_value(message.message.clone()) {
                Ok(entry) => deliveries.push(Delivery { number: message.msg_id, attempt: message.read_ct, entry }),
                // Of another version, or made by hand: it must not stop its neighbours.
                Err(_) => {
                    tracing::error!(entry = message.msg_id, "not an entry of this queue, now a dead letter");
                    self.dead_letter(message.msg_id, &json!({ "entry": message.message, "reason": "malformed entry" }))
                        .await?;
                }
            }
        }
        Ok(deliveries)
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
