//! A limit to what is sent to the store in a second, for lines that others need as well. One for all uploads of a run.
//! It holds from part to part (8 MiB; of dumps beyond 16 GiB 16, and up to 128): one part goes at the line's own speed, and a part that
//! the store did not take is sent again without waiting anew.
//! Must stay true: time in which nothing was sent is not made up for, so no second begins more than one part beyond the limit.
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Whose turn it is to send.
#[derive(Clone)]
pub(crate) struct Pace {
    bytes_per_second: u64,
    /// When what was begun is through, if it is sent at the limit.
    free: Arc<Mutex<Option<Instant>>>,
}

impl Pace {
    pub(crate) fn new(bytes_per_second: u64) -> Self {
        Self { bytes_per_second: bytes_per_second.max(1), free: Arc::default() }
    }

    /// Waits until so many bytes may be sent.
    pub(crate) async fn turn(&self, bytes: usize) {
        let begin = {
            let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
            let (begin, end) = span(*free, Instant::now(), bytes as u64, self.bytes_per_second);
            *free = Some(end);
            begin
        };
        sleep_until(begin).await;
    }
}

/// When these bytes may begin, and when the next ones may.
fn span(free: Option<Instant>, now: Instant, bytes: u64, bytes_per_second: u64) -> (Instant, Instant) {
    let begin = free.map_or(now, |free| free.max(now));
    let nanoseconds = u128::from(bytes) * 1_000_000_000 / u128::from(bytes_per_second);
    (begin, begin + Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_follow_one_another_at_the_limit_and_a_pause_is_not_made_up_for() {
        let now = Instant::now();
        let at = |seconds: u64| now + Duration::from_secs(seconds);
        let mut free = None;
        // Three that come at once, whoever sends them; one that comes after a pause, and one with it.
        for (comes, bytes, begins) in [(0, 20, 0), (0, 10, 2), (0, 30, 3), (100, 10, 100), (100, 10, 101)] {
            let (begin, end) = span(free, at(comes), bytes, 10);
            assert_eq!(begin, at(begins));
            free = Some(end);
        }
        assert_eq!(free, Some(at(102)));
        let (_, end) = span(None, now, u64::MAX, 1 << 40);
        assert!(end > now, "a large part is no reason to fall over");
    }
}
