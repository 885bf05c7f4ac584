//! Memory of server and worker: whether it grows over many messages, and the peak while large files come at once.
use std::sync::Arc;
use std::time::{Duration, Instant};

use labor_demo::Failure;
use labor_demo::load::{self, Load};
use labor_demo::messages::{Messages, order_number};
use labor_demo::practice::Door;
use reqwest::StatusCode;
use tokio::task::JoinSet;

use crate::Plan;
use crate::findings::{Findings, Topic};
use crate::grown;
use crate::stage::{Part, Stack, Stage};
use crate::visible::noted;
use crate::watch::{Starts, watched};

const PARTS: [(Part, &str); 2] = [(Part::Server, "web server"), (Part::Worker, "worker")];
const LARGE_FILES: usize = 20;
const LARGE_BYTES: usize = 20_000_000;
/// How long is tried again when the server asks for that.
const LARGE_LIMIT: Duration = Duration::from_secs(180);

/// MiB of both processes, at the start, after a quarter of the messages and at the end.
type Course = [[f64; 3]; 2];

pub(crate) async fn measure(
    stage: &Stage,
    plan: &Plan,
    messages: &Arc<Messages>,
    (labor, node): (&Stack, Option<&Stack>),
    findings: &mut Findings,
) -> Result<(), Failure> {
    let course = many(stage, plan, messages, labor).await?;
    let growth = lines(labor, plan.messages, &course, findings);
    let text = "memory of web server and worker: from a quarter of the messages to the end, at most 1.1 ×";
    findings.at_most(text, growth, 1.1);
    let mut ends = vec![course.iter().map(|[.., end]| end).sum::<f64>()];
    if let Some(node) = node {
        let course = many(stage, plan, messages, node).await?;
        lines(node, plan.messages, &course, findings);
        ends.push(course.iter().map(|[.., end]| end).sum());
    }
    if let [labor, node] = ends[..] {
        let ratio = labor / node;
        findings.remark(format!("Web server and worker at the end of the many messages: Labor {labor:.0} MiB, Node {node:.0} MiB, {ratio:.2} ×."));
    }
    for stack in [Some(labor), node].into_iter().flatten() {
        large(stage, messages, stack, findings).await?;
    }
    Ok(())
}

/// The larger growth of the two.
fn lines(stack: &Stack, messages: u32, course: &Course, findings: &mut Findings) -> f64 {
    let mut growth = 0.0_f64;
    for ((_, part), [start, quarter, end]) in PARTS.into_iter().zip(course) {
        for (when, mebibytes) in [("at the start", start), ("after a quarter", quarter), ("at the end", end)] {
            let way = format!("{}, {part}, {messages} messages: {when}", stack.name);
            findings.with(Topic::Memory, way, "MiB", (&[*mebibytes], vec![mebibytes / quarter]));
        }
        growth = growth.max(end / quarter);
    }
    growth
}

/// Posts so many in a closed loop; looks when all of the first quarter, and when all are visible.
async fn many(stage: &Stage, plan: &Plan, messages: &Arc<Messages>, stack: &Stack) -> Result<Course, Failure> {
    let load = Arc::new(Load::new(plan.connections)?);
    // Once, before the first look: each sign-in takes 19 MiB for a moment, some of which stay.
    let client = stack.sign_in().await?;
    let mut course = Course::default();
    let wanted = usize::try_from(plan.messages)?;
    let mut visible = 0;
    for (at, goal) in [0, wanted / 4, wanted].into_iter().enumerate() {
        while visible < goal {
            let starts = Starts::default();
            let (load, make, length) = (Arc::clone(&load), noted(stack, messages, &starts), plan.length);
            let posting = async move { load.run(length, StatusCode::ACCEPTED, &make).await.map(drop) };
            visible += watched(stage, (stack, &client), messages, starts, posting).await?.count;
        }
        for ((part, _), course) in PARTS.into_iter().zip(&mut course) {
            if let Some(mebibytes) = course.get_mut(at) {
                *mebibytes = stack.mebibytes(part, "VmRSS");
            }
        }
        crate::tell(&format!("{}: memory after {visible} messages", stack.name));
    }
    Ok(course)
}

/// Large files, each with a PDF, over a connection of its own; who is asked to come again does.
async fn large(stage: &Stage, messages: &Arc<Messages>, stack: &Stack, findings: &mut Findings) -> Result<(), Failure> {
    let starts = Starts::default();
    let mut files = Vec::new();
    for at in 0..LARGE_FILES {
        // Their numbers are taken from those of the other messages, from where they are when the watch begins.
        let number = messages.upcoming() + u32::try_from(at)?;
        files.push((number, grown::pdf(&order_number(number), LARGE_BYTES)?));
    }
    stage.checkpoint().await?;
    stack.forget_peaks()?;
    let (noting, door) = (starts.clone(), stack.door.clone());
    let (tell, told) = tokio::sync::oneshot::channel();
    let seen = watched(stage, (stack, &stack.sign_in().await?), messages, starts, async move {
        let mut posts = JoinSet::new();
        for (number, body) in files {
            noting.note(number, Instant::now());
            posts.spawn(until_accepted(door.clone(), body));
        }
        let mut again = 0;
        while let Some(ended) = posts.join_next().await {
            again += ended??;
        }
        // Nobody listens when the run was ended.
        let _ = tell.send(again);
        Ok(())
    })
    .await?;
    for _ in 0..LARGE_FILES {
        messages.numbered();
    }
    let again = told.await?;
    for (part, name) in PARTS {
        let way = format!("{}, {name}, {LARGE_FILES} files of 20 MB at once: peak", stack.name);
        findings.add(Topic::Memory, way, "MiB", &[stack.mebibytes(part, "VmHWM")]);
    }
    findings.remark(format!(
        "{}: {LARGE_FILES} files of 20 MB that came at once were visible after {:.0} s; who was asked to come again came, {again} times in all.",
        stack.name, seen.seconds
    ));
    Ok(())
}

/// Posts a large file until it is accepted; how often it was asked to come again.
async fn until_accepted(door: Door, body: Vec<u8>) -> Result<u32, Failure> {
    let (began, client, mut again) = (Instant::now(), load::client(1)?, 0);
    while began.elapsed() < LARGE_LIMIT {
        match door.post(&client, body.clone()).send().await.map(|answer| answer.status()) {
            Ok(StatusCode::ACCEPTED) => return Ok(again),
            Ok(StatusCode::SERVICE_UNAVAILABLE) => {}
            Ok(status) => return Err(format!("a large file was answered with {status}").into()),
            // The server may answer, and hang up, before it has read the body.
            Err(error) if error.is_request() || error.is_body() || error.is_timeout() => {}
            Err(error) => return Err(error.into()),
        }
        again += 1;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Err("a large file was not accepted in time".into())
}
