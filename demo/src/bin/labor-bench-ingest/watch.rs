//! Watches reports appear as the doctor sees them: the newest page of `GET /v1/reports`, every 20 ms.
//! Must stay true: a message is visible when an answer with its order number has been read whole, so what is found is never too early.
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use labor_demo::Failure;
use labor_demo::client::Client;
use labor_demo::messages::Messages;
use labor_demo::spread::percentile;
use tokio::time::MissedTickBehavior;

use crate::stage::{Stack, Stage};

const EVERY: Duration = Duration::from_millis(20);
/// Reports on a page: more than become visible between two looks, and a look costs little beside what it looks for.
const PAGE: u16 = 100;
/// When nothing new was on the newest page for so long, all pages are looked through.
const STALL: Duration = Duration::from_secs(1);
/// When nothing new was on any page for so long, it will not come.
const GIVE_UP: Duration = Duration::from_secs(60);

/// When each message was begun to be posted.
#[derive(Clone, Default)]
pub(crate) struct Starts(Arc<Mutex<HashMap<u32, Instant>>>);

/// What became visible.
#[derive(Debug)]
pub(crate) struct Seen {
    /// How many.
    pub(crate) count: usize,
    /// From the first post to the last appearance.
    pub(crate) seconds: f64,
    /// Of each message from its post to its appearance, shortest first.
    pub(crate) milliseconds: Vec<f64>,
}

impl Starts {
    pub(crate) fn note(&self, number: u32, at: Instant) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(number, at);
    }

    fn taken(&self) -> HashMap<u32, Instant> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Seen {
    pub(crate) fn per_second(&self) -> f64 {
        f64::from(u32::try_from(self.count).unwrap_or(u32::MAX)) / self.seconds
    }

    pub(crate) fn percentile(&self, share: usize) -> f64 {
        percentile(&self.milliseconds, share)
    }

    fn of(starts: &HashMap<u32, Instant>, appeared: &HashMap<u32, Instant>) -> Result<Self, Failure> {
        let first = starts.values().min().ok_or("nothing was accepted")?;
        let last = appeared.values().max().ok_or("nothing appeared")?;
        let mut milliseconds = Vec::new();
        for (number, start) in starts {
            let at = appeared.get(number).ok_or("a message that was accepted is not there, but another one is")?;
            milliseconds.push(at.duration_since(*start).as_secs_f64() * 1e3);
        }
        milliseconds.sort_by(f64::total_cmp);
        Ok(Self { count: milliseconds.len(), seconds: last.duration_since(*first).as_secs_f64(), milliseconds })
    }
}

/// Posts and watches until all that was accepted is visible, exactly once. What `posting` does it notes in `starts`; it runs in a task of
/// its own, so that neither waits for the other.
pub(crate) async fn watched(
    stage: &Stage,
    (stack, client): (&Stack, &Client),
    messages: &Messages,
    starts: Starts,
    posting: impl Future<Output = Result<(), Failure>> + Send + 'static,
) -> Result<Seen, Failure> {
    let first = messages.upcoming();
    let mut watch = Watch { client, first, appeared: HashMap::new() };
    let mut posting = tokio::spawn(posting);
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut posted, mut news) = (None, Instant::now());
    loop {
        tokio::select! {
            ended = &mut posting, if posted.is_none() => {
                ended??;
                posted = Some(starts.taken());
                news = Instant::now();
            }
            _ = tick.tick() => {
                let deep = posted.is_some() && news.elapsed() >= STALL;
                if watch.look(deep).await? > 0 {
                    news = Instant::now();
                }
            }
        }
        let Some(posted) = &posted else { continue };
        if posted.keys().all(|number| watch.appeared.contains_key(number)) {
            let seen = Seen::of(posted, &watch.appeared)?;
            stack.exactly_once(stage, first, posted.len()).await?;
            return Ok(seen);
        }
        if news.elapsed() >= GIVE_UP {
            let (there, wanted) = (watch.appeared.len(), posted.len());
            return Err(
                format!("{}: of {wanted} messages that were accepted only {there} became visible", stack.name).into()
            );
        }
    }
}

/// Milliseconds of one look at the newest page while nothing else happens.
pub(crate) async fn cost(stack: &Stack) -> Result<f64, Failure> {
    let client = &stack.sign_in().await?;
    let mut watch = Watch { client, first: u32::MAX, appeared: HashMap::new() };
    let mut milliseconds = Vec::new();
    for _ in 0..50 {
        let began = Instant::now();
        watch.look(false).await?;
        milliseconds.push(began.elapsed().as_secs_f64() * 1e3);
    }
    milliseconds.sort_by(f64::total_cmp);
    Ok(percentile(&milliseconds, 50))
}

struct Watch<'a> {
    client: &'a Client,
    /// What has a smaller number was there before.
    first: u32,
    appeared: HashMap<u32, Instant>,
}

impl Watch<'_> {
    /// The newest page, and older ones as long as all on them is new, or `deep`: as long as they may hold what is missing. How many appeared.
    async fn look(&mut self, deep: bool) -> Result<usize, Failure> {
        let (mut next, mut appeared) = (None::<String>, 0);
        loop {
            let page = self.client.page(PAGE, next.as_deref()).await?;
            let now = Instant::now();
            let numbers = page.items.iter().filter_map(|item| item.order_number.as_deref()?.parse::<u32>().ok());
            let (mut fresh, mut ours) = (0, 0);
            for number in numbers.filter(|number| *number >= self.first) {
                ours += 1;
                self.appeared.entry(number).or_insert_with(|| {
                    fresh += 1;
                    now
                });
            }
            appeared += fresh;
            next = page.next;
            if next.is_none() || !(deep && ours > 0 || fresh == page.items.len()) {
                return Ok(appeared);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_from_each_post_to_its_appearance() {
        let zero = Instant::now();
        let at = |milliseconds| zero + Duration::from_millis(milliseconds);
        let starts = HashMap::from([(1, at(0)), (2, at(100))]);
        let seen = Seen::of(&starts, &HashMap::from([(1, at(30)), (2, at(150))])).unwrap();
        assert_eq!((seen.count, seen.milliseconds.clone()), (2, vec![30.0, 50.0]));
        assert!((seen.per_second() - 2.0 / 0.15).abs() < 1e-6);
    }

    #[test]
    fn another_message_does_not_pass_for_the_one_that_is_missing() {
        let now = Instant::now();
        assert!(Seen::of(&HashMap::from([(1, now)]), &HashMap::from([(2, now)])).is_err());
    }
}
