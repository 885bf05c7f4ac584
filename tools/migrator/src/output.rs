//! How results look: tables and a progress bar for people, JSON for machines.
pub(crate) mod baseline;
pub(crate) mod check;
pub(crate) mod history;
pub(crate) mod pool;
pub(crate) mod rotate;
pub(crate) mod undo;
pub(crate) mod verify;

use std::fmt::Arguments;
use std::io::{ErrorKind, IsTerminal as _, Write};

use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};
use indicatif::{ProgressBar, ProgressStyle};
use labor_migrator::ahead;
use labor_migrator::drift::Drift;
use labor_migrator::named::named;
use labor_migrator::status::{Status, TenantStatus};
use labor_migrator::up::{Progress, Stop, TenantReport, UpOptions, UpReport};
use labor_migrator::{Migrator, MigratorError};

pub(crate) mod lint;
pub(crate) mod plan;
pub(crate) mod rehearse;

/// A line on standard output. Who reads only the first lines (`| head`) is no fault; `println!` would panic.
pub(crate) fn line(text: Arguments<'_>) {
    if let Err(error) = put(std::io::stdout().lock(), text) {
        aside(format_args!("labor-migrator: standard output can't be written to: {error}"));
    }
}

/// A line on standard error. When that can't be written either there is nobody to tell.
pub(crate) fn aside(text: Arguments<'_>) {
    let _ = put(std::io::stderr().lock(), text);
}

/// An error, on standard error: standard output is for what was done, and may have been begun. As JSON one object on the last line.
pub(crate) fn failed(json: bool, error: &MigratorError) {
    if json {
        aside(format_args!("{}", error.as_json()));
    } else {
        if let MigratorError::Lint(found) = error {
            lint::findings(false, found);
            line(format_args!("{}", lint::summary(found)));
        }
        aside(format_args!("labor-migrator: {}", error.told()));
    }
}

fn put(mut to: impl Write, text: Arguments<'_>) -> std::io::Result<()> {
    match writeln!(to, "{text}") {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// One result, as JSON or as a sentence.
pub(crate) fn say(json: bool, value: &serde_json::Value, text: &str) {
    if json {
        line(format_args!("{value}"));
    } else {
        line(format_args!("{text}"));
    }
}

/// A bar on a terminal, nothing elsewhere.
pub(crate) fn bar(json: bool) -> ProgressBar {
    if std::io::stderr().is_terminal() && !json {
        ProgressBar::new(0).with_style(style())
    } else {
        ProgressBar::hidden()
    }
}

/// Runs `up` with a bar on a terminal, else with one line per tenant. As JSON each tenant is an object on a line of its own, and the
/// run is the last.
pub(crate) async fn up(
    json: bool,
    migrator: &Migrator,
    options: &UpOptions,
    stop: &Stop,
) -> Result<UpReport, MigratorError> {
    let bar = bar(json);
    let mut stopped = 0;
    let report = migrator
        .up(options, stop, |progress| match progress {
            Progress::LeftOpen(findings) => check::left_open(json, findings),
            Progress::Started(count) => bar.set_length(count),
            Progress::Wave(wave) => {
                bar.set_message(wave.name.clone());
                if bar.is_hidden() && !json && options.waves.list().len() > 1 {
                    line(format_args!("wave {}", wave.name.trim_start_matches("wave ")));
                }
            }
            Progress::Tenant(tenant) => {
                stopped += u64::from(tenant.outcome == "stopped");
                ended(json, &bar, tenant);
            }
        })
        .await?;
    bar.finish_and_clear();
    say(json, &serde_json::json!(report), &summary(&report, stopped));
    Ok(report)
}

/// One tenant of a run is done: a line, or on a terminal a step of the bar and a line only when it failed.
fn ended(json: bool, bar: &ProgressBar, tenant: &TenantReport) {
    bar.inc(1);
    if json {
        line(format_args!("{}", serde_json::json!(tenant)));
    } else if bar.is_hidden() {
        line(format_args!("{}", one(tenant)));
    } else if tenant.error.is_some() {
        bar.suspend(|| aside(format_args!("{}", one(tenant))));
    }
}

fn one(t: &TenantReport) -> String {
    let attempts = if t.attempts > 1 { format!(" at attempt {}", t.attempts) } else { String::new() };
    let error = t.error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
    let name = named(t.tenant.as_str(), t.slug.as_deref());
    format!("{name} {} in {} ms{attempts}{error}", t.outcome, t.milliseconds)
}

/// `stopped`: so many of those that are left were begun, and left where they were.
fn summary(report: &UpReport, stopped: u64) -> String {
    let mut text = format!("version {}: {} migrated, {} failed", report.version, report.migrated, report.failed);
    let untried = report.left.saturating_sub(stopped);
    for (count, what) in
        [(stopped, "stopped"), (untried, "not tried"), (report.held, "held back"), (report.ahead, "ahead")]
    {
        if count > 0 {
            text += &format!(", {count} {what}");
        }
    }
    text += &format!(", in {} ms", report.milliseconds);
    if let Some(reason) = &report.stopped {
        text += &format!("; stopped because {reason}. Mend it and run the command again: it goes on with the rest");
        if let Some(run) = report.run.filter(|_| report.failed > 0) {
            text += &format!(
                ".\nWho failed and why: `labor-migrator history --failed --run {run}`. Who can't be mended now: `hold` it, or raise --max-failures"
            );
        }
    }
    if !report.held_tenants.is_empty() {
        let held = report.held_tenants.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n  ");
        text += &format!("\nheld back, and left as it is (`labor-migrator release` lets it go):\n  {held}");
    }
    if report.ahead > 0 {
        text += &format!(
            "\nahead of version {}, and left there: {}. Name a later version (or none) with --to; or `labor-migrator undo --to {}`",
            report.version,
            ahead::list(report.ahead, &report.ahead_tenants),
            report.version
        );
    }
    if let Some(version) = report.born_at {
        let wanted = report.version;
        text += &format!(
            "\nthe fleet is ahead of version {wanted}: new practices are born at version {version}; `labor-migrator undo --to {wanted}` \
             changes that, too"
        );
    }
    text
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{msg} {bar:40} {pos}/{len} {elapsed} (about {eta} left)")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// `status` lists so many tenants that need attention.
pub(crate) const ROWS: i64 = 20;

/// The fleet: how many stand how, and those that were asked for.
pub(crate) fn status(json: bool, status: &Status) {
    if json {
        let mut value = serde_json::json!(status);
        value["total"] = status.total().into();
        value["shut"] = status.shut().into();
        value["behind"] = status.behind().into();
        value["failed"] = status.failed().into();
        value["ahead"] = status.ahead().into();
        line(format_args!("{value}"));
        return;
    }
    let mut groups = table(["version", "state", "class", "tenants", "held", "failed"]);
    for g in &status.groups {
        let version = standing(g.version, g.current, g.ahead);
        let counts = [g.tenants, g.held, g.failed].map(|count| count.to_string());
        groups.add_row([version, g.state.clone(), g.class.clone()].into_iter().chain(counts));
    }
    line(format_args!("{groups}"));
    if !status.tenants.is_empty() {
        let mut tenants = table(["tenant", "practice", "kind", "state", "version", "class", "remarks"]);
        for t in &status.tenants {
            let version = standing(t.version, t.current, t.ahead);
            let state = t.state.clone();
            tenants.add_row([
                t.tenant.to_string(),
                t.slug.clone().unwrap_or_default(),
                t.kind.clone(),
                state,
                version,
                t.class.clone(),
                remarks(t),
            ]);
        }
        line(format_args!("{tenants}"));
    }
    in_all(status);
}

/// What a person has to know of the whole fleet.
fn in_all(status: &Status) {
    if status.unlisted > 0 {
        line(format_args!("and {} more: `labor-migrator status --all`", status.unlisted));
    }
    line(format_args!(
        "{} tenants, {} behind version {}, {} failed, {} class(es) as recorded",
        status.total(),
        status.behind(),
        status.target,
        status.failed(),
        status.classes()
    ));
    if status.shut() > 0 {
        line(format_args!(
            "{} not served: see labor-migrator check; `check --enforce` lets them in again once they are mended",
            status.shut()
        ));
    }
    line(format_args!(
        "isolation of the whole fleet last checked: {}",
        status.checked_at.map_or_else(
            || "never; does `labor-migrator check --enforce --every 3600` run?".to_owned(),
            |at| at.format("%F %T").to_string()
        )
    ));
    if status.ahead() > 0 {
        let ahead = status.ahead();
        line(format_args!(
            "{ahead} ahead of version {0}: this program is older than the fleet; use the newer program, or its `labor-migrator undo --to {0}`",
            status.target
        ));
    }
    if status.generation > status.target {
        line(format_args!(
            "new practices are born at version {}: the fleet is ahead of this program",
            status.generation
        ));
    }
}

fn standing(version: i32, current: bool, ahead: bool) -> String {
    match (current, ahead) {
        (true, _) => version.to_string(),
        (false, true) => format!("{version} (ahead)"),
        (false, false) => format!("{version} (behind)"),
    }
}

fn remarks(t: &TenantStatus) -> String {
    let rules = t.rules_differ.then(|| "row rules differ: `up` applies those of the files".to_owned());
    let held = t.held.as_ref().map(|reason| format!("held: {reason}"));
    let progress = t.progress.as_ref().map(|p| format!("version {}: {} rows done", p["version"], p["rows"]));
    let error = t.last_error.as_ref().map(|error| format!("failed: {error}"));
    let found = t.unsound.as_ref().and_then(serde_json::Value::as_array).into_iter().flatten();
    let found = found.map(|f| format!("{} {}", f["kind"].as_str().unwrap_or("?"), f["object"].as_str().unwrap_or("?")));
    let found = found.collect::<Vec<_>>().join(", ");
    let unsound = t.unsound.is_some().then(|| match &t.served_despite {
        Some(reason) => format!("served although its isolation is weakened ({found}): {reason}"),
        None => format!("not served, its isolation is weakened: {found}"),
    });
    [unsound, held, rules, progress, error].into_iter().flatten().collect::<Vec<_>>().join("\n")
}

fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header(header);
    table
}

/// A tenant whose schema is not as the migrator left it.
pub(crate) fn drift(json: bool, drift: &Drift) {
    if json {
        line(format_args!("{}", serde_json::json!(drift)));
        return;
    }
    let what = if drift.found.is_empty() { "its schema is gone" } else { "was changed by hand" };
    let name = named(drift.tenant.as_str(), drift.slug.as_deref());
    line(format_args!("{name}, version {}: {what}", drift.version));
    for difference in &drift.difference {
        line(format_args!("  {difference}"));
    }
}
