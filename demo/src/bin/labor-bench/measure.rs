//! Takes the figures: rounds of a few seconds, Labor and its floors in turn, each counted again in the database.
use std::sync::Arc;
use std::time::Duration;

use labor_demo::cpu::Cpu;
use labor_demo::floor::{self, Trips};
use labor_demo::load::{Load, Make};
use labor_demo::pgbench::Floor;
use labor_demo::psql;
use labor_testing::DataFolder;
use reqwest::StatusCode;

use crate::Failure;
use crate::figures::{Case, Latency, Sample, Series};
use crate::stage::Stage;

/// How long and how often.
pub(crate) struct Plan {
    pub(crate) length: Duration,
    pub(crate) rounds: u16,
    pub(crate) connections: u16,
}

enum What {
    ReadReport,
    StoreMessage,
    Floor(Floor),
}

struct Way {
    name: &'static str,
    what: What,
    /// Statement that counts what was done; none for what leaves no trace.
    counted_by: Option<String>,
}

/// Measures everything.
pub(crate) async fn measure(stage: &Stage, folder: &DataFolder, plan: &Plan) -> Result<Vec<Case>, Failure> {
    check_read_floor(stage).await?;
    let load = Load::new(plan.connections)?;
    let read = ways_to_read(stage, folder)?;
    let store = ways_to_store(stage, folder)?;
    let cases = vec![
        case(stage, plan, &load, "Read one report", read).await?,
        case(stage, plan, &load, "Accept one message", store).await?,
    ];
    // Every message has its entry in the queue, whoever stored it.
    stage.practice.waiting(&stage.postgres).await?;
    Ok(cases)
}

fn ways_to_read(stage: &Stage, folder: &DataFolder) -> Result<Vec<Way>, Failure> {
    let counted_by = Some(format!(
        "SELECT count(*) FROM {}.audit WHERE action = 'report.read' AND outcome = 'success'",
        stage.practice.tenant
    ));
    let (claim, statements) = (stage.practice.doctors_claim(), floor::report_get()?);
    let variables = [format!("report={}", stage.report), format!("doctor={}", stage.practice.doctor_id)];
    let floor = |name: &str, trips| {
        let script = floor::transaction(claim.as_str(), &statements, trips)?;
        Floor::new(folder.path(), name, stage.practice.tenant_login.clone(), &script, &variables).map(What::Floor)
    };
    let bare = statements.get(floor::REPORTS_ROW).map(|statement| format!("{statement};\n")).unwrap_or_default();
    let mut superuser = stage.practice.superuser.clone();
    superuser.schema = Some(stage.practice.tenant.to_string());
    let bare = What::Floor(Floor::new(folder.path(), "read-bare", superuser, &bare, &variables)?);
    Ok(vec![
        Way { name: "GET /v1/reports/{id}", what: What::ReadReport, counted_by: counted_by.clone() },
        Way { name: ONE_TRIP, what: floor("read-one-trip", Trips::One)?, counted_by: counted_by.clone() },
        Way { name: TRIP_EACH, what: floor("read-trip-each", Trips::Each)?, counted_by },
        Way { name: "pgbench: the report's row alone, as superuser", what: bare, counted_by: None },
    ])
}

const ONE_TRIP: &str = "pgbench: the same SQL in one round trip";
const TRIP_EACH: &str = "pgbench: the same SQL, statement by statement";

fn ways_to_store(stage: &Stage, folder: &DataFolder) -> Result<Vec<Way>, Failure> {
    let counted_by =
        Some(format!("SELECT count(*) FROM {}.raw_messages WHERE state = 'received'", stage.practice.tenant));
    let body = stage.messages.next();
    let floor = |name: &str, trips| stage.practice.floor_of_storing(folder.path(), name, trips, &body).map(What::Floor);
    Ok(vec![
        Way { name: "POST /v1/messages", what: What::StoreMessage, counted_by: counted_by.clone() },
        Way { name: ONE_TRIP, what: floor("store-one-trip", Trips::One)?, counted_by: counted_by.clone() },
        Way { name: TRIP_EACH, what: floor("store-trip-each", Trips::Each)?, counted_by },
    ])
}

/// The floor's statements find the report and all of its values, with the tenant's own login and the claim.
async fn check_read_floor(stage: &Stage) -> Result<(), Failure> {
    let script = floor::transaction(stage.practice.doctors_claim().as_str(), &floor::report_get()?, Trips::Each)?;
    let script = script
        .replace(":report", &format!("'{}'", stage.report))
        .replace(":doctor", &format!("'{}'", stage.practice.doctor_id));
    let rows = psql::ask(&stage.postgres, &stage.practice.tenant_login, &script).await?;
    let found = rows.lines().filter(|line| line.contains(&stage.report)).count();
    if found == 1 + stage.values {
        Ok(())
    } else {
        Err(format!("the floor's statements found {found} rows instead of the report and {} values", stage.values)
            .into())
    }
}

async fn case(stage: &Stage, plan: &Plan, load: &Load, name: &'static str, ways: Vec<Way>) -> Result<Case, Failure> {
    eprintln!("{name}: warming up");
    let warm_up = plan.length.min(Duration::from_secs(2));
    for way in &ways {
        one(stage, plan, load, way, warm_up).await?;
    }
    let mut series: Vec<Series> = ways.iter().map(|way| Series { name: way.name, samples: Vec::new() }).collect();
    for round in 1..=plan.rounds {
        for (way, series) in ways.iter().zip(&mut series) {
            series.samples.push(one(stage, plan, load, way, plan.length).await?);
        }
        let rates = series.iter().filter_map(|s| s.samples.last()).map(|s| format!("{:.0}/s", s.per_second));
        eprintln!("{name}: round {round} of {}: {}", plan.rounds, rates.collect::<Vec<_>>().join("  "));
    }
    Ok(Case { name, ways: series })
}

/// One way for so long, after a checkpoint: all begin with the same debts to the disk.
async fn one(stage: &Stage, plan: &Plan, load: &Load, way: &Way, length: Duration) -> Result<Sample, Failure> {
    let request = request(stage, &way.what).await?;
    psql::ask(&stage.postgres, &stage.practice.superuser, "CHECKPOINT").await?;
    let before = count(stage, way).await?;
    let postmaster = stage.postgres.pid().ok_or("Postgres has ended")?;
    let cpu_before = Cpu::now(&[stage.practice.server.running.pid()], postmaster);
    let (done, per_second, latency) = match (&way.what, request) {
        (What::Floor(floor), _) => {
            let (done, per_second) = floor.run(&stage.postgres, plan.connections, length).await?;
            (done, per_second, None)
        }
        (_, None) => return Err("nothing to send".into()),
        (_, Some((expected, make))) => {
            let answered = load.run(length, expected, &make).await?;
            let done = u32::try_from(answered.milliseconds.len())?;
            (u64::from(done), f64::from(done) / answered.seconds, Latency::of(&answered.milliseconds))
        }
    };
    let cpu = Cpu::now(&[stage.practice.server.running.pid()], postmaster) - cpu_before;
    check(way, done, before, count(stage, way).await?)?;
    let cpu_micros = cpu.micros_per(f64::from(u32::try_from(done)?));
    Ok(Sample { count: done, per_second, cpu_micros, latency })
}

/// What HTTP sends, and which answer is right.
async fn request(stage: &Stage, what: &What) -> Result<Option<(StatusCode, Make)>, Failure> {
    let base = &stage.practice.server.base;
    Ok(match what {
        What::Floor(_) => None,
        What::ReadReport => {
            let (url, token) = (
                format!("{base}/v1/reports/{}", stage.report),
                stage.practice.doctor.sign_in(base).await?.token().to_owned(),
            );
            Some((StatusCode::OK, Arc::new(move |client| client.get(&url).bearer_auth(&token))))
        }
        What::StoreMessage => Some((StatusCode::ACCEPTED, stage.practice.door.posts(&stage.messages))),
    })
}

async fn count(stage: &Stage, way: &Way) -> Result<Option<u64>, Failure> {
    match &way.counted_by {
        Some(sql) => Ok(Some(stage.number(sql).await?)),
        None => Ok(None),
    }
}

/// What was said to be done left as many rows, neither fewer nor more.
fn check(way: &Way, done: u64, before: Option<u64>, after: Option<u64>) -> Result<(), Failure> {
    let rows = after.zip(before).map_or(done, |(after, before)| after - before);
    if done > 0 && rows == done {
        Ok(())
    } else {
        Err(format!("{}: {done} were done, but {rows} rows were found", way.name).into())
    }
}
