//! A command once without a fault, and then once for each fault: killed, cut off, or left without an answer; and run again.
//!
//! What must stay true: each round has a copy of the prepared database and a proxy of its own, so rounds neither disturb nor excuse each
//! other; a failure names the fault and the statement. What a run left is looked at after every fault. It is followed by a second run
//! unless that would do what another round's does: a run that left the database as it found it (the copy then serves the next round), or in
//! a state that another one left.
use std::collections::HashSet;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use labor_testing::{Fault, Finished, Platform, Postgres, Program, Wire, postgres, scratch, until};
use tokio_postgres::Client;

use super::fleet::{self, Fleet};
use crate::chain::{self, Chain};

/// Two cores are kept busy, also while a cut run rests before it connects again.
const AT_A_TIME: usize = 4;
const LIMIT: Duration = Duration::from_secs(60);

/// A command of the migrator, and on what.
pub(super) struct Scenario {
    /// Name of the prepared database.
    pub(super) name: &'static str,
    /// Beside the intake, with a few patients each; `None`: the database was bootstrapped, and nothing else was done.
    pub(super) practices: Option<usize>,
    /// What is run before, and then done to the fleet by a superuser, so that the command has work.
    pub(super) before: (&'static [&'static [&'static str]], &'static str),
    pub(super) arguments: &'static [&'static str],
    /// Appended to the file with the master secret.
    pub(super) secrets: &'static str,
    /// The files it is run with, if they are not the program's.
    pub(super) chain: Option<fn(&Path) -> Chain>,
    /// Rounds side by side.
    pub(super) at_a_time: usize,
    pub(super) faults: fn(&[String]) -> Vec<Fault>,
    /// What the second run may fail with when the first one had got through.
    pub(super) got_through: Option<&'static str>,
}

impl Scenario {
    /// With the intake alone, nothing done before, the program's own files, and every fault.
    pub(super) const fn new(name: &'static str, arguments: &'static [&'static str]) -> Self {
        Self {
            name,
            practices: Some(0),
            before: (&[], ""),
            arguments,
            secrets: "",
            chain: None,
            at_a_time: AT_A_TIME,
            faults: kills_and_cuts,
            got_through: None,
        }
    }
}

pub(super) async fn every_statement(scenario: &Scenario) {
    let loops = Loop::prepare(scenario).await;
    let clean = loops.round(Fault::None, &[]).await.unwrap().unwrap();
    assert!(clean.statements.len() > 5, "{:?}: the command does not go through the proxy", clean.statements);
    let faults = (scenario.faults)(&clean.statements);
    let rounds = stream::iter(&faults).map(|fault| loops.compare(*fault, &clean)).buffer_unordered(scenario.at_a_time);
    let outcomes: Vec<Result<(), String>> = rounds.collect().await;
    let failures: Vec<String> = outcomes.into_iter().filter_map(Result::err).collect();
    assert!(failures.is_empty(), "{} of {} rounds:\n{}", failures.len(), faults.len(), failures.join("\n\n"));
}

pub(super) fn kills_and_cuts(statements: &[String]) -> Vec<Fault> {
    let kills = (1..=statements.len() as u64).map(|at| Fault::Kill { at });
    kills.chain(cuts(statements)).collect()
}

/// Enough for a command that doesn't connect a second time: a cut leaves the server what a kill leaves it, and the program has to say
/// something besides. A lost answer differs from a cut before the next statement only where something became permanent: at a COMMIT, and
/// at what changes something outside of a transaction.
pub(super) fn cuts(statements: &[String]) -> Vec<Fault> {
    // A second connection may have its own while the first one's is open.
    let (mut faults, mut open) = (Vec::new(), 0_u32);
    for (at, text) in (1..).zip(statements) {
        faults.push(Fault::Cut { at });
        open += u32::from(text.starts_with("START TRANSACTION") || text.starts_with("BEGIN"));
        let commits = text.starts_with("COMMIT");
        let changes = ["INSERT", "UPDATE", "DROP", "CREATE", "pgmq.create"].iter().any(|word| text.contains(word));
        if commits || (open == 0 && changes) {
            faults.push(Fault::CutAfter { at });
        }
        open = open.saturating_sub(u32::from(commits || text.starts_with("ROLLBACK")));
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
    chain: Option<Chain>,
    /// The prepared fleet.
    found: Fleet,
    /// Copies of the prepared database that are as they were made.
    untouched: Mutex<Vec<String>>,
    /// States from which a round goes on to the end.
    left: Mutex<HashSet<String>>,
    client: Client,
}

impl<'a> Loop<'a> {
    async fn prepare(scenario: &'a Scenario) -> Self {
        let postgres = postgres().await;
        let folder = scratch().await.unwrap().join(scenario.name);
        let prepared = match scenario.practices {
            Some(_) => Platform::create(postgres, &folder, scenario.name).await,
            None => Platform::bootstrapped(postgres, &folder, scenario.name).await,
        };
        let prepared = prepared.unwrap();
        let chain = scenario.chain.map(|files| files(&folder.join("db")));
        let client = postgres.connect(scenario.name).await.unwrap();
        for n in 1..=scenario.practices.unwrap_or_default() {
            let tenant = prepared.practice(&format!("p{n}"), "Praxis", &format!("10000000{n}")).await.unwrap();
            client.batch_execute(&chain::patients(&tenant, 3)).await.unwrap();
        }
        let (commands, sql) = scenario.before;
        for arguments in commands {
            program(chain.as_ref(), &prepared, arguments).output().await.unwrap();
        }
        client.batch_execute(sql).await.unwrap();
        let file = prepared.setting("LABOR_MASTER_SECRET_FILE");
        std::fs::write(file, std::fs::read_to_string(file).unwrap() + scenario.secrets).unwrap();
        // Nobody may be connected to what is copied.
        drop(client);
        let client = postgres.connect("postgres").await.unwrap();
        let found = fleet::describe(postgres, scenario.name).await;
        Self { scenario, postgres, prepared, chain, found, untouched: Mutex::default(), left: Mutex::default(), client }
    }

    /// A round, and whether it ended like the one without a fault.
    async fn compare(&self, fault: Fault, clean: &Ended) -> Result<(), String> {
        let Some(ended) = self.round(fault, &clean.statements).await? else { return Ok(()) };
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

    /// A copy of the fleet, the command with a fault, and the command again; `None`: another round does from there what this one would.
    /// `known` are the statements of a run without a fault.
    async fn round(&self, fault: Fault, known: &[String]) -> Result<Option<Ended>, String> {
        let untouched = self.untouched.lock().unwrap().pop();
        let database = match untouched {
            Some(untouched) => untouched,
            None => self.copy(&format!("{}_{}", self.scenario.name, name_of(fault))).await,
        };
        let platform = Platform::settings_for(self.postgres, self.prepared.folder(), &database).unwrap();
        let program = program(self.chain.as_ref(), &platform, self.scenario.arguments);
        let (statements, succeeded) = self.first(&program, &url(&platform), fault, known).await?;
        self.alone(&database).await;
        if !succeeded && fleet::is_as_found(self.postgres, &database, &self.found).await {
            self.alone(&database).await;
            self.untouched.lock().unwrap().push(database);
            return Ok(None);
        }
        let mut fleet = fleet::describe(self.postgres, &database).await;
        let new = fault == Fault::None || self.left.lock().unwrap().insert(fleet.state.clone());
        if fault != Fault::None && new {
            self.second(&program, &place(fault, &statements)).await?;
            fleet = fleet::describe(self.postgres, &database).await;
        }
        self.discard(&database, &fleet).await;
        Ok(new.then_some(Ended { statements, facts: fleet.facts }))
    }

    async fn discard(&self, database: &str, fleet: &Fleet) {
        self.alone(database).await;
        self.postgres.drop_database(database).await.unwrap();
        // Roles are the cluster's and outlive the database.
        for role in fleet.roles.iter().filter(|role| !self.found.roles.contains(role)) {
            self.client.batch_execute(&format!("DROP ROLE IF EXISTS {role}")).await.unwrap();
        }
    }

    async fn copy(&self, name: &str) -> String {
        self.postgres.copy_database(self.scenario.name, name).await.unwrap();
        name.to_owned()
    }

    /// The run with the fault: its statements, and whether it succeeded all the same, when it ended as it may.
    async fn first(
        &self,
        program: &Program,
        url: &str,
        fault: Fault,
        known: &[String],
    ) -> Result<(Vec<String>, bool), String> {
        let wire = Wire::start(("127.0.0.1", self.postgres.port()), fault).await.unwrap();
        let running = program.clone().env("LABOR_MIGRATOR_URL", wire.url(url).unwrap()).begin().unwrap();
        wire.victim(running.pid());
        let first = running.end().await.map_err(|error| format!("{}: {error}", place(fault, known)))?;
        let statements = wire.log();
        let at = place(fault, &statements);
        let well = match fault {
            Fault::None => first.status.success(),
            Fault::Kill { .. } => first.status.signal() == Some(9),
            // Healing itself is as good as failing; failing without a word is not.
            _ => wire.done() && (first.status.success() || is_told(&first)),
        };
        if well { Ok((statements, first.status.success())) } else { Err(format!("{at}: {}", told(&first))) }
    }

    async fn second(&self, program: &Program, at: &str) -> Result<(), String> {
        let second = program.run().await.map_err(|error| format!("{at}, run again: {error}"))?;
        let got_through = self.scenario.got_through.is_some_and(|reason| second.stderr.contains(reason));
        let well = second.status.success() || got_through;
        if well { Ok(()) } else { Err(format!("{at}, run again: {}", told(&second))) }
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

fn program(chain: Option<&Chain>, platform: &Platform, arguments: &[&str]) -> Program {
    let program = match chain {
        Some(chain) => chain.migrator(platform, arguments),
        None => platform.program("labor-migrator").unwrap().args(arguments),
    };
    program.env("LABOR_MIGRATOR_URL", url(platform)).limit(LIMIT)
}

/// The server has no TLS; a program that would use it first reads the system's certificates, which takes a debug build longer than all else.
pub(crate) fn url(platform: &Platform) -> String {
    format!("{}?sslmode=disable", platform.setting("LABOR_MIGRATOR_URL"))
}

/// The program failed with an exit code of its own and said why: in its report or on standard error, and not only in its log.
fn is_told(run: &Finished) -> bool {
    // As the two drivers say it.
    let reason = |line: &str| line.contains("connection closed") || line.contains("communicating with database");
    let failed = run.stderr.lines().any(|line| line.starts_with("labor-migrator: ") && reason(line));
    let reported = run.stdout.lines().any(|line| line.contains(" failed in ") && reason(line));
    matches!(run.status.code(), Some(1 | 3)) && (failed || reported) && !run.stderr.contains("panicked")
}

pub(crate) fn told(run: &Finished) -> String {
    format!("{}\n{}{}", run.status, run.stdout, run.stderr)
}

fn name_of(fault: Fault) -> String {
    match fault {
        Fault::Kill { at } => format!("kill_{at}"),
        Fault::Cut { at } => format!("cut_{at}"),
        Fault::CutAfter { at } => format!("cut_after_{at}"),
        Fault::None => "clean".to_owned(),
    }
}

/// The fault and the statement it concerns, for a message.
pub(crate) fn place(fault: Fault, statements: &[String]) -> String {
    let Some(at) = fault.at() else { return format!("{fault:?}") };
    let statement = usize::try_from(at - 1).ok().and_then(|index| statements.get(index));
    let words: Vec<&str> = statement.map_or("?", String::as_str).split_whitespace().collect();
    format!("{fault:?} at {:.300}", words.join(" "))
}
