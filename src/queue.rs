//! What an operator does with the queue: see how long it is, and deal with what was given up.
//! Must stay true: no dead letter goes without its message being worked on again or somebody saying why it may; the message stays.
use clap::Subcommand;
use labor_db::Claims;
use labor_db::queue::{About, Letter, Queue};
use labor_db::{alerts, messages};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::App;
use crate::admin::{AdminError, practice_named};

/// Commands about the queue.
#[derive(Debug, Subcommand)]
pub enum QueueCommand {
    /// How many messages wait, for how long the oldest does, and how many were given up.
    Status,
    /// Enqueue the timers of a practice's open alerts anew: a restored copy has none. Twice does no harm.
    Timers {
        /// Sign-in name of the practice.
        practice: String,
    },
    /// List what was given up, with the reason.
    Dead,
    /// Let the message or alert of a dead letter be worked on again.
    Replay {
        /// Number of the dead letter (`labor queue dead`).
        number: i64,
    },
    /// Take a dead letter away whose message is not to be worked on again. The message stays with its practice.
    Discard {
        /// Number of the dead letter (`labor queue dead`).
        number: i64,
        /// Why; no health data. It is noted beside the message if that is still set aside.
        #[arg(long)]
        reason: String,
    },
}

/// Carries out a command.
///
/// # Errors
/// When there is no such dead letter, or the database can't be asked.
pub async fn run(app: &App, command: &QueueCommand) -> Result<Value, AdminError> {
    let queue = app.control.queue().await;
    match command {
        QueueCommand::Status => Ok(json!(queue.state().await?)),
        QueueCommand::Timers { practice } => timers(app, practice).await,
        QueueCommand::Dead => Ok(json!({ "dead_letters": queue.dead_letters().await? })),
        QueueCommand::Replay { number } => replay(app, &queue, &found(&queue, *number).await?).await,
        QueueCommand::Discard { number, reason } => discard(app, &queue, &found(&queue, *number).await?, reason).await,
    }
}

async fn timers(app: &App, practice: &str) -> Result<Value, AdminError> {
    let tenant = practice_named(app, practice).await?;
    let mut session = app.session(&Claims::worker(tenant), Uuid::now_v7()).await?;
    Ok(json!({ "practice": practice, "timers": alerts::wake_all(&mut session).await? }))
}

async fn found(queue: &Queue, number: i64) -> Result<Letter, AdminError> {
    let letter = queue.dead_letter_of(number).await?;
    letter
        .ok_or_else(|| AdminError::Invalid(format!("there is no dead letter {number}; `labor queue dead` lists them")))
}

/// The message first: killed in between, the letter is there still, and a second replay does no harm.
async fn replay(app: &App, queue: &Queue, letter: &Letter) -> Result<Value, AdminError> {
    let number = letter.number;
    let entry = letter.entry.as_ref().ok_or_else(|| {
        AdminError::Invalid(format!("dead letter {number} names no message, so there is nothing to replay; discard it"))
    })?;
    let mut session = app.session(&Claims::worker(entry.tenant.clone()), Uuid::now_v7()).await?;
    let (what, again) = match entry.about {
        About::Message { message_id } => ("message", messages::replay(&mut session, message_id).await?),
        About::Alert { alert_id, due: _ } => ("alert", alerts::wake_again(&mut session, alert_id).await?),
    };
    let id = entry.about.id();
    if !again {
        return Err(AdminError::Invalid(format!(
            "{what} {id} of {} was processed meanwhile, or is not there any more; discard the dead letter",
            entry.tenant
        )));
    }
    queue.remove_dead_letter(number).await?;
    Ok(json!({ "replayed": id, "tenant": entry.tenant }))
}

async fn discard(app: &App, queue: &Queue, letter: &Letter, reason: &str) -> Result<Value, AdminError> {
    if reason.trim().is_empty() || reason.chars().count() > 200 {
        return Err(AdminError::Invalid("a reason has 1 to 200 characters".to_owned()));
    }
    let mut noted = false;
    if let Some(entry) = &letter.entry
        && let About::Message { message_id } = entry.about
    {
        let mut session = app.session(&Claims::worker(entry.tenant.clone()), Uuid::now_v7()).await?;
        noted = messages::discarded(&mut session, message_id, reason.trim()).await?;
    }
    queue.remove_dead_letter(letter.number).await?;
    let message = letter.entry.as_ref().map(|entry| entry.about.id());
    Ok(json!({ "discarded": letter.number, "message": message, "noted": noted }))
}
