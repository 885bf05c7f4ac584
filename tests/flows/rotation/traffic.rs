//! Requests of every kind without a pause, each of which must succeed.
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use labor_testing::{Sender, until};
use reqwest::StatusCode;

use crate::clinic::{LIMIT, PASSWORD, User};
use crate::crash::numbered;

/// A practice that is served: its sign-in name and its BSNR.
pub(super) struct Practice {
    pub(super) slug: &'static str,
    pub(super) bsnr: &'static str,
}

pub(super) const PRACTICES: [Practice; 3] = [
    Practice { slug: "p0", bsnr: "100000000" },
    Practice { slug: "p1", bsnr: "100000001" },
    Practice { slug: "p2", bsnr: "100000002" },
];

/// Goes on until it is over. Who reads and who sends may be replaced meanwhile.
pub(super) struct Traffic {
    pub(super) over: Cell<bool>,
    pub(super) readers: RefCell<Rc<Vec<User>>>,
    pub(super) senders: [RefCell<Rc<Sender>>; 2],
    /// Reads, sign-ins, posts of either sender.
    counts: [Cell<usize>; 4],
}

impl Traffic {
    pub(super) fn new(readers: Vec<User>, senders: [Sender; 2]) -> Self {
        let senders = senders.map(|sender| RefCell::new(Rc::new(sender)));
        Self { over: Cell::new(false), readers: RefCell::new(Rc::new(readers)), senders, counts: Default::default() }
    }

    pub(super) async fn go(&self, base: &str) {
        tokio::join!(self.read(), self.sign_in(base), self.post(0), self.post(1));
    }

    /// Each kind several times more, and for longer than a process remembers which keys are in use.
    pub(super) async fn goes_on(&self) {
        let (since, before) = (Instant::now(), self.counts.each_ref().map(Cell::get));
        until("more of each kind of request", LIMIT, async || {
            let now = self.counts.each_ref().map(Cell::get);
            let more = before.iter().zip(now).all(|(before, now)| now >= before + 4);
            let remembered = since.elapsed() < Duration::from_millis(1500);
            Ok(if more && !remembered { Ok(()) } else { Err(format!("{before:?} {now:?}")) })
        })
        .await
        .unwrap();
    }

    fn count(&self, kind: usize) {
        self.counts[kind].set(self.counts[kind].get() + 1);
    }

    async fn read(&self) {
        while !self.over.get() {
            let readers = self.readers.borrow().clone();
            for doctor in readers.iter() {
                let reports = doctor.reports().await;
                if let Some(report) = reports.last() {
                    doctor.json(&format!("/v1/reports/{}", report["id"].as_str().unwrap())).await;
                }
            }
            self.count(0);
        }
    }

    async fn sign_in(&self, base: &str) {
        for practice in PRACTICES.iter().cycle() {
            if self.over.get() {
                return;
            }
            let user = User::sign_in(base, practice.slug, "doctor", PASSWORD).await;
            user.map_err(|status| format!("sign-in: {status}")).unwrap().reports().await;
            self.count(1);
        }
    }

    async fn post(&self, which: usize) {
        for number in 0.. {
            if self.over.get() {
                return;
            }
            let sender = self.senders[which].borrow().clone();
            let practice = &PRACTICES[number % PRACTICES.len()];
            // No two of them send the same report, which workers side by side would have to try again.
            let number = number / PRACTICES.len() % 50 + 50 * which;
            let answer = sender.send(&message(practice.bsnr, number)).await.unwrap();
            assert_eq!(answer.status, StatusCode::ACCEPTED.as_u16(), "source {which}: {}", answer.text);
            self.count(2 + which);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

pub(super) fn message(bsnr: &str, number: usize) -> Vec<u8> {
    let text: String = numbered(number).into_iter().map(char::from).collect();
    text.replace("123456700", bsnr).chars().map(|c| u8::try_from(c).unwrap()).collect()
}
