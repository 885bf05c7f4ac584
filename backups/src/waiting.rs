//! How long the store is waited for.
//!
//! A store that is down says so at once. One that stands still says nothing, and whoever waits for it has a snapshot open, which keeps
//! migrations from the tenant's tables, or a scratch schema, or a seat that another tenant could have. So every wait has an end. The
//! driver's own watch is no help for uploads: a part lies in memory, so to it all of the part is on its way at once.
//!
//! Must stay true: no request and no answer is waited for without end; a line that is slow and brings something is no reason to give up;
//! a request that is tried again ends as a whole, too.
use std::time::Duration;

use aws_sdk_s3::config::{Builder, StalledStreamProtectionConfig, timeout::TimeoutConfig};
use tokio::time::{Instant, timeout_at};

use crate::StoreLimits;

const CONNECT: Duration = Duration::from_secs(10);
/// The store joins parts for as long as ten answers take: of large objects it copies them.
const JOINING: u32 = 10;
/// Bytes of an answer's body that are worth waiting for as long again.
pub(crate) const PROGRESS: usize = 64 << 10;

impl StoreLimits {
    /// For requests without much of a body, such as listings.
    pub(crate) fn of_answers(self) -> TimeoutConfig {
        self.with(self.answer)
    }

    /// The same as the settings of one client; bodies of answers are watched by [`Flow`], which is as patient.
    pub(crate) fn watching(self) -> StalledStreamProtectionConfig {
        StalledStreamProtectionConfig::enabled().grace_period(self.answer).build()
    }

    /// For a request that brings so many bytes.
    pub(crate) fn of_sending(self, bytes: usize) -> Builder {
        let slowest = u64::from(self.bytes_per_second.max(1));
        let sending = Duration::from_millis((bytes as u64).saturating_mul(1_000) / slowest);
        Builder::default().timeout_config(self.with(self.answer + sending))
    }

    /// For the request that joins the parts of an upload.
    pub(crate) fn of_joining(self) -> Builder {
        Builder::default().timeout_config(self.with(self.answer * JOINING))
    }

    /// One attempt has its time, and all of them together that twice and an answer's: what fails at once is tried five times, and what stands
    /// still twice at least, also on the slowest line.
    fn with(self, attempt: Duration) -> TimeoutConfig {
        let whole = attempt * 2 + self.answer;
        TimeoutConfig::builder()
            .connect_timeout(CONNECT.min(self.answer))
            .operation_attempt_timeout(attempt)
            .operation_timeout(whole)
            .build()
    }
}

/// The body of an answer on its way. It goes on as long as [`PROGRESS`] bytes come in the time of an answer.
pub(crate) struct Flow {
    span: Duration,
    until: Instant,
    bytes: usize,
}

impl Flow {
    pub(crate) fn new(limits: StoreLimits) -> Self {
        Self { span: limits.answer, until: Instant::now() + limits.answer, bytes: 0 }
    }

    /// What comes; none when it stands still, or as good as.
    pub(crate) async fn next<T>(&self, piece: impl Future<Output = T>) -> Option<T> {
        timeout_at(self.until, piece).await.ok()
    }

    /// So many bytes came.
    pub(crate) fn came(&mut self, bytes: usize) {
        self.bytes += bytes;
        if self.bytes >= PROGRESS {
            (self.until, self.bytes) = (Instant::now() + self.span, 0);
        }
    }
}
