//! How `undo` tells what it is going to do, asks, and tells what became of it.
use std::io::IsTerminal as _;

use labor_migrator::undo::{UndoOptions, UndoPlan};
use labor_migrator::up::{Progress, Stop, UpReport};
use labor_migrator::{Migrator, MigratorError};

use super::{aside, bar, ended, say, summary};

/// What is going to happen, on standard error: standard output is for what happened.
pub(crate) fn plan(json: bool, plan: &UndoPlan) {
    if json {
        aside(format_args!("{}", serde_json::json!({ "plan": plan })));
        return;
    }
    aside(format_args!(
        "{} tenant(s) will be taken back from version {} to {}:",
        plan.tenants, plan.from, plan.version
    ));
    for file in &plan.files {
        aside(format_args!("  {file}"));
        for loss in plan.losses.iter().filter(|loss| loss.file == *file) {
            aside(format_args!("    {}: {}", loss.what, loss.lost));
        }
        if plan.at_once.contains(file) {
            aside(format_args!(
                "    not in batches: who wants to write its rows, or read a table that these undos lock, waits until the practice is done"
            ));
        }
    }
    for left_out in &plan.held {
        aside(format_args!("left out, because it is held: {left_out}"));
    }
    if plan.newest > plan.version {
        aside(format_args!(
            "`up` would go to version {} again: take the files after version {to} away, or use `up --to {to}`",
            plan.newest,
            to = plan.version
        ));
    }
}

/// Whether to go on: whoever can be asked is asked, whoever can't has to say it beforehand.
pub(crate) fn agreed(json: bool, yes: bool, plan: &UndoPlan) -> Result<bool, MigratorError> {
    if yes || plan.tenants == 0 {
        return Ok(true);
    }
    if json || !std::io::stdin().is_terminal() {
        return Err(MigratorError::Invalid(format!(
            "{} tenant(s) would be taken back, and nobody can be asked here; nothing was changed. Say --yes when what is listed above may be \
             lost",
            plan.tenants
        )));
    }
    aside(format_args!("Go on? Type yes:"));
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer);
    read.map_err(|error| MigratorError::Invalid(format!("the answer can't be read: {error}; nothing was changed")))?;
    Ok(answer.trim() == "yes")
}

/// Runs `undo` with a bar on a terminal, else with one line per tenant; as JSON like `up`.
pub(crate) async fn undo(
    json: bool,
    migrator: &Migrator,
    options: &UndoOptions,
    stop: &Stop,
) -> Result<UpReport, MigratorError> {
    let bar = bar(json);
    let mut stopped = 0;
    let report = migrator
        .undo(options, stop, |progress| match progress {
            Progress::Started(count) => bar.set_length(count),
            Progress::LeftOpen(_) | Progress::Wave(_) => {}
            Progress::Tenant(tenant) => {
                stopped += u64::from(tenant.outcome == "stopped");
                ended(json, &bar, tenant);
            }
        })
        .await?;
    bar.finish_and_clear();
    say(json, &serde_json::json!(report), &summary(&report, stopped).replacen(" migrated", " taken back", 1));
    Ok(report)
}
