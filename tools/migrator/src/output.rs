//! How results look: tables and a progress bar for people, JSON for machines.
use std::fmt::Arguments;
use std::io::{ErrorKind, IsTerminal as _, Write};
use std::process::ExitCode;

use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};
use indicatif::{ProgressBar, ProgressStyle};
use labor_migrator::isolation::Finding;
use labor_migrator::status::Status;
use labor_migrator::up::Progress;
use labor_migrator::{Migrator, MigratorError, TenantName};

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

/// Runs `up` with a bar on a terminal, else with one line per tenant.
pub(crate) async fn up(json: bool, migrator: &Migrator, workers: usize) -> Result<ExitCode, MigratorError> {
    let bar = (std::io::stderr().is_terminal() && !json).then(|| ProgressBar::new(0).with_style(style()));
    let report = migrator
        .up(workers, |progress| match (progress, &bar) {
            (Progress::Started(count), Some(bar)) => bar.set_length(count as u64),
            (Progress::Tenant(_), Some(bar)) => bar.inc(1),
            (Progress::Tenant(t), None) if !json => {
                line(format_args!(
                    "{} {} in {} ms{}",
                    t.tenant,
                    t.outcome,
                    t.milliseconds,
                    t.error.as_ref().map(|e| format!(": {e}")).unwrap_or_default()
                ));
            }
            _ => {}
        })
        .await?;
    if let Some(bar) = &bar {
        bar.finish_and_clear();
        for failed in report.tenants.iter().filter(|t| t.error.is_some()) {
            aside(format_args!(
                "{} {}: {}",
                failed.tenant,
                failed.outcome,
                failed.error.as_deref().unwrap_or_default()
            ));
        }
    }
    let (done, failed) = (report.tenants.len() - report.failed(), report.failed());
    let text = format!("version {}: {done} migrated, {failed} failed, in {} ms", report.version, report.milliseconds);
    say(json, &serde_json::json!(report), &text);
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(3) })
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{bar:40} {pos}/{len} tenants {elapsed} (about {eta} left)")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// The fleet as a table.
pub(crate) fn status(json: bool, status: &Status) {
    if json {
        line(format_args!("{}", serde_json::json!(status)));
        return;
    }
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header([
        "tenant",
        "practice",
        "kind",
        "state",
        "version",
        "class",
        "last error",
    ]);
    for t in &status.tenants {
        let version = if t.current { t.version.to_string() } else { format!("{} (behind)", t.version) };
        let error = t.last_error.clone().unwrap_or_default();
        table.add_row([
            t.tenant.to_string(),
            t.slug.clone(),
            t.kind.clone(),
            t.state.clone(),
            version,
            t.class.clone(),
            error,
        ]);
    }
    line(format_args!("{table}"));
    let count = status.tenants.len();
    line(format_args!(
        "{count} tenants, {} behind version {}, {} class(es)",
        status.behind(),
        status.target,
        status.classes()
    ));
}

/// What the isolation check found.
pub(crate) fn findings(json: bool, findings: &[(TenantName, Finding)]) {
    if json {
        let rows: Vec<_> =
            findings.iter().map(|(tenant, f)| serde_json::json!({ "tenant": tenant, "finding": f })).collect();
        line(format_args!("{}", serde_json::json!(rows)));
    } else if findings.is_empty() {
        line(format_args!("no finding"));
    } else {
        for (tenant, f) in findings {
            line(format_args!("{tenant} {} {}: {}", f.kind, f.object, f.detail));
        }
    }
}
