//! `run --all` and `verify --all` as people and machines see them: a bar on a terminal, a line per tenant elsewhere, one JSON document
//! with --json.
//! Must stay true: what failed is told last, and makes the exit code.
use std::io::IsTerminal as _;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use labor_backup::{Backup, BackupError, FleetOptions, FleetRun, Outcome, Proof, ProofRun, Sampling, TenantName};

use crate::output;

/// How far it is.
#[derive(Clone)]
struct Told {
    bar: ProgressBar,
    quiet: bool,
}

impl Told {
    fn new(json: bool) -> Self {
        Self { bar: ProgressBar::hidden(), quiet: json }
    }

    fn begin(&self, tenants: usize) {
        self.bar.set_length(tenants as u64);
        if !self.quiet && std::io::stderr().is_terminal() {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
            if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} tenants, {elapsed} gone, {eta} to go")
            {
                self.bar.set_style(style);
            }
        }
    }

    fn one(&self, line: impl FnOnce() -> String) {
        self.bar.inc(1);
        if !self.quiet && self.bar.is_hidden() {
            output::note(line());
        }
    }
}

pub(crate) async fn run(backup: &Backup, options: FleetOptions, json: bool) -> Result<(), BackupError> {
    let told = Told::new(json);
    let (begin, tell) = (told.clone(), told.clone());
    let tell = move |tenant: &TenantName, outcome: &Outcome| tell.one(|| stored(tenant, outcome));
    let run = Box::pin(backup.run_all(options, |tenants| begin.begin(tenants), tell)).await;
    told.bar.finish_and_clear();
    let run = run?;
    output::say(json, &run, &summary(&run));
    let faults = run.faults();
    if faults.is_empty() { Ok(()) } else { Err(BackupError::Incomplete(faults)) }
}

pub(crate) async fn verify(backup: &Backup, sampling: Sampling, json: bool) -> Result<(), BackupError> {
    let told = Told::new(json);
    let (begin, tell) = (told.clone(), told.clone());
    let tell = move |tenant: &TenantName, proof: &Proof| tell.one(|| proven(tenant, proof));
    let run = Box::pin(backup.verify_all(sampling, |tenants| begin.begin(tenants), tell)).await;
    told.bar.finish_and_clear();
    let run = run?;
    output::say(json, &run, &tried(&run));
    let faults = run.faults();
    match (faults.is_empty(), run.any_bad()) {
        (true, _) => Ok(()),
        (false, true) => Err(BackupError::Bad(faults)),
        (false, false) => Err(BackupError::Incomplete(faults)),
    }
}

fn stored(tenant: &TenantName, outcome: &Outcome) -> String {
    match outcome {
        Outcome::Stored { backup, rows, bytes, by_class, drifted } => {
            let how = if *by_class { "" } else { ", by pg_dump" };
            let drift = if *drifted { "; its definitions are not those that the ledger has" } else { "" };
            format!("{tenant}: {backup} is stored, {rows} rows, {bytes} bytes{how}{drift}")
        }
        Outcome::Gone => format!("{tenant}: was deleted meanwhile"),
        Outcome::Unchanged { backup } => format!("{tenant}: unchanged since {backup}"),
        Outcome::Failed { error } => format!("{tenant}: FAILED: {error}"),
    }
}

fn proven(tenant: &TenantName, proof: &Proof) -> String {
    match proof {
        Proof::Passed { backup, rows } => format!("{tenant}: {backup} is good, {rows} rows"),
        Proof::Bad { backup, error } => format!("{tenant}: {backup} is BAD: {error}"),
        Proof::NotTried { backup, error } => format!("{tenant}: {backup} could not be tried: {error}"),
    }
}

fn summary(run: &FleetRun) -> String {
    let count = |wanted: fn(&Outcome) -> bool| run.tenants.values().filter(|outcome| wanted(outcome)).count();
    let stored = count(|outcome| matches!(outcome, Outcome::Stored { .. }));
    let by_pg_dump = count(|outcome| matches!(outcome, Outcome::Stored { by_class: false, .. }));
    let unchanged = count(|outcome| matches!(outcome, Outcome::Unchanged { .. }));
    let failed = count(|outcome| matches!(outcome, Outcome::Failed { .. }));
    let drifted = count(|outcome| matches!(outcome, Outcome::Stored { drifted: true, .. }));
    let seconds = (run.finished_at - run.started_at).as_seconds_f64();
    format!(
        "{} tenants in {seconds:.1} s: {stored} stored ({by_pg_dump} by pg_dump, {drifted} with drift), {unchanged} unchanged, {failed} failed; \
         `verify --all` tells whether they are good",
        run.tenants.len()
    )
}

fn tried(run: &ProofRun) -> String {
    let count = |wanted: fn(&Proof) -> bool| run.tenants.values().filter(|proof| wanted(proof)).count();
    format!(
        "{} backups: {} good, {} bad, {} could not be tried; {} tenants have none",
        run.tenants.len(),
        count(|proof| matches!(proof, Proof::Passed { .. })),
        count(|proof| matches!(proof, Proof::Bad { .. })),
        count(|proof| matches!(proof, Proof::NotTried { .. })),
        run.without_backup.len()
    )
}
