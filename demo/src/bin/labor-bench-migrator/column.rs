//! The contest: a column and an index on every tenant, by the bare loop, by the bare loop with the proof, by Labor, by refinery's runner.
//! Must stay true: after each contender everything is put back and the catalogs are vacuumed, so that the next one meets the same fleet;
//! rounds go through all contenders, so that a slow minute touches all of them.
use std::collections::BTreeMap;

use labor_demo::Failure;
use labor_demo::spread::Spread;
use serde_json::Value;

use crate::files;
use crate::findings::{Findings, Scenario};
use crate::stage::Stage;

/// Connections of each contender; the better of the two counts.
const WORKERS: [&str; 2] = ["2", "4"];

const PROOF: &str = "one proof within its transaction, one connection";

/// Milliseconds that are granted to the proof of one tenant.
const PROOF_LIMIT: f64 = 3.0;

/// What is raced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    Floor,
    Records,
    Proof,
    Labor,
    Refinery,
}

impl Way {
    fn name(self) -> &'static str {
        match self {
            Self::Floor => "the same statements by a bare loop (floor)",
            Self::Records => "the bare loop that also writes history, stamp, ledger and outcome",
            Self::Proof => "the bare loop with Labor's proof before COMMIT",
            Self::Labor => "labor-migrator up",
            Self::Refinery => "refinery's own runner",
        }
    }
}

/// Of all rounds.
#[derive(Default)]
struct Times {
    /// Seconds, the better number of connections of each round.
    best: BTreeMap<Way, Vec<f64>>,
    proof_each: Vec<f64>,
    migrator: Vec<f64>,
    backend: Vec<f64>,
}

/// Races; a large fleet meets only floor, proof and Labor, with two connections.
pub(crate) async fn race(
    stage: &Stage,
    runs: usize,
    large: bool,
    findings: &mut Findings,
) -> Result<Vec<f64>, Failure> {
    stage.sql("CREATE SCHEMA bench; CREATE TABLE bench.ledger AS SELECT * FROM control.ledger").await?;
    let ways = if large {
        &[Way::Floor, Way::Labor, Way::Proof][..]
    } else {
        &[Way::Floor, Way::Labor, Way::Records, Way::Proof, Way::Refinery]
    };
    let workers = if large { &WORKERS[..1] } else { &WORKERS };
    let mut times = Times::default();
    for _ in 0..runs {
        for way in ways {
            let mut best = f64::INFINITY;
            for workers in workers {
                best = best.min(once(stage, *way, workers, &mut times).await?);
                put_back(stage).await?;
            }
            times.best.entry(*way).or_default().push(best / 1e3);
        }
        // Alone: with several connections the time of one proof is waiting too.
        once(stage, Way::Proof, "1", &mut times).await?;
        put_back(stage).await?;
    }
    stage.sql("DROP SCHEMA bench CASCADE").await?;
    Ok(tell(stage, &times, findings))
}

/// Milliseconds of one contender.
async fn once(stage: &Stage, way: Way, workers: &str, times: &mut Times) -> Result<f64, Failure> {
    let lane = match way {
        Way::Floor => "floor",
        Way::Records => "records",
        Way::Proof => "proof",
        Way::Refinery => "refinery",
        Way::Labor => {
            let up = stage.migrator(&stage.next).args(["up", "--workers", workers]);
            let ended = up.run(stage.postgres.pid()).await?;
            times.migrator.push(ended.peak);
            times.backend.push(ended.backend);
            return Ok(ended.milliseconds);
        }
    };
    let said = stage.lane(&stage.next, &[lane, "--workers", workers], "").await?;
    if way == Way::Proof && workers == "1" {
        times.proof_each.extend(said["median_each"].as_f64());
    }
    said["milliseconds"].as_f64().ok_or_else(|| format!("{lane} does not say how long it took").into())
}

/// As it was before.
async fn put_back(stage: &Stage) -> Result<(), Failure> {
    let checksum = stage.text("SELECT max(chain_checksum) FROM bench.ledger").await?;
    let version = stage.version;
    let behind = stage
        .number("SELECT count(*) FROM pg_attribute WHERE attname = 'bench_n' AND attrelid IN (SELECT oid FROM pg_class WHERE relkind = 'r')")
        .await?;
    if behind != stage.tenants {
        return Err(format!("{behind} of {} tenants have the column", stage.tenants).into());
    }
    let said: Value = stage.lane(&stage.db, &["each"], &files::undo(version, &checksum)).await?;
    if said["tenants"].as_u64() != Some(stage.tenants) {
        return Err("not every tenant was put back".into());
    }
    let before = version - 1;
    let sql = format!(
        "UPDATE control.ledger l
            SET version = b.version, chain_checksum = b.chain_checksum, fingerprint = b.fingerprint, rules_checksum = b.rules_checksum
           FROM bench.ledger b WHERE b.tenant = l.tenant;
         DELETE FROM control.migrations WHERE version = {version};
         UPDATE control.fleet SET generation = {before} WHERE generation = {version};
         TRUNCATE control.outcomes"
    );
    stage.sql(&sql).await?;
    stage.settle().await
}

/// Figures and promises; Labor's seconds.
fn tell(stage: &Stage, times: &Times, findings: &mut Findings) -> Vec<f64> {
    let n = stage.tenants;
    let none = Vec::new();
    let of = |way| times.best.get(&way).unwrap_or(&none).as_slice();
    let (floor, labor) = (of(Way::Floor), of(Way::Labor));
    for (way, seconds) in &times.best {
        findings.against(Scenario::Column, way.name(), n, "s", (seconds, floor));
    }
    let seconds = f64::from(u32::try_from(n).unwrap_or(u32::MAX)) * PROOF_LIMIT / 1e3;
    let whole: Vec<f64> = labor.iter().zip(floor).map(|(labor, floor)| labor / (1.25 * floor + seconds)).collect();
    let promise = "a column and an index on every tenant: at most 1.25 × the floor, and 3 ms per tenant for the proof";
    findings.promise(promise, n, Spread::of(whole).median, 1.0, " × that");
    // What the proof adds to the bare loop is taken off before Labor is compared.
    let share: Vec<f64> = of(Way::Proof).iter().zip(floor).map(|(proven, bare)| proven - bare).collect();
    let unproven: Vec<f64> = labor.iter().zip(&share).map(|(labor, share)| labor - share).collect();
    let way = "labor-migrator up, less what the proof adds to the bare loop";
    let ratio = findings.against(Scenario::Column, way, n, "s", (&unproven, floor));
    let promise = "the same without what the proof adds to the bare loop: at most 1.25 × the floor";
    findings.promise(promise, n, ratio.median, 1.25, " ×");
    let records = of(Way::Records);
    if !records.is_empty() {
        let ratio = Spread::of(unproven.iter().zip(records).map(|(labor, records)| labor / records).collect());
        let promise = "the same against the bare loop that writes as many records: at most 1.25 ×";
        findings.promise(promise, n, ratio.median, 1.25, " ×");
    }
    let refinery = of(Way::Refinery);
    if !refinery.is_empty() {
        findings.ratio(
            "labor-migrator up / refinery's own runner, which proves and records nothing",
            n,
            (labor, refinery),
        );
    }
    findings.add(Scenario::Column, PROOF, n, "ms", &times.proof_each);
    let proof = Spread::of(times.proof_each.clone()).median;
    findings.promise("the proof before COMMIT: at most 3 ms per tenant", n, proof, PROOF_LIMIT, " ms");
    findings.growth("the proof does not grow with the fleet", Scenario::Column, PROOF, n);
    findings.add(Scenario::Memory, "labor-migrator (peak resident)", n, "MiB", &times.migrator);
    findings.add(Scenario::Memory, "Postgres's largest process (its own, not shared)", n, "MiB", &times.backend);
    times.best.get(&Way::Labor).cloned().unwrap_or_default()
}
