//! A closed loop over HTTP: each connection sends its next request when the answer to the one before was read whole.
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::{Client, RequestBuilder, StatusCode};
use tokio::task::JoinSet;

use crate::Failure;

/// When a laboratory's sender gives up.
pub const GIVEN_UP: Duration = Duration::from_secs(30);

/// Makes the next request on a connection.
pub type Make = Arc<dyn Fn(&Client) -> RequestBuilder + Send + Sync>;

/// The connections, kept alive over all rounds.
pub struct Load {
    connections: Vec<Client>,
}

/// What was answered.
pub struct Answered {
    /// From the first request to the last answer.
    pub seconds: f64,
    /// Of every request, in milliseconds, shortest first.
    pub milliseconds: Vec<f64>,
}

impl Load {
    /// A client each: none can borrow another's connection.
    ///
    /// # Errors
    /// When a client can't be made.
    pub fn new(connections: u16) -> Result<Self, Failure> {
        Ok(Self { connections: (0..connections).map(|_| client(1)).collect::<Result<_, _>>()? })
    }

    /// Loads the server for so long. Requests that are under way at the end are waited for and count, and so does their time.
    ///
    /// # Errors
    /// When a request gets another answer, or none.
    pub async fn run(&self, length: Duration, expected: StatusCode, make: &Make) -> Result<Answered, Failure> {
        let began = Instant::now();
        let mut tasks = JoinSet::new();
        for client in &self.connections {
            tasks.spawn(one_after_the_other(client.clone(), began + length, expected, Arc::clone(make)));
        }
        let mut milliseconds = Vec::new();
        while let Some(ended) = tasks.join_next().await {
            milliseconds.append(&mut ended??);
        }
        milliseconds.sort_by(f64::total_cmp);
        Ok(Answered { seconds: began.elapsed().as_secs_f64(), milliseconds })
    }
}

/// A client that keeps so many connections and gives up when senders do.
///
/// # Errors
/// When it can't be made.
pub fn client(connections: usize) -> Result<Client, Failure> {
    let client = Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    Ok(client.pool_max_idle_per_host(connections).timeout(GIVEN_UP).build()?)
}

async fn one_after_the_other(
    client: Client,
    end: Instant,
    expected: StatusCode,
    make: Make,
) -> Result<Vec<f64>, Failure> {
    let mut milliseconds = Vec::new();
    while Instant::now() < end {
        let sent = Instant::now();
        let answer = make(&client).send().await?;
        let status = answer.status();
        let body = answer.bytes().await?;
        if status != expected || body.is_empty() {
            return Err(format!("answered {status}: {}", String::from_utf8_lossy(&body)).into());
        }
        milliseconds.push(sent.elapsed().as_secs_f64() * 1e3);
    }
    Ok(milliseconds)
}
