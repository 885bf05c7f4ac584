//! For how long a server that says nothing is believed to be at work.
//! Must stay true: no round trip waits for longer than its limit, whatever the server or the network does: a stopped server and a dead
//! line never say so themselves; once one was noticed, those that have waited since before do not use up their own limits.
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::sleep;

/// Limits, and the word that somebody's answer did not come.
pub(super) struct Patience {
    answer: Duration,
    work: Duration,
    /// Since when the server is silent; `None` as long as it never was.
    silent_since: watch::Sender<Option<Instant>>,
}

/// Nothing was heard in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lost {
    /// This one noticed it, and has told the others. When it began to wait.
    Noticed(Instant),
    /// It was told by another.
    Told,
}

impl Patience {
    pub(super) fn new(answer: Duration, work: Duration) -> Self {
        Self { answer, work, silent_since: watch::Sender::new(None) }
    }

    /// Awaits `work`, which sets `heard` with the server's first word.
    pub(super) async fn bound<T>(&self, heard: &AtomicBool, work: impl Future<Output = T>) -> Result<T, Lost> {
        let began = Instant::now();
        let lost = tokio::select! {
            biased;
            done = work => return Ok(done),
            () = self.never_heard(heard) => Lost::Noticed(began),
            () = sleep(self.work) => Lost::Noticed(began),
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

    /// Another one that began after this one noticed silence, and that was a while ago.
    async fn told(&self, began: Instant) {
        let mut silent_since = self.silent_since.subscribe();
        if silent_since.wait_for(|since| since.is_some_and(|since| since >= began)).await.is_err() {
            std::future::pending().await
        }
        sleep(self.answer).await;
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
        assert!(matches!(patience.bound(&AtomicBool::new(true), pending::<()>()).await, Err(Lost::Noticed(_))));
        assert!(began.elapsed() >= ANSWER * 2, "it did not have its time");
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
