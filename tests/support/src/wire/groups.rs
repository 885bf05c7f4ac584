//! Which answer belongs to which request: requests up to a Sync, and a simple query, are one group, and the server ends its answer to each
//! with one ReadyForQuery.
//!
//! What must stay true: a group is noted before it is forwarded, so its answer never comes first.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

/// What becomes of a message of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Pass,
    Withhold,
    /// The server has done what the program shall not hear of.
    Cut,
}

/// The groups of one connection.
#[derive(Debug, Default)]
pub(super) struct Groups {
    state: Mutex<State>,
    answered: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Requests for encryption, which are answered with a byte that is no message.
    bare_answers: u64,
    /// Groups sent, of which the last may still grow. The start of the session is group 0 and is answered like the others.
    sent: u64,
    answered: u64,
    /// Simple queries that wait for their answer.
    simple: VecDeque<u64>,
    /// The group that the program shall not hear of.
    cut: Option<u64>,
}

impl Groups {
    pub(super) fn asks_for_encryption(&self) {
        self.state().bare_answers += 1;
    }

    /// Whether the next byte of the server is an answer by itself.
    pub(super) fn takes_bare_answer(&self) -> bool {
        let mut state = self.state();
        let takes = state.bare_answers > 0;
        state.bare_answers = state.bare_answers.saturating_sub(1);
        takes
    }

    /// The group to which the next request belongs shall not be answered.
    pub(super) fn withhold_next(&self) {
        let mut state = self.state();
        state.cut = Some(state.sent + 1);
    }

    /// A message of the program that may end a group is about to be forwarded.
    pub(super) fn request(&self, kind: u8) {
        let mut state = self.state();
        match kind {
            b'Q' | b'F' => {
                state.sent += 1;
                let group = state.sent;
                state.simple.push_back(group);
            }
            b'S' => state.sent += 1,
            _ => {}
        }
    }

    /// Ends when the server has answered all groups that were sent whole: what is under way is neither done nor undone.
    pub(super) async fn settled(&self) {
        loop {
            let answered = self.answered.notified();
            {
                let state = self.state();
                if state.answered > state.sent {
                    return;
                }
            }
            answered.await;
        }
    }

    /// A message of the server has begun.
    pub(super) fn answer(&self, kind: u8) -> Answer {
        let mut state = self.state();
        let withheld = state.cut == Some(state.answered);
        let simple = state.simple.front() == Some(&state.answered);
        match kind {
            // Copying in: the program has to hear this to go on. A Sync that was sent with the Execute is ignored by the server,
            // the one after the data counts.
            b'G' => {
                if !simple {
                    state.answered += 1;
                    if withheld {
                        state.cut = Some(state.answered);
                    }
                }
                Answer::Pass
            }
            b'Z' if withheld => Answer::Cut,
            b'Z' => {
                if simple {
                    state.simple.pop_front();
                }
                state.answered += 1;
                self.answered.notify_waiters();
                Answer::Pass
            }
            _ if withheld => Answer::Withhold,
            _ => Answer::Pass,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_of_the_chosen_group_alone_is_withheld() {
        let groups = Groups::default();
        groups.request(b'Q');
        groups.withhold_next();
        for kind in [b'P', b'B', b'E', b'S', b'Q'] {
            groups.request(kind);
        }
        let answers = [b'R', b'Z', b'T', b'D', b'C', b'Z', b'1', b'2', b'C', b'Z'].map(|kind| groups.answer(kind));
        assert!(answers[..6].iter().all(|answer| *answer == Answer::Pass), "{answers:?}");
        assert_eq!(answers[6..], [Answer::Withhold, Answer::Withhold, Answer::Withhold, Answer::Cut]);
    }

    /// The Sync before the data is ignored by the server: what follows must not be taken for the answer of another group.
    #[test]
    fn copying_in_is_one_group_though_it_has_two_syncs() {
        let groups = Groups::default();
        groups.answer(b'Z');
        groups.withhold_next();
        for kind in [b'B', b'E', b'S', b'd', b'c', b'S'] {
            groups.request(kind);
        }
        let answers = [b'2', b'G', b'C', b'Z'].map(|kind| groups.answer(kind));
        assert_eq!(answers, [Answer::Withhold, Answer::Pass, Answer::Withhold, Answer::Cut]);
    }
}
