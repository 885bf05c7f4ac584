//! A closed loop over HTTP: each connection sends its next request when the answer to the one before was read whole.
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::{Client, RequestBuilder, StatusCode};
use tokio::task::JoinSet;

use crate::Failure;

/// Makes the next request on a connection.
pub(crate) type Make = Arc<dyn Fn(&Client) -> RequestBuilder + Send + Sync>;

/// The connections, kept alive over all rounds.
pub(crate) struct Load {
    connections: Vec<Client>,
}

/// What was answered.
pub(crate) struct Answered {
    pub(crate) seconds: f64,
    /// Of every request, in milliseconds, shortest first.
    pub(crate) milliseconds: Vec<f64>,
}

impl Load {
    /// A client each: none can borrow another's connection.
    pub(crate) fn new(connections: u16) -> Result<Self, Failure> {
        let client = || {
            Client::builder()
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none())
                .pool_max_idle_per_host(1)
                .timeout(Duration::from_secs(30))
                .build()
        };
        Ok(Self { connections: (0..connections).map(|_| client()).collect::<Result<_, _>>()? })
    }

    /// Loads the server for so long. Requests that are under way at the end are waited for and count, and so does their time.
    pub(crate) async fn run(&self, length: Duration, expected: StatusCode, make: &Make) -> Result<Answered, Failure> {
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
