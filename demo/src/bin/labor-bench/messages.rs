//! Distinct messages of about a kilobyte, made from one of the samples: each has a laboratory order number of its own, so each is a new
//! message to the webhook and a new report to the worker.
use std::sync::atomic::{AtomicU32, Ordering};

use labor_demo::samples;

use crate::Failure;

/// One patient, one order, two values, for one practice.
const SAMPLE: &str = "Z03_ldt2_8201_2_Endbefund_B_und_K.ldt";
/// Length, field 8311, and the ten digits that are replaced by ten others: no length in the message changes.
const NUMBER: &[u8] = b"01983112610080003";
const DIGITS: usize = 10;

/// Makes messages.
pub(crate) struct Messages {
    before: Vec<u8>,
    after: Vec<u8>,
    next: AtomicU32,
}

impl Messages {
    pub(crate) fn new() -> Result<Self, Failure> {
        let all = samples::all()?;
        let bytes = all.into_iter().find(|sample| sample.name == SAMPLE).ok_or("the sample message is gone")?.bytes;
        let at = bytes.windows(NUMBER.len()).position(|window| window == NUMBER).ok_or("the sample has changed")?;
        let (before, after) = bytes.split_at(at + NUMBER.len());
        let before = before.strip_suffix(&NUMBER[NUMBER.len() - DIGITS..]).ok_or("the sample has changed")?;
        Ok(Self { before: before.to_owned(), after: after.to_owned(), next: AtomicU32::new(1) })
    }

    /// One that was not there before.
    pub(crate) fn next(&self) -> Vec<u8> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        [&self.before, format!("{number:0DIGITS$}").as_bytes(), &self.after].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_differ_and_are_as_long_as_the_sample() {
        let messages = Messages::new().unwrap();
        let (one, other) = (messages.next(), messages.next());
        assert_ne!(one, other);
        assert_eq!((one.len(), other.len()), (948, 948));
    }
}
