//! What is over in moments: nothing to do, status, new practices, fingerprints.
use labor_demo::Failure;
use labor_demo::spread::Spread;
use serde_json::Value;

use crate::children;
use crate::findings::{Findings, Scenario};
use crate::stage::{LIMIT, Stage};

/// How often a call of milliseconds is made.
const OFTEN: usize = 15;

pub(crate) fn numbers(said: &Value, name: &str) -> Vec<f64> {
    said[name].as_array().into_iter().flatten().filter_map(Value::as_f64).collect()
}

/// Each without what connecting took beside it.
fn after_connecting(said: &Value, name: &str) -> Vec<f64> {
    numbers(said, name).iter().zip(numbers(said, "connect")).map(|(all, connect)| all - connect).collect()
}

/// `up` with nothing to do, and `status`: by the library and by the program. What is promised is promised of both: the library's call is
/// one of many on a warm process, the program's begins with nothing.
pub(crate) async fn idle(stage: &Stage, findings: &mut Findings) -> Result<(), Failure> {
    let n = stage.tenants;
    let said = stage.lane(&stage.db, &["idle", "--count", &OFTEN.to_string()], "").await?;
    findings.add(Scenario::Idle, "connecting alone", n, "ms", &numbers(&said, "connect"));
    for name in ["up", "status"] {
        let way = format!("library: {name}, after connecting");
        let spread = findings.add(Scenario::Idle, way, n, "ms", &after_connecting(&said, name));
        let promise = format!("the library's `{name}` with nothing to do, after connecting: at most 50 ms");
        findings.promise(&promise, n, spread.median, 50.0, " ms");
    }
    let connect = Spread::of(numbers(&said, "connect")).median;
    let mut start = Vec::new();
    for _ in 0..OFTEN {
        start.push(stage.migrator(&stage.db).args(["--version"]).run(None).await?.milliseconds);
    }
    for name in ["up", "status"] {
        let mut times = Vec::new();
        for n in 0..OFTEN {
            let whole = stage.migrator(&stage.db).args([name]).run(None).await?.milliseconds;
            times.push(whole - connect - start.get(n).copied().unwrap_or_default());
        }
        let way = format!("program: {name}, after starting and connecting");
        let spread = findings.add(Scenario::Idle, way, n, "ms", &times);
        let promise =
            format!("the program's `{name}` with nothing to do, less its start and connecting: at most 50 ms");
        findings.promise(&promise, n, spread.median, 50.0, " ms");
    }
    findings.add(Scenario::Idle, "program: starting alone", n, "ms", &start);
    Ok(())
}

/// The whole fleet against its ledger, and its isolation.
pub(crate) async fn drift(stage: &Stage, runs: usize, findings: &mut Findings) -> Result<(), Failure> {
    let said = stage.lane(&stage.db, &["drift", "--count", &runs.to_string()], "").await?;
    let seconds: Vec<f64> = numbers(&said, "drift").iter().map(|ms| ms / 1e3).collect();
    let spread = findings.add(Scenario::Drift, "library: drift", stage.tenants, "s", &seconds);
    if stage.tenants <= 1000 {
        findings.promise("fingerprint of a fleet of up to 1,000: at most 5 s", stage.tenants, spread.median, 5.0, " s");
    } else {
        let (n, seconds) = (stage.tenants, spread.median);
        findings.remarks.push(format!(
            "The 5 s are promised of a fleet of up to 1,000. The fingerprint of {n} took {seconds:.1} s: each tenant has to be read."
        ));
    }
    let mut seconds = Vec::new();
    for _ in 0..runs {
        seconds.push(stage.migrator(&stage.db).args(["check"]).run(None).await?.milliseconds / 1e3);
    }
    let spread =
        findings.add(Scenario::Drift, "program: check, with starting and connecting", stage.tenants, "s", &seconds);
    if stage.tenants <= 1000 {
        let promise = "isolation check of a fleet of up to 1,000: at most 2 s";
        findings.promise(promise, stage.tenants, spread.median, 2.0, " s");
    }
    Ok(())
}

/// New practices: the bare DDL, Labor without spares, Labor from spares; in turn.
pub(crate) async fn births(stage: &Stage, findings: &mut Findings) -> Result<(), Failure> {
    let n = stage.tenants;
    let (mut bare, mut cold) = (Vec::new(), Vec::new());
    for _ in 0..OFTEN.div_ceil(5) {
        let said = stage.lane(&stage.db, &["bare-births", "--count", "5"], "").await?;
        bare.extend(numbers(&said, "bare"));
        let said = stage.lane(&stage.db, &["births", "--count", "5"], "").await?;
        cold.extend(after_connecting(&said, "cold"));
    }
    stage.migrator(&stage.db).args(["pool", "--keep", &OFTEN.to_string()]).run(None).await?;
    let said = stage.lane(&stage.db, &["births", "--count", &OFTEN.to_string()], "").await?;
    let pool = after_connecting(&said, "pool");
    findings.against(Scenario::Birth, "the bare DDL", n, "ms", (&bare, &bare));
    let way = "Labor, no spare ready, after connecting";
    let ratio = findings.against(Scenario::Birth, way, n, "ms", (&cold, &bare));
    findings.promise("a new practice without a spare: at most 1.2 × the bare DDL", n, ratio.median, 1.2, " ×");
    findings.growth("a new practice takes as long in a large fleet", Scenario::Birth, way, n);
    let spread = findings.add(Scenario::Birth, "Labor, from a spare, after connecting", n, "ms", &pool);
    findings.promise("a new practice from a spare: at most 20 ms", n, spread.median, 20.0, " ms");
    stage.settle().await
}

/// The version of a program, as it says it.
pub(crate) async fn version(program: &str, arguments: &[&str]) -> Result<String, Failure> {
    let mut command = tokio::process::Command::new(program);
    command.args(arguments);
    Ok(children::run(command, "", LIMIT, None).await?.stdout.trim().to_owned())
}
