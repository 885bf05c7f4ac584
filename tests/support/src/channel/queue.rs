//! The destination's queue: threads that hold a message each until it is done.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::message::{Message, State};
use super::{Attempt, ChannelSettings, Queue, wire};
use crate::{Result, until};

/// A channel that runs. Dropping it stops it.
#[derive(Debug)]
pub struct Channel {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    settings: Mutex<ChannelSettings>,
    messages: Mutex<Vec<Message>>,
    waiting: Mutex<VecDeque<usize>>,
    more: Notify,
}

impl Channel {
    /// Starts a channel on the runtime it is called on.
    ///
    /// # Errors
    /// When the HTTP client can't be made.
    pub fn start(settings: ChannelSettings) -> Result<Self> {
        let count = settings.threads.max(1);
        let clients = (0..count).map(|_| wire::client(&settings)).collect::<Result<Vec<_>>>()?;
        let shared = Arc::new(Shared {
            settings: Mutex::new(settings),
            messages: Mutex::default(),
            waiting: Mutex::default(),
            more: Notify::new(),
        });
        let threads = clients.into_iter().map(|client| tokio::spawn(thread(shared.clone(), client))).collect();
        Ok(Self { shared, threads })
    }

    /// A file came: it is transformed now and stands at the end of the queue. Its number.
    pub fn read(&self, name: &str, file: &[u8]) -> usize {
        let settings = self.shared.settings();
        let mut messages = locked(&self.shared.messages);
        let number = messages.len();
        messages.push(Message::new(&settings, name, file, number));
        locked(&self.shared.waiting).push_back(number);
        self.shared.more.notify_one();
        number
    }

    /// The dashboard.
    #[must_use]
    pub fn messages(&self) -> Vec<Message> {
        locked(&self.shared.messages).clone()
    }

    /// One message as it stands now; an empty one without attempts if there is none of this number.
    #[must_use]
    pub fn message(&self, number: usize) -> Option<Message> {
        locked(&self.shared.messages).get(number).cloned()
    }

    /// Changes the set-up, as an administrator does; what was transformed before stays as it is.
    pub fn change(&self, change: impl FnOnce(&mut ChannelSettings)) {
        change(&mut locked(&self.shared.settings));
    }

    /// Waits until a message has this state, and returns it.
    ///
    /// # Errors
    /// When that takes longer than the limit; the error says what came of the last attempt.
    pub async fn until(&self, number: usize, state: State, limit: Duration) -> Result<Message> {
        until(&format!("message {number} to be {state:?}"), limit, async || {
            Ok(match self.message(number) {
                Some(message) if message.state == state => Ok(message),
                Some(message) => Err(format!("{:?}: {:?}", message.state, message.attempts.last())),
                None => Err("there is none".to_owned()),
            })
        })
        .await
    }

    /// Waits until a message was tried so often.
    ///
    /// # Errors
    /// As [`Channel::until`].
    pub async fn until_tried(&self, number: usize, times: usize, limit: Duration) -> Result<Message> {
        until(&format!("message {number} to be tried {times} times"), limit, async || {
            Ok(match self.message(number) {
                Some(message) if message.attempts.len() >= times => Ok(message),
                other => Err(format!("{:?}", other.map(|message| message.attempts))),
            })
        })
        .await
    }

    /// Waits until nothing is queued.
    ///
    /// # Errors
    /// As [`Channel::until`].
    pub async fn until_done(&self, limit: Duration) -> Result<Vec<Message>> {
        until("the queue to be empty", limit, async || {
            let messages = self.messages();
            let queued = messages.iter().find(|message| message.state == State::Queued);
            Ok(match queued {
                None => Ok(messages),
                Some(message) => Err(format!("{}: {:?}", message.name, message.attempts.last())),
            })
        })
        .await
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.threads.iter().for_each(JoinHandle::abort);
    }
}

impl Shared {
    fn settings(&self) -> ChannelSettings {
        locked(&self.settings).clone()
    }

    fn next(&self) -> Option<usize> {
        locked(&self.waiting).pop_front()
    }
}

/// One thread: it holds the head of the queue until that is done.
async fn thread(shared: Arc<Shared>, client: reqwest::Client) {
    loop {
        let Some(number) = shared.next() else {
            shared.more.notified().await;
            continue;
        };
        // Whoever is notified may find that another thread was faster: pass it on.
        shared.more.notify_one();
        hold(&shared, &client, number).await;
    }
}

/// Tries one message until it is done, or, if the queue rotates, once.
async fn hold(shared: &Shared, client: &reqwest::Client, number: usize) {
    for tried in 1_u32.. {
        let settings = shared.settings();
        let Some(mut message) = locked(&shared.messages).get(number).cloned() else { return };
        if settings.regenerate && !message.attempts.is_empty() {
            message.request.sign_again(&settings);
        }
        let attempt = wire::attempt(client, &settings, &message.request).await;
        let state = judged(&settings, &attempt, tried);
        if let Some(kept) = locked(&shared.messages).get_mut(number) {
            kept.request = message.request;
            kept.state = state;
            kept.attempts.push(attempt);
        }
        match (state, settings.queue) {
            (State::Sent | State::Error, _) => return,
            (State::Queued, Queue::Always { interval, rotate: true }) => {
                tokio::time::sleep(interval).await;
                locked(&shared.waiting).push_back(number);
                return;
            }
            (State::Queued, Queue::Always { interval, .. } | Queue::Never { interval, .. }) => {
                tokio::time::sleep(interval).await;
            }
        }
    }
}

/// What the engine makes of an answer, and after it the response transformer of docs/mirth.md.
fn judged(settings: &ChannelSettings, attempt: &Attempt, tried: u32) -> State {
    let queued = match settings.queue {
        Queue::Never { retries, .. } if tried > retries => State::Error,
        _ => State::Queued,
    };
    let Some(status) = attempt.status else { return queued };
    if settings.response_transformer && given_up(status) {
        return State::Error;
    }
    if status < 400 { State::Sent } else { queued }
}

/// The response transformer: a redirect, and refusals that trying can't mend.
fn given_up(status: u16) -> bool {
    (300..400).contains(&status) || ((400..500).contains(&status) && ![400, 408, 429].contains(&status))
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
