//! What all connections of a [`Wire`](super::Wire) share: the count, the fault, and the word that everything is to be cut.
//!
//! What must stay true: a boundary gets its number and its verdict at once, so no two are the one with the fault.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, Signal};
use tokio::sync::watch;

use super::Fault;

/// What becomes of a boundary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Forward,
    /// Forward it and what follows up to its Sync, and cut when the server has answered.
    CutAfter,
    Cut,
    Kill,
    /// The program is being killed: nothing of it counts any more.
    Hold,
}

#[derive(Debug)]
pub(super) struct Plan {
    fault: Fault,
    counts: fn(&str) -> bool,
    log: Mutex<Vec<String>>,
    victim: watch::Sender<Option<u32>>,
    cuts: watch::Sender<u64>,
}

impl Plan {
    pub(super) fn new(fault: Fault, counts: fn(&str) -> bool) -> Self {
        Self { fault, counts, log: Mutex::default(), victim: watch::Sender::new(None), cuts: watch::Sender::new(0) }
    }

    pub(super) fn log(&self) -> MutexGuard<'_, Vec<String>> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn victim(&self, pid: u32) {
        self.victim.send_replace(Some(pid));
    }

    /// Counts a boundary and says what becomes of it. What doesn't count is forwarded, unless the program is being killed.
    pub(super) fn boundary(&self, text: String) -> Verdict {
        let mut log = self.log();
        if !(self.counts)(&text) {
            let killed = matches!(self.fault, Fault::Kill { at } if log.len() as u64 >= at) && !self.has_cut();
            return if killed { Verdict::Hold } else { Verdict::Forward };
        }
        log.push(text);
        let number = log.len() as u64;
        match self.fault {
            Fault::Kill { at } if number == at => Verdict::Kill,
            Fault::Kill { at } if number > at && !self.has_cut() => Verdict::Hold,
            Fault::Cut { at } if number == at => Verdict::Cut,
            Fault::CutAfter { at } if number == at => Verdict::CutAfter,
            _ => Verdict::Forward,
        }
    }

    /// Kills the program as soon as it is known which one.
    pub(super) async fn kill(&self) {
        let mut victim = self.victim.subscribe();
        let Ok(pid) = victim.wait_for(Option::is_some).await.map(|pid| *pid) else { return };
        let pid = pid.and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        // Its starter has not waited for it yet, so the number is still its own.
        let _ = pid.map(|pid| rustix::process::kill_process(pid, Signal::KILL));
    }

    /// Ends all connections of now; those to come are not concerned.
    pub(super) fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    pub(super) fn has_cut(&self) -> bool {
        *self.cuts.borrow() > 0
    }

    /// Ends with the next cut.
    pub(super) fn next_cut(&self) -> impl Future<Output = ()> + use<> {
        let mut cuts = self.cuts.subscribe();
        async move {
            // An error says that the plan is gone: then this connection ends as well.
            let _ = cuts.changed().await;
        }
    }
}
