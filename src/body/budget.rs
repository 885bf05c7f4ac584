//! Memory for bodies, in bytes and for the whole process, set aside before they are read.
//! Must stay true: nobody who holds a place in one lane waits for more in the same lane, so waiting always ends; small messages have a
//! lane of their own, so large ones never hold them up; who has to wait for too long hears 503 and sends again.
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

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
    small: Arc<Semaphore>,
    large: Arc<Semaphore>,
    largest: usize,
}

/// What one body holds of it, until dropped.
#[derive(Debug)]
pub(crate) struct Share {
    small: Option<OwnedSemaphorePermit>,
    large: Option<OwnedSemaphorePermit>,
    bytes: usize,
}

impl Budget {
    /// A quarter is for small messages. Each lane has room for one body at least.
    pub(crate) fn new(memory: usize, largest: usize) -> Self {
        let lane =
            |bytes: usize, least: usize| Arc::new(Semaphore::new(units(bytes.max(least)).min(Semaphore::MAX_PERMITS)));
        Self { small: lane(memory / 4, SMALL), large: lane(memory - memory / 4, largest), largest }
    }

    /// The largest file that is accepted.
    pub(crate) fn largest(&self) -> usize {
        self.largest
    }

    /// Room for a body of this length, or for the beginning of one whose length nobody knows.
    pub(super) async fn share(&self, expected: Option<usize>) -> Result<Share, Refused> {
        let bytes = expected.unwrap_or(SMALL).min(self.largest.max(SMALL));
        if bytes <= SMALL {
            Ok(Share { small: Some(places(&self.small, bytes).await?), large: None, bytes })
        } else {
            Ok(Share { small: None, large: Some(places(&self.large, bytes).await?), bytes })
        }
    }

    /// Room for all that the body can still become. Asked for once at most, by who holds nothing of that lane.
    pub(super) async fn grow(&self, share: &mut Share) -> Result<(), Refused> {
        if share.large.is_none() {
            share.large = Some(places(&self.large, self.largest).await?);
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
            drop(large.split(large.num_permits().saturating_sub(units(length))));
        } else if let Some(small) = &mut self.small {
            drop(small.split(small.num_permits().saturating_sub(units(length))));
        }
        self.bytes = length;
    }
}

fn units(bytes: usize) -> usize {
    bytes.div_ceil(UNIT).max(1)
}

async fn places(lane: &Arc<Semaphore>, bytes: usize) -> Result<OwnedSemaphorePermit, Refused> {
    let count = u32::try_from(units(bytes)).map_err(|_| Refused::Busy)?;
    let waiting = tokio::time::timeout(PATIENCE, lane.clone().acquire_many_owned(count)).await;
    waiting.ok().and_then(Result::ok).ok_or(Refused::Busy)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1024 * 1024;

    #[tokio::test(start_paused = true)]
    async fn large_bodies_wait_for_each_other_and_small_ones_for_none_of_them() {
        let budget = Budget::new(40 * MIB, 20 * MIB);
        let first = budget.share(Some(20 * MIB)).await.unwrap();
        assert_eq!(budget.share(Some(20 * MIB)).await.unwrap_err(), Refused::Busy);
        let _rest = budget.share(Some(10 * MIB)).await.unwrap();
        let small: Vec<_> = futures_util::future::join_all((0..10).map(|_| budget.share(Some(MIB)))).await;
        assert!(small.iter().all(Result::is_ok));
        drop(first);
        assert!(budget.share(Some(20 * MIB)).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_of_unknown_length_begins_small_and_may_then_become_the_largest() {
        let budget = Budget::new(40 * MIB, 20 * MIB);
        let mut unknown = budget.share(None).await.unwrap();
        assert_eq!(unknown.bytes(), SMALL);
        budget.grow(&mut unknown).await.unwrap();
        assert!(unknown.bytes() >= 20 * MIB);
        assert_eq!(budget.share(Some(20 * MIB)).await.unwrap_err(), Refused::Busy);
        unknown.shrink(2 * MIB);
        assert!(budget.share(Some(20 * MIB)).await.is_ok(), "what it did not need was given back");
    }

    #[tokio::test(start_paused = true)]
    async fn many_that_grow_at_once_never_wait_for_ever() {
        let budget = Budget::new(40 * MIB, 20 * MIB);
        let grow = async || {
            let mut share = budget.share(None).await?;
            budget.grow(&mut share).await?;
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
        assert!(budget.share(Some(20 * MIB)).await.is_ok());
        assert!(budget.share(Some(10)).await.is_ok());
    }
}
