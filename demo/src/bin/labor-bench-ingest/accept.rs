//! Accepted posts against pgbench with the same inserts, in alternating rounds; no worker runs.
use std::sync::Arc;
use std::time::Duration;

use labor_demo::Failure;
use labor_demo::floor::Trips;
use labor_demo::load::Load;
use labor_demo::messages::Messages;
use reqwest::StatusCode;

use crate::Plan;
use crate::findings::{Findings, Topic, ratios};
use crate::stage::Stage;

const DATABASE: &str = "accept";

pub(crate) async fn measure(
    stage: &Stage,
    plan: &Plan,
    messages: &Arc<Messages>,
    findings: &mut Findings,
) -> Result<(), Failure> {
    // As many connections to the practice as pgbench gets.
    let connections = ("LABOR_CONNECTIONS_PER_TENANT".to_owned(), plan.connections.to_string());
    let practice = stage.practice(DATABASE, [connections]).await?;
    let floor = practice.floor_of_storing(&stage.folder, DATABASE, Trips::One, &messages.next())?;
    let (load, post) = (Load::new(plan.connections)?, practice.door.posts(messages));
    let warm_up = plan.length.min(Duration::from_secs(2));
    load.run(warm_up, StatusCode::ACCEPTED, &post).await?;
    floor.run(&stage.postgres, plan.connections, warm_up).await?;
    let (mut labor, mut pgbench) = (Vec::new(), Vec::new());
    for _ in 0..plan.rounds {
        stage.checkpoint().await?;
        let before = practice.waiting(&stage.postgres).await?;
        let answered = load.run(plan.length, StatusCode::ACCEPTED, &post).await?;
        let accepted = u32::try_from(answered.milliseconds.len())?;
        labor.push(f64::from(accepted) / answered.seconds);
        stage.checkpoint().await?;
        let (stored, rate) = floor.run(&stage.postgres, plan.connections, plan.length).await?;
        pgbench.push(rate);
        let added = practice.waiting(&stage.postgres).await? - before;
        if added != stored + u64::from(accepted) {
            return Err(format!("{accepted} posts and {stored} transactions left {added} messages").into());
        }
    }
    practice.server.running.terminate(Duration::from_secs(20)).await?;
    stage.postgres.drop_database(DATABASE).await?;
    findings.add(Topic::Accept, "POST /v1/messages", "/s", &labor);
    let ratio = ratios(&labor, &pgbench);
    let way = "pgbench: the same SQL in one round trip";
    let ratio = findings.with(Topic::Accept, way, "/s", (&pgbench, ratio));
    findings.at_least(
        "accepted posts a second: at least 0.5 × pgbench with the same SQL in one round trip",
        ratio,
        0.5,
    );
    Ok(())
}
