//! Memory for bodies, in bytes and for the whole process, set aside before they are read.
//! Must stay true: nobody who holds a place in one lane waits for more in the same lane, so waiting always ends; small messages have a
//! lane of their own, so large ones never hold them up; one source never takes a whole lane; who has to wait for too long hears 503 and
//! sends again.
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

use super::Refused;

/// How long a body waits for its memory.
const PATIENCE: Duration = Duration::from_secs(5);
/// What a body of unknown length gets first; a message up to this size goes through the lane of the small ones.
const SMALL: usize = 1024 * 1024;
/// Places are counted in these.
const UNIT: usize = 1024;

/// All memory for bodies. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    whole: Arc<Lanes>,
    /// Bytes of either lane that one source may have.
    of_one: (usize, usize),
    /// Of the sources that have something right now.
    sources: Arc<Mutex<HashMap<Uuid, Weak<Lanes>>>>,
    largest: usize,
}

/// What one source may have of it.
#[derive(Debug)]
pub(crate) struct Part {
    own: Arc<Lanes>,
    whole: Arc<Lanes>,
    largest: usize,
}

#[derive(Debug)]
struct Lanes {
    small: Arc<Semaphore>,
    large: Arc<Semaphore>,
}

/// What one body holds of it, until dropped.
#[derive(Debug)]
pub(crate) struct Share {
    small: Option<Places>,
    large: Option<Places>,
    bytes: usize,
    /// The source has a part as long as one of its bodies has a share.
    _own: Arc<Lanes>,
}

/// In the source's lane and in that of all, as many in both.
#[derive(Debug)]
struct Places {
    own: OwnedSemaphorePermit,
    whole: OwnedSemaphorePermit,
}

impl Budget {
    /// A quarter is for small messages. Of each lane one source gets half at most: what it sends is only known to be its own once it was
    /// read wholly. Each lane has room for one body at least.
    pub(crate) fn new(memory: usize, largest: usize) -> Self {
        let (small, large) = (memory / 4, memory - memory / 4);
        let of_one = ((small / 2).max(SMALL), (large / 2).max(largest));
        let whole = Arc::new(Lanes::new(small.max(SMALL), large.max(largest)));
        Self { whole, of_one, sources: Arc::default(), largest }
    }

    /// The part of one source.
    pub(crate) fn of(&self, source: Uuid) -> Part {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let own = sources.get(&source).and_then(Weak::upgrade).unwrap_or_else(|| {
            sources.retain(|_, lanes| lanes.strong_count() > 0);
            let own = Arc::new(Lanes::new(self.of_one.0, self.of_one.1));
            sources.insert(source, Arc::downgrade(&own));
            own
        });
        Part { own, whole: self.whole.clone(), largest: self.largest }
    }
}

impl Lanes {
    fn new(small: usize, large: usize) -> Self {
        let lane = |bytes: usize| Arc::new(Semaphore::new(units(bytes).min(Semaphore::MAX_PERMITS)));
        Self { small: lane(small), large: lane(large) }
    }
}

impl Part {
    /// The largest file that is accepted.
    pub(super) fn largest(&self) -> usize {
        self.largest
    }

    /// Room for a body of this length, or for the beginning of one whose length nobody knows.
    pub(super) async fn share(&self, expected: Option<usize>) -> Result<Share, Refused> {
        let bytes = expected.unwrap_or(SMALL).min(self.largest.max(SMALL));
        let (small, large) = if bytes <= SMALL {
            (Some(Places::of(&self.own.small, &self.whole.small, bytes).await?), None)
        } else {
            (None, Some(Places::of(&self.own.large, &self.whole.large, bytes).await?))
        };
        Ok(Share { small, large, bytes, _own: self.own.clone() })
    }

    /// Room for all that the body can still become. Asked for once at most, by who holds nothing of that lane.
    pub(super) async fn grow(&self, share: &mut Share) -> Result<(), Refused> {
        if share.large.is_none() {
            share.large = Some(Places::of(&self.own.large, &self.whole.large, self.largest).await?);
            share.bytes = share.bytes.saturating_add(self.largest);
        }
        Ok(())
    }
}

impl Share {
    /// How many bytes there is room for.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Gives back what the body, of this length, turned out not to need.
    pub(super) fn shrink(&mut self, length: usize) {
        if let Some(large) = &mut self.large {
            self.small = None;
            large.shrink(length);
        } else if let Some(small) = &mut self.small {
            small.shrink(length);
        }
        self.bytes = length;
    }
}

impl Places {
    /// First the source's own: whoever waits there keeps nobody else waiting.
    async fn of(own: &Arc<Semaphore>, whole: &Arc<Semaphore>, bytes: usize) -> Result<Self, Refused> {
        let count = u32::try_from(units(bytes)).map_err(|_| Refused::Busy)?;
        let both = async {
            let own = own.clone().acquire_many_owned(count).await?;
            Ok::<_, tokio::sync::AcquireError>(Self { own, whole: whole.clone().acquire_many_owned(count).await? })
        };
        tokio::time::timeout(PATIENCE, both).await.ok().and_then(Result::ok).ok_or(Refused::Busy)
    }

    fn shrink(&mut self, length: usize) {
        for permit in [&mut self.own, &mut self.whole] {
            drop(permit.split(permit.num_permits().saturating_sub(units(length))));
        }
    }
}

fn units(bytes: usize) -> usize {
    bytes.div_ceil(UNIT).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1024 * 1024;

    /// A source that was not there before.
    fn anybody(budget: &Budget) -> Part {
        budget.of(Uuid::now_v7())
    }

    #[tokio::test(start_paused = true)]
    async fn large_bodies_wait_for_each_other_and_small_ones_for_none_of_them() {
        let budget = Budget::new(40 * MIB, 20 * MIB);
        let first = anybody(&budget).share(Some(20 * MIB)).await.unwrap();
        assert_eq!(anybody(&budget).share(Some(20 * MIB)).await.unwrap_err(), Refused::Busy);
        let _rest = anybody(&budget).share(Some(10 * MIB)).await.unwrap();
        let mut small = Vec::new();
        for _ in 0..10 {
            small.push(anybody(&budget).share(Some(MIB)).await.unwrap());
        }
        drop(first);
        assert!(anybody(&budget).share(Some(20 * MIB)).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_of_unknown_length_begins_small_and_may_then_become_the_largest() {
        let budget = Budget::new(40 * MIB, 20 * MIB);
        let source = anybody(&budget);
        let mut unknown = source.share(None).await.unwrap();
        assert_eq!(unknown.bytes(), SMALL);
        source.grow(&mut unknown).await.unwrap();
        assert!(unknown.bytes() >= 20 * MIB);
        assert_eq!(anybody(&budget).share(Some(20 * MIB)).await.unwrap_err(), Refused::Busy);
        unknown.shrink(2 * MIB);
        assert!(anybody(&budget).share(Some(20 * MIB)).await.is_ok(), "what it did not need was given back");
    }

    #[tokio::test(start_paused = true)]
    async fn many_that_grow_at_once_never_wait_for_ever() {
        let budget = Budget::new(40 * MIB, 20 * MIB);
        let grow = async || {
            let source = anybody(&budget);
            let mut share = source.share(None).await?;
            source.grow(&mut share).await?;
            tokio::time::sleep(Duration::from_secs(1)).await;
            Ok::<_, Refused>(())
        };
        let ended = futures_util::future::join_all((0..10).map(|_| grow())).await;
        let done = ended.iter().filter(|result| result.is_ok()).count();
        assert!((1..10).contains(&done), "{done} of 10: one a second, and five seconds of patience");
    }

    #[tokio::test(start_paused = true)]
    async fn a_memory_smaller_than_one_message_still_takes_one() {
        let budget = Budget::new(0, 20 * MIB);
        let source = anybody(&budget);
        assert!(source.share(Some(20 * MIB)).await.is_ok());
        assert!(source.share(Some(10)).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn one_source_takes_half_at_most_and_keeps_nobody_else_waiting() {
        let budget = Budget::new(160 * MIB, 20 * MIB);
        let (greedy, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let mut taken = Vec::new();
        for (count, bytes) in [(3, 20 * MIB), (20, MIB)] {
            for _ in 0..count {
                taken.push(budget.of(greedy).share(Some(bytes)).await.unwrap());
            }
            let more = budget.of(greedy);
            let (refused, served) = tokio::join!(more.share(Some(bytes)), async {
                tokio::time::timeout(Duration::from_secs(1), budget.of(other).share(Some(bytes))).await.unwrap()
            });
            assert_eq!(refused.unwrap_err(), Refused::Busy);
            assert!(served.is_ok());
        }
        drop(taken);
        assert!(budget.of(greedy).share(Some(20 * MIB)).await.is_ok());
        budget.of(other);
        assert_eq!(budget.sources.lock().unwrap().len(), 1, "whoever holds nothing is forgotten");
    }
}
