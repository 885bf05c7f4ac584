//! For how long a server that says nothing is believed to be at work.
//! Must stay true: no round trip waits for longer than its limit, whatever the server or the network does: a stopped server and a dead
//! line never say so themselves; once one was noticed, those that have waited since before do not use up their own limits.
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::sleep;

/// Limits, and the word that somebody's answer did not come.
pub(super) struct Patience {
    answer: Duration,
    work: Duration,
    /// Since when the server is silent, as far as one line tells; `None` as long as none ever was.
    silent_since: watch::Sender<Option<Instant>>,
    /// When anybody was answered last: a line can be dead while the server lives.
    answered_at: Mutex<Option<Instant>>,
}

/// Nothing was heard in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lost {
    /// This one noticed it, and has told the others. When it began to wait.
    Noticed(Instant),
    /// It was told by another, and nobody had an answer for a while after that.
    Told,
    /// The server was heard, and took too long: that says nothing about others.
    Slow,
}

impl Patience {
    pub(super) fn new(answer: Duration, work: Duration) -> Self {
        Self { answer, work, silent_since: watch::Sender::new(None), answered_at: Mutex::new(None) }
    }

    /// Awaits `work`, which sets `heard` with the server's first word.
    pub(super) async fn bound<T>(&self, heard: &AtomicBool, work: impl Future<Output = T>) -> Result<T, Lost> {
        let began = Instant::now();
        let lost = tokio::select! {
            biased;
            done = work => {
                *self.answered_at() = Some(Instant::now());
                return Ok(done);
            }
            () = self.never_heard(heard) => Lost::Noticed(began),
            () = sleep(self.work) => Lost::Slow,
            () = self.told(began) => Lost::Told,
        };
        if let Lost::Noticed(since) = lost {
            self.silent_since.send_if_modified(|known| {
                let newer = known.is_none_or(|known| known < since);
                if newer {
                    *known = Some(since);
                }
                newer
            });
        }
        Err(lost)
    }

    async fn never_heard(&self, heard: &AtomicBool) {
        sleep(self.answer).await;
        if heard.load(Ordering::Relaxed) {
            std::future::pending().await
        }
    }

    /// Another one that began after this one noticed silence, that was a while ago, and nobody was answered in the meantime.
    async fn told(&self, mut began: Instant) {
        let mut silent_since = self.silent_since.subscribe();
        loop {
            let since = match silent_since.wait_for(|since| since.is_some_and(|since| since >= began)).await {
                Ok(since) => *since,
                Err(_) => None,
            };
            let Some(since) = since else { return std::future::pending().await };
            // Not since that one began to wait: others had their answers until the line died.
            let told = Instant::now();
            sleep(self.answer).await;
            if self.answered_at().is_none_or(|answered| answered <= told) {
                return;
            }
            // A dead line of somebody else's: only a newer silence counts.
            began = since + Duration::from_nanos(1);
        }
    }

    fn answered_at(&self) -> MutexGuard<'_, Option<Instant>> {
        self.answered_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    const ANSWER: Duration = Duration::from_millis(30);
    const LONG: Duration = Duration::from_secs(3600);

    #[tokio::test]
    async fn a_round_trip_ends_when_nothing_at_all_is_heard() {
        let patience = Patience::new(ANSWER, LONG);
        assert!(matches!(patience.bound(&AtomicBool::new(false), pending::<()>()).await, Err(Lost::Noticed(_))));
    }

    #[tokio::test]
    async fn a_round_trip_whose_server_was_heard_ends_with_the_limit_for_work() {
        let patience = Patience::new(ANSWER, ANSWER * 2);
        let began = Instant::now();
        assert_eq!(patience.bound(&AtomicBool::new(true), pending::<()>()).await, Err(Lost::Slow));
        assert!(began.elapsed() >= ANSWER * 2, "it did not have its time");
    }

    #[tokio::test]
    async fn a_dead_line_ends_nobody_elses_work_while_the_server_answers() {
        let patience = Patience::new(ANSWER, LONG);
        let (heard, unheard) = (AtomicBool::new(true), AtomicBool::new(false));
        let long = patience.bound(&heard, async {
            sleep(ANSWER * 5).await;
            "done"
        });
        let dead = patience.bound(&unheard, pending::<()>());
        let answered = async {
            sleep(ANSWER * 3 / 2).await;
            patience.bound(&heard, async {}).await
        };
        let (long, dead, _) = tokio::join!(long, dead, answered);
        assert!(matches!((long, dead), (Ok("done"), Err(Lost::Noticed(_)))), "the server lives");
    }

    /// The line dies in the middle of many answers: the one that was heard last and the one that is never heard began one after the other.
    #[tokio::test]
    async fn an_answer_just_before_the_silence_keeps_nobody_waiting() {
        let patience = Patience::new(ANSWER, LONG);
        let (heard, unheard) = (AtomicBool::new(true), AtomicBool::new(false));
        let half_answered = patience.bound(&heard, pending::<()>());
        let silent = patience.bound(&unheard, pending::<()>());
        let answered = async {
            sleep(ANSWER / 10).await;
            patience.bound(&heard, async {}).await
        };
        let (half_answered, silent, _) = tokio::join!(half_answered, silent, answered);
        assert_eq!((half_answered, silent.is_err()), (Err(Lost::Told), true));
    }

    #[tokio::test]
    async fn who_waited_before_the_silence_is_told_and_who_came_later_is_not() {
        let patience = Patience::new(ANSWER, LONG);
        let (heard, unheard) = (AtomicBool::new(true), AtomicBool::new(false));
        let before = patience.bound(&heard, pending::<()>());
        let silent = patience.bound(&unheard, pending::<()>());
        let (before, silent) = tokio::join!(before, silent);
        assert_eq!((before, silent.is_err()), (Err(Lost::Told), true));
        let later = patience.bound(&heard, async {
            sleep(ANSWER * 4).await;
            "done"
        });
        assert_eq!(later.await, Ok("done"));
    }
}
