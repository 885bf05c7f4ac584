//! Answers of before, as a store gives that is eventually consistent, or was set back.
//!
//! What must stay true: an answer is given again as it was, to the same question only; whatever writes is passed on.
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Mutex, PoisonError};

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, Response, StatusCode, header, request};

use super::response;

type Answer = (StatusCode, HeaderMap, Bytes);

/// What a store has answered to each question last.
#[derive(Debug, Default)]
pub(super) struct Past {
    behind: AtomicBool,
    answers: Mutex<HashMap<String, Answer>>,
}

/// A question is the same when method, path, parameters and range are.
pub(super) fn question(head: &request::Parts) -> Option<String> {
    let range = head.headers.get(header::RANGE).and_then(|range| range.to_str().ok()).unwrap_or_default();
    let reads = head.method == Method::GET || head.method == Method::HEAD;
    reads.then(|| format!("{} {} {range}", head.method, head.uri))
}

impl Past {
    /// From now on what was answered before is answered again.
    pub(super) fn stay_behind(&self, behind: bool) {
        self.behind.store(behind, SeqCst);
    }

    pub(super) fn answer(&self, question: &str) -> Option<Response<Body>> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let (status, headers, body) = answers.get(question).filter(|_| self.behind.load(SeqCst))?;
        Some(response(*status, headers.clone(), Body::from(body.clone())))
    }

    pub(super) fn remember(&self, question: String, answer: Answer) {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).insert(question, answer);
    }
}
