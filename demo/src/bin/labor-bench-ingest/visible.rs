//! From the post to the doctor's list: how many messages a second when as many come as are taken, and how long each takes when half as
//! many come. All ways in turn within each round.
use std::sync::Arc;
use std::time::{Duration, Instant};

use labor_demo::Failure;
use labor_demo::load::{self, Load, Make};
use labor_demo::messages::Messages;
use labor_demo::spread::Spread;
use reqwest::StatusCode;
use tokio::task::JoinSet;

use crate::Plan;
use crate::findings::{Findings, Topic, ratios};
use crate::node::Flush;
use crate::stage::{Stack, Stage};
use crate::watch::{self, Seen, Starts, watched};

/// Idle connections that the steady posts may keep.
const IDLE: usize = 64;

/// A stack, and how its queue flushes.
struct Way<'a> {
    name: &'static str,
    stack: &'a Stack,
    flush: Option<Flush>,
}

pub(crate) async fn measure(
    stage: &Stage,
    plan: &Plan,
    messages: &Arc<Messages>,
    (labor, node): (&Stack, Option<&Stack>),
    findings: &mut Findings,
) -> Result<(), Failure> {
    let mut ways = vec![Way { name: "Labor", stack: labor, flush: None }];
    if let Some(stack) = node {
        let every_second = "Node, Redis flushes every second";
        ways.push(Way { name: every_second, stack, flush: Some(Flush::EverySecond) });
        ways.push(Way { name: "Node, Redis flushes always", stack, flush: Some(Flush::Always) });
    }
    let load = Arc::new(Load::new(plan.connections)?);
    for way in &ways {
        let warm_up = plan.length.min(Duration::from_secs(1));
        rush(stage, way, messages, &load, warm_up).await?;
    }
    let mut rates: Vec<Vec<f64>> = vec![Vec::new(); ways.len()];
    let mut times: Vec<[Vec<f64>; 2]> = ways.iter().map(|_| Default::default()).collect();
    for round in 1..=plan.rounds {
        for (way, (rates, [stacks, postgres])) in ways.iter().zip(rates.iter_mut().zip(&mut times)) {
            let before = way.stack.cpu(stage)?;
            let seen = rush(stage, way, messages, &load, plan.length).await?;
            let each = (way.stack.cpu(stage)? - before).micros_per(f64::from(u32::try_from(seen.count)?));
            rates.push(seen.per_second());
            stacks.push(each.stack);
            postgres.push(each.postgres);
        }
        tell_round("messages a second", round, plan.rounds, rates.iter().filter_map(|rates| rates.last()));
    }
    let of_labor = rates.first().cloned().unwrap_or_default();
    for (way, rates) in ways.iter().zip(&rates) {
        let ratio = findings.with(Topic::Rate, way.name, "/s", (rates, ratios(&of_labor, rates)));
        if way.flush == Some(Flush::EverySecond) {
            findings.at_least(
                "messages a second until the doctor can see them: at least as many as Node's",
                ratio,
                1.0,
            );
        }
    }
    spent(&ways, &times, findings);
    let slowest = rates.iter().map(|rates| Spread::of(rates.clone()).median).fold(f64::INFINITY, f64::min);
    latency(stage, plan, messages, &ways, slowest / 2.0, findings).await
}

/// Where the time goes when everybody shares the processors.
fn spent(ways: &[Way<'_>], times: &[[Vec<f64>; 2]], findings: &mut Findings) {
    let Some(of_labor) = times.first() else { return };
    for (way, times) in ways.iter().zip(times) {
        let processes = if way.flush.is_some() { "web server, worker and Redis" } else { "web server and worker" };
        for ((what, samples), labor) in [processes, "Postgres"].into_iter().zip(times).zip(of_labor) {
            let name = format!("{}: {what}", way.name);
            findings.with(Topic::Cpu, name, "µs", (samples, ratios(labor, samples)));
        }
    }
}

async fn latency(
    stage: &Stage,
    plan: &Plan,
    messages: &Arc<Messages>,
    ways: &[Way<'_>],
    rate: f64,
    findings: &mut Findings,
) -> Result<(), Failure> {
    let mut all: Vec<[Vec<f64>; 3]> = ways.iter().map(|_| Default::default()).collect();
    for round in 1..=plan.rounds {
        for (way, shares) in ways.iter().zip(&mut all) {
            let seen = steady(stage, way, messages, rate, plan.length * 2).await?;
            for (share, samples) in [50, 99, 100].into_iter().zip(shares) {
                samples.push(seen.percentile(share));
            }
        }
        tell_round("p99 in ms", round, plan.rounds, all.iter().filter_map(|[_, p99, _]| p99.last()));
    }
    let Some(of_labor) = all.first().cloned() else { return Ok(()) };
    for (at, share) in ["half of the messages within", "99 of 100 within", "the longest"].into_iter().enumerate() {
        for (way, shares) in ways.iter().zip(&all) {
            let (Some(samples), Some(labor)) = (shares.get(at), of_labor.get(at)) else { continue };
            let name = format!("{}, {rate:.0}/s: {share}", way.name);
            findings.with(Topic::Latency, name, "ms", (samples, ratios(labor, samples)));
        }
    }
    for way in ways.iter().filter(|way| way.flush != Some(Flush::Always)) {
        let name = format!("{}, idle: one look at the list, of 50 a second", way.name);
        findings.add(Topic::Latency, name, "ms", &[watch::cost(way.stack).await?]);
    }
    Ok(())
}

/// Posts in a closed loop for so long, then waits for the last to be visible.
async fn rush(
    stage: &Stage,
    way: &Way<'_>,
    messages: &Arc<Messages>,
    load: &Arc<Load>,
    length: Duration,
) -> Result<Seen, Failure> {
    prepare(stage, way).await?;
    let starts = Starts::default();
    let (load, make) = (Arc::clone(load), noted(way.stack, messages, &starts));
    watched(stage, (way.stack, &way.stack.sign_in().await?), messages, starts, async move {
        load.run(length, StatusCode::ACCEPTED, &make).await?;
        Ok(())
    })
    .await
}

/// Posts that note when they began.
pub(crate) fn noted(stack: &Stack, messages: &Arc<Messages>, starts: &Starts) -> Make {
    let (door, messages, starts) = (stack.door.clone(), Arc::clone(messages), starts.clone());
    Arc::new(move |client| {
        let message = messages.numbered();
        starts.note(message.number, Instant::now());
        door.post(client, message.body)
    })
}

/// Posts at a steady rate, whether the ones before were answered or not; a message's time begins when it was to be posted.
async fn steady(
    stage: &Stage,
    way: &Way<'_>,
    messages: &Arc<Messages>,
    rate: f64,
    length: Duration,
) -> Result<Seen, Failure> {
    prepare(stage, way).await?;
    let (starts, client) = (Starts::default(), load::client(IDLE)?);
    let (noting, door, making) = (starts.clone(), way.stack.door.clone(), Arc::clone(messages));
    watched(stage, (way.stack, &way.stack.sign_in().await?), messages, starts, async move {
        let (began, mut posts) = (tokio::time::Instant::now(), JoinSet::new());
        for at in schedule(rate, length) {
            tokio::time::sleep_until(began + at).await;
            let message = making.numbered();
            noting.note(message.number, (began + at).into_std());
            let post = door.post(&client, message.body);
            posts.spawn(async move { post.send().await.map(|answer| answer.status()) });
        }
        while let Some(answered) = posts.join_next().await {
            let status = answered??;
            if status != StatusCode::ACCEPTED {
                return Err(format!("a post was answered with {status}").into());
            }
        }
        Ok(())
    })
    .await
}

/// When each is to be posted; at least one is.
fn schedule(rate: f64, length: Duration) -> impl Iterator<Item = Duration> {
    (0_u32..).map(move |n| Duration::from_secs_f64(f64::from(n) / rate.max(1.0))).take_while(move |at| *at < length)
}

async fn prepare(stage: &Stage, way: &Way<'_>) -> Result<(), Failure> {
    if let (Some(flush), Some(redis)) = (way.flush, &way.stack.redis) {
        redis.flush(flush).await?;
    }
    stage.checkpoint().await
}

fn tell_round<'a>(what: &str, round: u16, rounds: u16, figures: impl Iterator<Item = &'a f64>) {
    let figures: Vec<String> = figures.map(|figure| format!("{figure:.0}")).collect();
    crate::tell(&format!("{what}: round {round} of {rounds}: {}", figures.join("  ")));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_rate_is_as_many_posts_evenly_spread() {
        let times: Vec<Duration> = schedule(50.0, Duration::from_secs(2)).collect();
        assert_eq!((times.len(), times[0], times[1]), (100, Duration::ZERO, Duration::from_millis(20)));
        assert_eq!(schedule(0.0, Duration::from_secs(1)).count(), 1);
    }
}
