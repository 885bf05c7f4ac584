//! Posts that come at once: the connections are opened and the posts are signed first, then all are sent.
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use labor_demo::Failure;
use labor_demo::load::GIVEN_UP;
use labor_demo::messages::Messages;
use labor_demo::practice::Door;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Barrier, oneshot};
use tokio::task::JoinSet;

use crate::Plan;
use crate::findings::{Findings, Topic};
use crate::stage::{Stack, Stage};
use crate::watch::{Starts, watched};

const CROWDS: [usize; 2] = [100, 1000];
/// Sockets of the largest crowd, and all else that is open.
const FILES: u64 = 4096;
/// How long is waited for an answer, so that one that is too late is told from none.
const LONGEST: Duration = Duration::from_secs(90);

/// Raises this process's limit of open files if it is lower, and with it that of the programs that it starts. What it is then.
pub(crate) fn raise_file_limit() -> Result<u64, Failure> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if let Some(wanted) = enough(current, maximum) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum })?;
    }
    Ok(getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX))
}

/// The limit to set, if the one in force is too low and may be raised. None is none.
fn enough(current: Option<u64>, maximum: Option<u64>) -> Option<u64> {
    let wanted = FILES.min(maximum.unwrap_or(u64::MAX));
    current.filter(|current| *current < wanted).map(|_| wanted)
}

pub(crate) async fn measure(
    stage: &Stage,
    plan: &Plan,
    messages: &Arc<Messages>,
    stacks: impl Iterator<Item = &Stack>,
    findings: &mut Findings,
) -> Result<(), Failure> {
    for stack in stacks {
        for count in CROWDS {
            let (mut accepted, mut longest) = (Vec::new(), Vec::new());
            for _ in 0..plan.rounds {
                let crowd = at_once(stage, stack, messages, count).await?;
                accepted.push(f64::from(crowd.answers.get("202").copied().unwrap_or_default()));
                longest.push(crowd.longest.as_secs_f64() * 1e3);
                if crowd.answers.len() > 1 {
                    findings.remark(format!("{}, {count} at once: answers were {:?}.", stack.name, crowd.answers));
                }
            }
            let least = accepted.iter().copied().fold(f64::INFINITY, f64::min);
            let most = longest.iter().copied().fold(0.0, f64::max);
            let way = format!("{}: {count} at once, answered with 202", stack.name);
            findings.with(Topic::Concurrency, way, "", (&accepted, longest));
            if stack.redis.is_none() {
                let wanted = f64::from(u32::try_from(count)?);
                findings.at_least(format!("{count} posts at once: all answered with 202"), least, wanted);
                let seconds = most / 1e3;
                findings.at_most(
                    format!("{count} posts at once: the longest answer, at most 30 s"),
                    seconds,
                    GIVEN_UP.as_secs_f64(),
                );
            }
        }
    }
    Ok(())
}

struct Crowd {
    /// How many got which status.
    answers: BTreeMap<String, u32>,
    longest: Duration,
}

/// All that was accepted is visible afterwards, exactly once.
async fn at_once(stage: &Stage, stack: &Stack, messages: &Arc<Messages>, count: usize) -> Result<Crowd, Failure> {
    stage.checkpoint().await?;
    let (starts, (tell, told)) = (Starts::default(), oneshot::channel());
    let (noting, making, door) = (starts.clone(), Arc::clone(messages), stack.door.clone());
    watched(stage, (stack, &stack.sign_in().await?), messages, starts, async move {
        let (gate, mut posts) = (Arc::new(Barrier::new(count)), JoinSet::new());
        for _ in 0..count {
            let message = making.numbered();
            let (request, address) = (request(&door, &message.body), door.base.replace("http://", ""));
            let (gate, noting) = (Arc::clone(&gate), noting.clone());
            posts.spawn(async move {
                // Whoever can't connect must not hold up the others.
                let connection = TcpStream::connect(address).await;
                gate.wait().await;
                let began = Instant::now();
                let status = match connection {
                    Ok(connection) => tokio::time::timeout(LONGEST, answered(connection, &request)).await,
                    Err(error) => Ok(Err(error)),
                };
                let status =
                    status.unwrap_or_else(|_| Ok("no answer".to_owned())).unwrap_or_else(|error| error.to_string());
                if status == "202" {
                    noting.note(message.number, began);
                }
                (status, began.elapsed())
            });
        }
        let mut crowd = Crowd { answers: BTreeMap::new(), longest: Duration::ZERO };
        while let Some(ended) = posts.join_next().await {
            let (status, took) = ended?;
            *crowd.answers.entry(status).or_default() += 1;
            crowd.longest = crowd.longest.max(took);
        }
        // Nobody listens when the run was ended.
        let _ = tell.send(crowd);
        Ok(())
    })
    .await?;
    Ok(told.await?)
}

/// A whole signed request. Written by hand: an HTTP client would share connections.
fn request(door: &Door, body: &[u8]) -> Vec<u8> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let head = format!(
        "POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\
         X-Labor-Source: {}\r\nX-Labor-Timestamp: {now}\r\nX-Labor-Signature: {}\r\n\r\n",
        body.len(),
        door.source,
        door.sender.signature(now, body)
    );
    [head.as_bytes(), body].concat()
}

/// The status of an answer that was read whole.
async fn answered(mut connection: TcpStream, request: &[u8]) -> std::io::Result<String> {
    connection.write_all(request).await?;
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).await?;
    Ok(status(&answer))
}

fn status(answer: &[u8]) -> String {
    let line = String::from_utf8_lossy(answer.split(|byte| *byte == b'\r').next().unwrap_or_default()).into_owned();
    line.split(' ').nth(1).unwrap_or("no answer").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_is_the_first_lines() {
        assert_eq!(status(b"HTTP/1.1 202 Accepted\r\ncontent-length: 3\r\n\r\n503"), "202");
        assert_eq!(status(b""), "no answer");
    }

    #[test]
    fn the_limit_of_open_files_is_raised_as_far_as_needed_and_allowed() {
        assert_eq!(enough(Some(1024), None), Some(FILES));
        assert_eq!(enough(Some(1024), Some(20_000)), Some(FILES));
        assert_eq!(enough(Some(1024), Some(2000)), Some(2000));
        assert_eq!((enough(Some(1024), Some(1024)), enough(Some(FILES), None), enough(None, None)), (None, None, None));
    }
}
