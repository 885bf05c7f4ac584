//! A proxy in front of an S3 server that knows where requests begin, and makes one fault: at one of them, or at all from one on.
//!
//! What must stay true: a request is passed on as it came, `Host` included, because that is what the client signed; bodies are streamed in
//! both directions, never held as a whole; requests are counted from 1 in the order in which they came; whatever the fault does not name
//! passes unchanged.
mod past;
mod slow;

use std::io;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Response, StatusCode, header};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use rustix::process::{Pid, Signal, kill_process};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use self::past::Past;
use crate::{Result, error::Doing as _};

/// What the store, or the way to it, does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreFault {
    /// Nothing: requests are only counted.
    None,
    /// Whoever asks ([`StoreWire::victim`]) is killed with signal 9 before this request is passed on.
    Kill {
        /// Which request.
        at: usize,
    },
    /// This request is carried out, and its answer breaks off after the headers, or is another's (a HEAD has nothing else): what became of it
    /// is unknown.
    LostAnswer {
        /// Which request.
        at: usize,
    },
    /// These requests are answered with a status, and the store never hears of them.
    Status {
        /// The first.
        from: usize,
        /// How many; `usize::MAX`: all from then on.
        count: usize,
        /// Such as 503.
        status: u16,
    },
    /// The answer to this request breaks off after so many bytes of its body.
    Cut {
        /// Which request.
        at: usize,
        /// Bytes that pass.
        after: usize,
    },
    /// One bit of the body that answers this request is another one.
    Damaged {
        /// Which request.
        at: usize,
        /// In which byte of the body, from 0; the last one of a shorter body.
        byte: usize,
    },
    /// Nothing of these requests' bodies is taken, and nothing is answered. Whoever asks has to give up.
    Still {
        /// The first.
        from: usize,
        /// How many; `usize::MAX`: all from then on.
        count: usize,
    },
    /// The bodies of the answers to these requests stand still after so many bytes.
    Stuck {
        /// The first.
        from: usize,
        /// How many; `usize::MAX`: all from then on.
        count: usize,
        /// Bytes that pass.
        after: usize,
    },
    /// The bodies of counted requests, and of their answers, come in pieces, with a rest before each.
    Slow {
        /// Bytes of a piece.
        piece: usize,
        /// How long a rest is.
        rest: Duration,
    },
    /// From [`StoreWire::stay_behind`] on, what was answered before is answered again; what was not asked before, and what writes, passes.
    Past,
}

/// Whether a request is one of these.
const fn among(number: usize, from: usize, count: usize) -> bool {
    number >= from && number - from < count
}

/// A running proxy, driven by the runtime it was started on. Dropping it ends it.
#[derive(Debug)]
pub struct StoreWire {
    endpoint: String,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    store: String,
    fault: StoreFault,
    client: reqwest::Client,
    victim: AtomicU32,
    counts: fn(&str) -> bool,
    past: Past,
    log: Mutex<Vec<String>>,
}

impl StoreWire {
    /// Listens on a port of its own in front of the S3 server with this URL.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start(store: &str, fault: StoreFault) -> Result<Self> {
        Self::start_counting(store, fault, |_| true).await
    }

    /// The same, but only the requests with such a method and path are counted; the others pass.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start_counting(store: &str, fault: StoreFault, counts: fn(&str) -> bool) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.doing(|| "listen on 127.0.0.1".into())?;
        let address = listener.local_addr().doing(|| "find out our port".into())?;
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build();
        let client = client.map_err(io::Error::other).doing(|| "make an HTTP client".into())?;
        let (store, victim) = (store.trim_end_matches('/').to_owned(), AtomicU32::new(0));
        let shared =
            Arc::new(Shared { store, fault, client, victim, counts, past: Past::default(), log: Mutex::default() });
        let router = Router::new().fallback(pass).with_state(shared.clone());
        let serving = tokio::spawn(async move {
            // It ends when it is dropped, and not before.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { endpoint: format!("http://{address}"), shared, serving })
    }

    /// Where to send requests instead.
    #[must_use]
    pub fn endpoint(&self) -> String {
        self.endpoint.clone()
    }

    /// Who is killed.
    pub fn victim(&self, pid: u32) {
        self.shared.victim.store(pid, SeqCst);
    }

    /// With [`StoreFault::Past`]: whether what was answered before is answered again.
    pub fn stay_behind(&self, behind: bool) {
        self.shared.past.stay_behind(behind);
    }

    /// Method and path of each request that was counted.
    #[must_use]
    pub fn log(&self) -> Vec<String> {
        self.shared.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for StoreWire {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Shared {
    /// Which one it is; 0 for those that are not counted.
    fn count(&self, request: &Request) -> usize {
        let line = format!("{} {}", request.method(), request.uri());
        if !(self.counts)(&line) {
            return 0;
        }
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.push(line);
        log.len()
    }

    fn kill(&self) {
        let pid = i32::try_from(self.victim.load(SeqCst)).ok().and_then(Pid::from_raw);
        // It may have ended by itself.
        let _ = pid.map(|pid| kill_process(pid, Signal::KILL));
    }
}

async fn pass(State(shared): State<Arc<Shared>>, request: Request) -> Response<Body> {
    let number = shared.count(&request);
    match shared.fault {
        StoreFault::Kill { at } if number >= at => {
            shared.kill();
            return std::future::pending().await;
        }
        StoreFault::Still { from, count } if among(number, from, count) => return std::future::pending().await,
        StoreFault::Status { from, count, status } if among(number, from, count) => {
            return plain(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
        }
        _ => {}
    }
    match forward(&shared, request, number).await {
        Ok(answer) => answer,
        Err(_) => plain(StatusCode::BAD_GATEWAY),
    }
}

async fn forward(shared: &Shared, request: Request, number: usize) -> reqwest::Result<Response<Body>> {
    let (head, body) = request.into_parts();
    let question = past::question(&head).filter(|_| shared.fault == StoreFault::Past && number > 0);
    if let Some(answer) = question.as_deref().and_then(|question| shared.past.answer(question)) {
        return Ok(answer);
    }
    let is_head = head.method == axum::http::Method::HEAD;
    let url = format!("{}{}", shared.store, head.uri);
    let asked = shared.client.request(head.method, url).headers(head.headers);
    let body = body.into_data_stream();
    let body = match shared.fault {
        StoreFault::Slow { piece, rest } if number > 0 => reqwest::Body::wrap_stream(slow::slowly(body, piece, rest)),
        _ => reqwest::Body::wrap_stream(body),
    };
    let answer = asked.body(body).send().await?;
    let (status, headers) = (answer.status(), answer.headers().clone());
    if let Some(question) = question {
        let body = answer.bytes().await?;
        shared.past.remember(question, (status, headers.clone(), body.clone()));
        return Ok(response(status, headers, Body::from(body)));
    }
    let body = answer.bytes_stream().map_err(io::Error::other);
    let broken = || stream::once(async { Err(io::Error::other("the line broke")) });
    Ok(match shared.fault {
        StoreFault::LostAnswer { at } if at == number && is_head => plain(StatusCode::BAD_GATEWAY),
        StoreFault::LostAnswer { at } if at == number => {
            // All of it was heard, so that it was carried out.
            let bytes: usize =
                body.map_ok(|piece| piece.len()).try_fold(0, |sum, n| async move { Ok(sum + n) }).await.unwrap_or(0);
            let mut headers = headers;
            headers.insert(header::CONTENT_LENGTH, (bytes + 1).into());
            response(StatusCode::OK, headers, Body::from_stream(broken()))
        }
        StoreFault::Cut { at, after } if at == number => {
            let mut left = after;
            let passing = body.map_ok(move |piece| {
                let passes = piece.len().min(left);
                left -= passes;
                piece.slice(..passes)
            });
            let mut passed = 0;
            let passing = passing.take_while(move |piece| {
                let go_on = passed < after;
                passed += piece.as_ref().map_or(0, |piece| piece.len());
                std::future::ready(go_on)
            });
            response(status, headers, Body::from_stream(passing.chain(broken())))
        }
        StoreFault::Damaged { at, byte } if at == number => {
            let whole: Vec<_> = body.try_collect().await.unwrap_or_default();
            let mut whole = whole.concat();
            if let Some(last) = whole.len().checked_sub(1) {
                whole[byte.min(last)] ^= 1;
            }
            response(status, headers, Body::from(whole))
        }
        StoreFault::Stuck { from, count, after } if among(number, from, count) && !is_head => {
            response(status, headers, Body::from_stream(slow::stuck(body, after)))
        }
        StoreFault::Slow { piece, rest } if number > 0 => {
            response(status, headers, Body::from_stream(slow::slowly(body, piece, rest)))
        }
        _ => response(status, headers, Body::from_stream(body)),
    })
}

fn response(status: StatusCode, headers: HeaderMap, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    // How it comes to us is not how it goes on.
    response.headers_mut().remove(header::TRANSFER_ENCODING);
    response
}

fn plain(status: StatusCode) -> Response<Body> {
    response(status, HeaderMap::new(), Body::empty())
}
