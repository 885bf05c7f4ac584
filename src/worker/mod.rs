//! The worker: takes messages from the queue and stores what they report; sees to alerts whose time limit is over.
//! Must stay true: an entry leaves the queue only after its effect committed; a killed worker's entry comes again and finds its
//! effect done or not begun; one bad message stops nothing but itself. An alert's timer is never given up: nothing would bring it back.
mod escalate;
pub(crate) mod process;
pub(crate) mod read;
pub(crate) mod route;
mod translate;
mod translate_hl7;

pub(crate) use translate::format;

use std::sync::Arc;
use std::time::Duration;

use labor_db::messages::{self, Verdict};
use labor_db::queue::{About, Delivery, Queue};
use labor_db::{Claims, DbError};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;
use uuid::Uuid;

use crate::App;
use crate::settings::WorkSettings;

/// How long one look at an empty queue waits for something to come.
const WAIT: Duration = Duration::from_secs(2);
/// Pause when the database can't be asked.
const PAUSE: Duration = Duration::from_secs(1);
/// Longest pause between two attempts.
const LONGEST_BACKOFF: Duration = Duration::from_secs(600);
/// Pause while a practice is not served because of its schema's version: its messages shall not wait long after that.
const WAIT_FOR_A_VERSION: Duration = Duration::from_secs(5);

/// Works until `stop`; what was begun is finished. When the database can't be asked it tries again.
pub async fn work(app: App, settings: &WorkSettings, stop: CancellationToken) {
    let queue = app.control.queue().await;
    let places = Arc::new(Semaphore::new(usize::from(settings.concurrency)));
    let hidden = Duration::from_secs(u64::from(settings.hidden_seconds));
    let mut running = JoinSet::new();
    tracing::info!(concurrency = settings.concurrency, "working");
    while !stop.is_cancelled() {
        while running.try_join_next().is_some() {}
        let Ok(first) = places.clone().acquire_owned().await else { break };
        let count = i32::try_from(places.available_permits()).unwrap_or(i32::MAX).saturating_add(1);
        let taken = tokio::select! {
            taken = queue.take(count, hidden, WAIT) => taken,
            () = stop.cancelled() => break,
        };
        let deliveries = match taken {
            Ok(deliveries) => deliveries,
            Err(error) => {
                tracing::warn!(%error, "the queue can't be read");
                tokio::select! { () = tokio::time::sleep(PAUSE) => {} () = stop.cancelled() => {} }
                continue;
            }
        };
        let mut place = Some(first);
        for delivery in deliveries {
            let Some(permit) = place.take().or_else(|| places.clone().try_acquire_owned().ok()) else { break };
            let job = Job { app: app.clone(), queue: queue.clone(), attempts: settings.attempts, hidden, delivery };
            running.spawn(async move {
                job.run().await;
                drop(permit);
            });
        }
    }
    while running.join_next().await.is_some() {}
    tracing::info!("stopped");
}

/// How a job ended without an effect.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JobError {
    /// Worth another try.
    #[error(transparent)]
    Database(#[from] DbError),
    /// The program's own fault; the message is kept.
    #[error("{0}")]
    Fault(&'static str),
}

/// What came of a job.
pub(crate) enum Effect {
    /// In a word.
    Done(&'static str),
    /// It is not due yet; when it is.
    NotYet(Duration),
}

struct Job {
    app: App,
    queue: Queue,
    attempts: u16,
    hidden: Duration,
    delivery: Delivery,
}

impl Job {
    async fn run(self) {
        let job_id = Uuid::now_v7();
        let entry = &self.delivery.entry;
        let span = tracing::info_span!("job", %job_id, tenant = %entry.tenant, entry = %entry.about.id(), attempt = self.delivery.attempt);
        async {
            // Delivered more often than it was tried to the end: it may be what killed the workers before.
            if self.delivery.attempt > i32::from(self.attempts) && !self.is_timer() {
                let ended = self.give_up("workers ended while they were at it", job_id).await;
                if let Err(error) = ended {
                    tracing::warn!(%error, "the queue entry could not be changed; it comes again");
                }
                return;
            }
            let ended = match self.effect(job_id).await {
                Ok(Effect::Done(what)) => {
                    tracing::info!(what, "done");
                    if what == process::QUARANTINED {
                        self.app.messages.quarantined.inc();
                    }
                    self.queue.done(&self.delivery).await
                }
                Ok(Effect::NotYet(left)) => self.queue.leave(&self.delivery, left).await,
                Err(error) => self.after_failure(&error, job_id).await,
            };
            if let Err(error) = ended {
                tracing::warn!(%error, "the queue entry could not be changed; it comes again");
            }
        }
        .instrument(span)
        .await;
    }

    /// In a task of its own: a panic ends this job only, and the entry comes again. While it works, the entry stays hidden from
    /// other workers.
    async fn effect(&self, job_id: Uuid) -> Result<Effect, JobError> {
        let (app, entry) = (self.app.clone(), self.delivery.entry.clone());
        let mut task = tokio::spawn(
            async move {
                match entry.about {
                    About::Message { message_id } => {
                        process::process(&app, &entry.tenant, message_id, job_id).await.map(Effect::Done)
                    }
                    About::Alert { alert_id, due } => {
                        escalate::escalate(&app, &entry.tenant, (alert_id, due), job_id).await
                    }
                }
            }
            .in_current_span(),
        );
        let mut beat = tokio::time::interval(self.hidden / 2);
        beat.tick().await;
        loop {
            tokio::select! {
                result = &mut task => return result.unwrap_or(Err(JobError::Fault("the job panicked"))),
                _ = beat.tick() => if let Err(error) = self.queue.retry_after(&self.delivery, self.hidden).await {
                    tracing::warn!(%error, "the queue entry could not be kept hidden");
                },
            }
        }
    }

    fn is_timer(&self) -> bool {
        matches!(self.delivery.entry.about, About::Alert { .. })
    }

    async fn after_failure(&self, error: &JobError, job_id: Uuid) -> Result<(), DbError> {
        if self.is_timer() {
            // Whatever it is, the alert is open, and somebody has to be asked: also when a practice is served again after days.
            let pause = backoff(self.delivery.attempt, job_id).min(LONGEST_BACKOFF);
            tracing::warn!(%error, seconds = pause.as_secs(), "an alert's timer failed, will be tried again");
            return self.queue.retry_after(&self.delivery, pause).await;
        }
        if let JobError::Database(fault) = error
            && fault.is_about_the_data()
        {
            // Trying again would end the same way.
            tracing::error!(%error, "quarantined: it can't be stored");
            self.set_aside(Verdict::Quarantined, &format!("not-storable: {error}"), job_id).await?;
            self.app.messages.quarantined.inc();
            return self.queue.done(&self.delivery).await;
        }
        if let JobError::Database(DbError::OtherVersion(_) | DbError::Unsound) = error {
            // No fault of the message, so it is never given up for it.
            tracing::warn!(%error, seconds = WAIT_FOR_A_VERSION.as_secs(), "left in the queue");
            return self.queue.leave(&self.delivery, WAIT_FOR_A_VERSION).await;
        }
        if self.delivery.attempt < i32::from(self.attempts) {
            let pause = backoff(self.delivery.attempt, job_id);
            tracing::warn!(%error, seconds = pause.as_secs(), "failed, will be tried again");
            return self.queue.retry_after(&self.delivery, pause).await;
        }
        self.give_up(&error.to_string(), job_id).await
    }

    async fn give_up(&self, why: &str, job_id: Uuid) -> Result<(), DbError> {
        let reason = format!("given up after {} attempts: {why}", self.delivery.attempt);
        // A dead letter's message must say so itself, else nobody could replay it.
        if let Err(fault) = self.set_aside(Verdict::Failed, &reason, job_id).await {
            tracing::warn!(why, %fault, "failed, and can't be marked so; will be tried again");
            return self.queue.retry_after(&self.delivery, LONGEST_BACKOFF).await;
        }
        tracing::error!(why, "given up, now a dead letter");
        self.app.messages.given_up.inc();
        self.queue.bury(&self.delivery, &reason).await
    }

    async fn set_aside(&self, verdict: Verdict, reason: &str, job_id: Uuid) -> Result<(), DbError> {
        let entry = &self.delivery.entry;
        // A timer is never given up.
        let About::Message { message_id } = entry.about else { return Ok(()) };
        let mut session = self.app.session(&Claims::worker(entry.tenant.clone()), job_id).await?;
        messages::set_aside(&mut session, message_id, verdict, reason).await
    }
}

/// 1, 2, 4 … seconds with up to half as much again, so that a crowd does not come back at once.
fn backoff(attempt: i32, job_id: Uuid) -> Duration {
    let exponent = u32::try_from(attempt.max(1) - 1).unwrap_or(0).min(16);
    let base = Duration::from_secs(1 << exponent).min(LONGEST_BACKOFF);
    // The last byte of a UUIDv7 is random.
    base + base.mul_f64(f64::from(job_id.as_bytes()[15]) / 512.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end_at_ten_minutes() {
        let id = Uuid::nil();
        let seconds: Vec<_> = [1, 2, 3, 4, 11, 40].into_iter().map(|n| backoff(n, id).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 600, 600]);
        assert!(backoff(4, Uuid::max()) < Duration::from_secs(13));
    }
}
