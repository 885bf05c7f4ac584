//! What is measured, step by step.
use labor_demo::Failure;
use labor_demo::figures::{Figures, Topic};

use crate::fleet::{Fleet, Practice};

const NIGHT: Topic = Topic { name: "night", title: "What is lost at most (RPO)", ratio: "" };
pub(crate) const SMALL: Topic = Topic {
    name: "small",
    title: "One practice with nothing in it yet, until it is served again (RTO)",
    ratio: "share",
};
pub(crate) const LARGE: Topic =
    Topic { name: "large", title: "One practice with real volume, until it is served again (RTO)", ratio: "share" };
const SERVER: Topic =
    Topic { name: "server", title: "A lost server, until all of its practices are served again (RTO)", ratio: "share" };

const DAY: f64 = 24.0 * 3600.0;

/// The nightly run, and how old the oldest of the newest proofs is right after it.
pub(crate) async fn night(fleet: &Fleet, figures: &mut Figures) -> Result<(), Failure> {
    let run = fleet.done("labor-backup", &["run", "--all"]).await?;
    fleet.done("labor-backup", &["control", "run"]).await?;
    let status = fleet.json("labor-backup", &["--json", "status"]).await?;
    let tenants = status.get("tenants").and_then(serde_json::Value::as_object).ok_or("no tenants in the answer")?;
    let ages: Option<Vec<_>> =
        tenants.values().map(|one| one.get("age_seconds").and_then(serde_json::Value::as_f64)).collect();
    let oldest = ages.ok_or("a tenant without an age")?.into_iter().fold(0.0, f64::max);
    figures.add(NIGHT, "labor-backup run --all, everybody for the first time", "s", &[run], None);
    figures.add(NIGHT, "labor-backup status right after it: the oldest of the newest proofs", "s", &[oldest], None);
    let at_most = (DAY + oldest) / 3600.0;
    figures.add(NIGHT, "once a day: just before the next run has ended", "h", &[at_most], None);
    Ok(())
}

/// A practice that was damaged, restored over.
pub(crate) async fn one(
    fleet: &Fleet,
    topic: Topic,
    practice: &Practice,
    figures: &mut Figures,
) -> Result<(), Failure> {
    let Practice { tenant, displayed } = practice;
    fleet.batch(&format!("DELETE FROM {tenant}.observations; DELETE FROM {tenant}.reports")).await?;
    let steps = [
        ("labor-backup list --tenant", "labor-backup", vec!["list", "--tenant", tenant]),
        ("labor-backup verify --tenant", "labor-backup", vec!["verify", "--tenant", tenant]),
        ("labor-backup restore --over", "labor-backup", vec!["restore", "--over", tenant, "--yes", displayed]),
        ("labor-migrator check of the practice", "labor-migrator", vec!["check", tenant]),
    ];
    let seconds = timed(fleet, &steps).await?;
    let state = format!("SELECT state FROM control.tenants WHERE name = '{tenant}'");
    if fleet.text(&state).await? != "active" {
        return Err(format!("{displayed} is not served").into());
    }
    tell(topic, &steps.map(|(what, ..)| what), &seconds, figures);
    fleet.done("labor-backup", &["restore", "confirm", tenant, "--yes", displayed]).await?;
    Ok(())
}

/// The server, out of the bucket, the keys and the master secret.
pub(crate) async fn server(fleet: Fleet, tenants: u32, figures: &mut Figures) -> Result<(), Failure> {
    fleet.done("labor-backup", &["control", "run"]).await?;
    let (fleet, empty) = fleet.lose_the_server().await?;
    let steps = [
        ("labor-migrator bootstrap", "labor-migrator", vec!["bootstrap"]),
        ("labor-migrator up", "labor-migrator", vec!["up"]),
        ("labor-backup control restore", "labor-backup", vec!["control", "restore"]),
        ("labor-backup restore --missing", "labor-backup", vec!["restore", "--missing"]),
        ("labor-migrator check", "labor-migrator", vec!["check"]),
    ];
    let mut seconds = vec![empty];
    seconds.extend(timed(&fleet, &steps).await?);
    let served = fleet.text("SELECT count(*)::text FROM control.tenants WHERE state = 'active'").await?;
    if served != (tenants + 1).to_string() {
        return Err(format!("{served} are served, not {tenants} and the intake").into());
    }
    let named: Vec<_> = std::iter::once("a new, empty PostgreSQL with a database")
        .chain(steps.iter().map(|(what, ..)| *what))
        .collect();
    tell(SERVER, &named, &seconds, figures);
    fleet.stop().await
}

async fn timed(fleet: &Fleet, steps: &[(&str, &str, Vec<&str>)]) -> Result<Vec<f64>, Failure> {
    let mut seconds = Vec::new();
    for (_, program, words) in steps {
        seconds.push(fleet.done(program, words).await?);
    }
    Ok(seconds)
}

fn tell(topic: Topic, steps: &[&str], seconds: &[f64], figures: &mut Figures) {
    let all: f64 = seconds.iter().sum();
    for (step, seconds) in steps.iter().zip(seconds) {
        figures.add(topic, *step, "s", &[*seconds], Some(seconds / all));
    }
    figures.add(topic, "**all**", "s", &[all], Some(1.0));
}
