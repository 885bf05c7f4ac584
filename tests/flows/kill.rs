//! The migrator killed, cut off and left without an answer at every single statement it sends. Whatever the moment, running the same
//! command again ends where a run without faults ends.
//!
//! What must stay true: each round has a copy of the prepared database and a proxy of its own, so rounds neither disturb nor excuse each
//! other; a failure names the fault and the statement. A further command is one more scenario.
mod fleet;

use std::os::unix::process::ExitStatusExt as _;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use labor_testing::{Fault, Finished, Platform, Postgres, Wire, postgres, scratch, until};
use tokio_postgres::Client;

/// Two cores are enough to keep busy; more rounds at a time only wait for each other.
const AT_A_TIME: usize = 2;
const LIMIT: Duration = Duration::from_secs(30);

/// A command of the migrator on a fleet of intake and two practices.
struct Scenario {
    /// Name of the prepared database.
    name: &'static str,
    arguments: &'static [&'static str],
    /// What is done to the fleet before, so that the command has work.
    before: &'static str,
    /// What the second run may fail with when the first one had got through.
    got_through: Option<&'static str>,
}

#[tokio::test]
async fn up_ends_the_same_wherever_it_was_interrupted() {
    every_statement(&Scenario {
        name: "kill_up",
        arguments: &["up", "--workers", "1"],
        before: "UPDATE control.ledger SET chain_checksum = 'older'",
        got_through: None,
    })
    .await;
}

#[tokio::test]
async fn provision_ends_the_same_wherever_it_was_interrupted() {
    every_statement(&Scenario {
        name: "kill_provision",
        arguments: &["provision", "new", "--name", "X"],
        before: "",
        got_through: Some("the sign-in name \"new\" is taken"),
    })
    .await;
}

async fn every_statement(scenario: &Scenario) {
    let loops = Loop::prepare(scenario).await;
    let clean = loops.round(Fault::None, &[]).await.unwrap();
    assert!(clean.statements.len() > 5, "{:?}: the command does not go through the proxy", clean.statements);
    let faults: Vec<Fault> = (1..).zip(&clean.statements).flat_map(|(at, text)| faults_at(at, text)).collect();
    let rounds = stream::iter(&faults).map(|fault| loops.compare(*fault, &clean)).buffer_unordered(AT_A_TIME);
    let failures: Vec<String> = rounds.filter_map(async |outcome| outcome.err()).collect().await;
    assert!(failures.is_empty(), "{} of {} rounds:\n{}", failures.len(), faults.len(), failures.join("\n\n"));
}

/// A lost answer differs from a cut before the next statement only where something became permanent: at a COMMIT, and at what may stand
/// outside of a transaction, which its text does not tell.
fn faults_at(at: u64, text: &str) -> Vec<Fault> {
    let mut faults = vec![Fault::Kill { at }, Fault::Cut { at }];
    let permanent = ["COMMIT", "INSERT", "UPDATE", "CONCURRENTLY", "VALIDATE"];
    if permanent.iter().any(|word| text.contains(word)) {
        faults.push(Fault::CutAfter { at });
    }
    faults
}

/// How a round ended.
struct Ended {
    /// The text of each statement of the first run.
    statements: Vec<String>,
    facts: String,
}

struct Loop<'a> {
    scenario: &'a Scenario,
    postgres: &'static Postgres,
    prepared: Platform,
    /// Of the prepared tenants, which the rounds share.
    roles: Vec<String>,
    client: Client,
}

impl<'a> Loop<'a> {
    async fn prepare(scenario: &'a Scenario) -> Self {
        let postgres = postgres().await;
        let folder = scratch().await.unwrap().join(scenario.name);
        let prepared = Platform::create(postgres, &folder, scenario.name).await.unwrap();
        for n in 1..=2 {
            prepared.practice(&format!("p{n}"), "Praxis", &format!("10000000{n}")).await.unwrap();
        }
        let client = postgres.connect(scenario.name).await.unwrap();
        client.batch_execute(scenario.before).await.unwrap();
        let roles = fleet::describe(postgres, scenario.name).await.roles;
        // Nobody may be connected to what is copied.
        let client = postgres.connect("postgres").await.unwrap();
        Self { scenario, postgres, prepared, roles, client }
    }

    /// A round, and whether it ended like the one without a fault.
    async fn compare(&self, fault: Fault, clean: &Ended) -> Result<(), String> {
        let ended = self.round(fault, &clean.statements).await?;
        if ended.facts == clean.facts {
            return Ok(());
        }
        let (there, wanted): (Vec<_>, Vec<_>) = (ended.facts.lines().collect(), clean.facts.lines().collect());
        let only = |these: &[&str], those: &[&str], sign: &str| -> String {
            these.iter().filter(|line| !those.contains(line)).map(|line| format!("\n  {sign}{line}")).collect()
        };
        let differs = only(&there, &wanted, "+") + &only(&wanted, &there, "-");
        Err(format!("{}: ended otherwise than without it:{differs}", place(fault, &ended.statements)))
    }

    /// A copy of the fleet, the command with a fault, the command again. `known` are the statements of a run without a fault.
    async fn round(&self, fault: Fault, known: &[String]) -> Result<Ended, String> {
        let database = format!("{}_{}", self.scenario.name, name_of(fault));
        self.postgres.copy_database(self.scenario.name, &database).await.unwrap();
        let outcome = self.run_twice(fault, known, &database).await;
        let fleet = fleet::describe(self.postgres, &database).await;
        self.postgres.drop_database(&database).await.unwrap();
        // Roles are the cluster's and outlive the database.
        for role in fleet.roles.iter().filter(|role| !self.roles.contains(role)) {
            self.client.batch_execute(&format!("DROP ROLE IF EXISTS {role}")).await.unwrap();
        }
        outcome.map(|statements| Ended { statements, facts: fleet.facts })
    }

    /// The statements of the first run, when both ended as they may.
    async fn run_twice(&self, fault: Fault, known: &[String], database: &str) -> Result<Vec<String>, String> {
        let platform = Platform::settings_for(self.postgres, self.prepared.folder(), database).unwrap();
        let wire = Wire::start(("127.0.0.1", self.postgres.port()), fault).await.unwrap();
        let url = wire.url(platform.setting("LABOR_MIGRATOR_URL")).unwrap();
        let program = platform.program("labor-migrator").unwrap().args(self.scenario.arguments).limit(LIMIT);
        let running = program.clone().env("LABOR_MIGRATOR_URL", url).begin().unwrap();
        wire.victim(running.pid());
        let first = running.end().await.map_err(|error| format!("{}: {error}", place(fault, known)))?;
        let statements = wire.log();
        let at = place(fault, &statements);
        match fault {
            Fault::None if first.status.success() => return Ok(statements),
            Fault::None => return Err(format!("{at}: {}", told(&first))),
            Fault::Kill { .. } if first.status.signal() == Some(9) => {}
            Fault::Kill { .. } => return Err(format!("{at}: the program was not killed: {}", told(&first))),
            _ if !wire.done() => return Err(format!("{at}: never came: {}", told(&first))),
            // Healing itself is as good as failing; failing without a word is not.
            _ if first.status.success() || is_told(&first) => {}
            _ => return Err(format!("{at}: ended without saying why: {}", told(&first))),
        }
        self.alone(database).await;
        let second = program.run().await.map_err(|error| format!("{at}, run again: {error}"))?;
        let got_through = self.scenario.got_through.is_some_and(|reason| second.stderr.contains(reason));
        let well = second.status.success() || got_through;
        if well { Ok(statements) } else { Err(format!("{at}, run again: {}", told(&second))) }
    }

    /// The server notices a broken connection only when it reads or writes next; until then its locks are held.
    async fn alone(&self, database: &str) {
        let count = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1";
        until("the end of the broken sessions", LIMIT, async || {
            let sessions: i64 = self.client.query_one(count, &[&database]).await.unwrap().get(0);
            Ok(if sessions == 0 { Ok(()) } else { Err(format!("{sessions} sessions")) })
        })
        .await
        .unwrap();
    }
}

/// The program failed with an exit code of its own and said why: in its report or on standard error, and not only in its log.
fn is_told(run: &Finished) -> bool {
    let reason = |line: &str| line.contains("connection closed");
    let failed = run.stderr.lines().any(|line| line.starts_with("labor-migrator: ") && reason(line));
    let reported = run.stdout.lines().any(|line| line.contains(" failed in ") && reason(line));
    matches!(run.status.code(), Some(1 | 3)) && (failed || reported) && !run.stderr.contains("panicked")
}

fn told(run: &Finished) -> String {
    format!("{}\n{}{}", run.status, run.stdout, run.stderr)
}

fn name_of(fault: Fault) -> String {
    match fault {
        Fault::Kill { at } => format!("kill_{at}"),
        Fault::Cut { at } => format!("cut_{at}"),
        Fault::CutAfter { at } => format!("cut_after_{at}"),
        Fault::None | Fault::Delay { .. } => "clean".to_owned(),
    }
}

/// The fault and the statement it concerns, for a message.
fn place(fault: Fault, statements: &[String]) -> String {
    let (Fault::Kill { at } | Fault::Cut { at } | Fault::CutAfter { at }) = fault else { return format!("{fault:?}") };
    let statement = usize::try_from(at - 1).ok().and_then(|index| statements.get(index));
    let words: Vec<&str> = statement.map_or("?", String::as_str).split_whitespace().collect();
    format!("{fault:?} at {:.300}", words.join(" "))
}
