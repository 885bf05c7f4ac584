//! How `undo` tells what it is going to do, asks, and tells what became of it.
use std::io::IsTerminal as _;

use labor_migrator::named::named;
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
    }
    for left_out in &plan.held {
        let name = named(left_out.tenant.as_str(), left_out.slug.as_deref());
        aside(format_args!("left out, because it is held: {} ({})", name, left_out.reason));
    }
}

/// Whether to go on: one tenant needs no question, several do.
pub(crate) fn agreed(json: bool, yes: bool, plan: &UndoPlan) -> Result<bool, MigratorError> {
    if yes || plan.tenants <= 1 {
        return Ok(true);
    }
    if json || !std::io::stdin().is_terminal() {
        return Err(MigratorError::Invalid(format!(
            "{} tenants would be taken back, and nobody can be asked here; nothing was changed. Say --yes",
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
    let report = migrator
        .undo(options, stop, |progress| match progress {
            Progress::Started(count) => bar.set_length(count),
            Progress::Wave(_) => {}
            Progress::Tenant(tenant) => ended(json, &bar, tenant),
        })
        .await?;
    bar.finish_and_clear();
    say(json, &serde_json::json!(report), &summary(&report, 0).replacen(" migrated", " taken back", 1));
    Ok(report)
}
