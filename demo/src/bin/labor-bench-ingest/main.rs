//! `make bench-ingest`: messages on their way in, from the post until the doctor can see them, on a Postgres of its own with durable
//! commits: against pgbench, and beside the same work in Node. Prints tables and writes its part of docs/benchmarks.md.
//! Exit codes: 0 measured; 1 something failed; 2 wrong command line.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program talks on its standard streams")]

mod accept;
mod crowd;
mod document;
mod findings;
mod grown;
mod memory;
mod node;
mod parser;
mod stage;
mod visible;
mod watch;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use clap::Parser;
use labor_demo::machine::Machine;
use labor_demo::{Failure, sections};
use labor_testing::DataFolder;
use serde::Serialize;

use crate::findings::Findings;
use crate::node::Node;
use crate::stage::{Stack, Stage};

#[derive(Parser)]
#[command(
    name = "labor-bench-ingest",
    version,
    about = "Measures messages on their way in, beside the same work in Node"
)]
struct Arguments {
    /// Length of one measurement in whole seconds.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=600))]
    seconds: u16,
    /// How often each is measured.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=100))]
    rounds: u16,
    /// HTTP connections of the closed loops, and as many of pgbench.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=50))]
    connections: u16,
    /// Messages over which memory may not grow.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(4..=200_000))]
    messages: u32,
    /// Leave out the same work in Node, which needs Node, npm, a package index and Redis.
    #[arg(long)]
    skip_node: bool,
    /// Only this: accept, visible, concurrency, parser, memory.
    #[arg(long, value_parser = ["accept", "visible", "concurrency", "parser", "memory"])]
    only: Option<String>,
    /// Print all figures as JSON instead of tables.
    #[arg(long)]
    json: bool,
    /// Where the document is; without this, docs/benchmarks.md, and nowhere from a debug build or with --only.
    #[arg(long)]
    document: Option<PathBuf>,
}

/// How long and how often.
pub(crate) struct Plan {
    pub(crate) length: Duration,
    pub(crate) rounds: u16,
    pub(crate) connections: u16,
    pub(crate) messages: u32,
}

/// A whole run.
#[derive(Serialize)]
pub(crate) struct Report {
    pub(crate) date: String,
    pub(crate) command: String,
    pub(crate) debug_build: bool,
    pub(crate) machine: Machine,
    pub(crate) postgres: String,
    pub(crate) versions: String,
    pub(crate) seconds: u16,
    pub(crate) rounds: u16,
    pub(crate) connections: u16,
    pub(crate) messages: u32,
    pub(crate) message_bytes: usize,
    pub(crate) findings: Findings,
}

#[tokio::main]
async fn main() -> ExitCode {
    labor_demo::run::to_the_end("labor-bench-ingest", run(&Arguments::parse())).await
}

async fn run(arguments: &Arguments) -> Result<(), Failure> {
    let files = crowd::raise_file_limit()?;
    let folder = DataFolder::claim_empty("bench-ingest").await?;
    eprintln!("Data and logs: {}; open files: {files}", folder.path().display());
    let machine = Machine::look(folder.path()).await?;
    if machine.busy() {
        eprintln!("Others use {:.0} % of the processors: trust the ratios only.", machine.busy_percent);
    }
    tell("begun");
    let stage = Stage::build(&folder).await?;
    let mut findings = Findings::default();
    let node = if arguments.skip_node { Err("--skip-node".into()) } else { Node::install(&stage).await };
    let node = node.map_err(|error: Failure| left_out(&error.to_string(), &mut findings)).ok();
    measured(arguments, &stage, node.as_ref(), &mut findings).await?;
    let report = report(arguments, &stage, machine, node.map(|node| node.versions), findings).await?;
    stage.postgres.stop().await?;
    // Gigabytes that nobody needs; the logs stay.
    std::fs::remove_dir_all(folder.join("postgres").join("data"))?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        println!("{}", document::terminal(&report));
    }
    let quiet = cfg!(debug_assertions) || arguments.only.is_some();
    if let Some(path) = arguments.document.clone().or_else(|| (!quiet).then(sections::benchmarks)) {
        let known = std::fs::read_to_string(&path).unwrap_or_default();
        std::fs::write(&path, sections::with_ingest(&known, &document::markdown(&report)))?;
        eprintln!("Written: {}", path.display());
    }
    Ok(())
}

/// The document gets the first line of why.
fn left_out(why: &str, findings: &mut Findings) {
    eprintln!("Node is left out: {why}");
    findings.remark(format!("Node was left out: {}", why.lines().next().unwrap_or_default()));
}

async fn measured(
    arguments: &Arguments,
    stage: &Stage,
    node: Option<&Node>,
    findings: &mut Findings,
) -> Result<(), Failure> {
    let Arguments { seconds, rounds, connections, messages, .. } = *arguments;
    let plan = Plan { length: Duration::from_secs(seconds.into()), rounds, connections, messages };
    let wanted = |topic: &str| arguments.only.as_deref().is_none_or(|only| only == topic);
    let made = Arc::new(grown::chemistry()?);
    if wanted("accept") {
        accept::measure(stage, &plan, &made, findings).await?;
        tell("accepted posts");
    }
    if wanted("parser") {
        parser::measure(&stage.folder, &plan, node, findings).await?;
        tell("readers");
    }
    if wanted("memory") {
        // Processes that have done nothing else yet.
        let stacks = stacks(stage, node, "memory").await?;
        memory::measure(stage, &plan, &made, (&stacks.0, stacks.1.as_ref()), findings).await?;
        stop(stage, stacks).await?;
        tell("memory");
    }
    if wanted("visible") || wanted("concurrency") {
        let stacks = stacks(stage, node, "labor").await?;
        if wanted("visible") {
            visible::measure(stage, &plan, &made, (&stacks.0, stacks.1.as_ref()), findings).await?;
            tell("from the post until the doctor can see it");
        }
        if wanted("concurrency") {
            let both = std::iter::once(&stacks.0).chain(&stacks.1);
            crowd::measure(stage, &plan, &made, both, findings).await?;
            tell("posts at once");
        }
        stop(stage, stacks).await?;
    }
    Ok(())
}

async fn stacks(stage: &Stage, node: Option<&Node>, database: &str) -> Result<(Stack, Option<Stack>), Failure> {
    let labor = stage.labor(database).await?;
    let node = match node {
        Some(node) => Some(node.stack(stage).await?),
        None => None,
    };
    Ok((labor, node))
}

async fn stop(stage: &Stage, (labor, node): (Stack, Option<Stack>)) -> Result<(), Failure> {
    labor.stop(stage).await?;
    if let Some(node) = node {
        node.stop(stage).await?;
    }
    Ok(())
}

async fn report(
    arguments: &Arguments,
    stage: &Stage,
    machine: Machine,
    versions: Option<String>,
    findings: Findings,
) -> Result<Report, Failure> {
    let Arguments { seconds, rounds, connections, messages, skip_node, .. } = *arguments;
    let command = format!(
        "labor-bench-ingest --seconds {seconds} --rounds {rounds} --connections {connections} --messages {messages}"
    );
    Ok(Report {
        date: stage.text("SELECT to_char(now(), 'YYYY-MM-DD')").await?,
        command: if skip_node { command + " --skip-node" } else { command },
        debug_build: cfg!(debug_assertions),
        machine,
        postgres: stage.text("SELECT split_part(current_setting('server_version'), ' ', 1)").await?,
        versions: versions.unwrap_or_else(|| "without Node".to_owned()),
        seconds,
        rounds,
        connections,
        messages,
        message_bytes: grown::chemistry()?.next().len(),
        findings,
    })
}

/// Says what was done, with the time since the start.
pub(crate) fn tell(what: &str) {
    static BEGAN: OnceLock<Instant> = OnceLock::new();
    eprintln!("{:6.0} s  {what}", BEGAN.get_or_init(Instant::now).elapsed().as_secs_f64());
}
