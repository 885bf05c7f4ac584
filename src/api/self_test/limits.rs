//! How often the self-test may be asked: it computes more than the webhook and leaves no trace.
//! Must stay true: what is remembered does not grow; only known sources come here, so there are as many as laboratories.
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use uuid::Uuid;

use crate::problem::Problem;

/// Tests at one time, of all sources.
const AT_ONCE: usize = 2;
/// Tests of one source in [`SPAN`]. A channel that was left on the address asks every ten seconds.
const IN_SPAN: u32 = 30;
const SPAN: Duration = Duration::from_secs(60);

/// Who tested lately.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    places: Arc<Semaphore>,
    lately: Arc<Mutex<HashMap<Uuid, (Instant, u32)>>>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(AT_ONCE)), lately: Arc::default() }
    }
}

impl Limits {
    /// A place for one test, or when to come back.
    pub(crate) fn enter(&self, source: Uuid) -> Result<OwnedSemaphorePermit, Problem> {
        let now = Instant::now();
        let mut lately = self.lately.lock().unwrap_or_else(PoisonError::into_inner);
        lately.retain(|_, (since, _)| now.duration_since(*since) < SPAN);
        let (_, count) = lately.entry(source).or_insert((now, 0));
        if *count >= IN_SPAN {
            return Err(too_many(60));
        }
        let place = self.places.clone().try_acquire_owned().map_err(|_| too_many(2))?;
        *count += 1;
        Ok(place)
    }
}

fn too_many(seconds: u32) -> Problem {
    let detail =
        format!("Nothing was done. At most {AT_ONCE} tests at one time, and {IN_SPAN} a minute of one source.");
    Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many-tests", "Too many tests", detail).retry_after(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_source_tests_thirty_times_a_minute_and_holds_up_no_other() {
        let (limits, source) = (Limits::default(), Uuid::now_v7());
        for _ in 0..IN_SPAN {
            assert!(limits.enter(source).is_ok());
        }
        assert_eq!(limits.enter(source).unwrap_err().status(), StatusCode::TOO_MANY_REQUESTS);
        assert!(limits.enter(Uuid::now_v7()).is_ok());
        tokio::time::advance(SPAN).await;
        assert!(limits.enter(source).is_ok());
        assert_eq!(limits.lately.lock().unwrap().len(), 1, "the other was forgotten");
    }

    #[tokio::test]
    async fn two_tests_at_a_time() {
        let limits = Limits::default();
        let places: Vec<_> = (0..AT_ONCE).map(|_| limits.enter(Uuid::now_v7()).unwrap()).collect();
        assert!(limits.enter(Uuid::now_v7()).is_err());
        drop(places);
        assert!(limits.enter(Uuid::now_v7()).is_ok());
    }
}
