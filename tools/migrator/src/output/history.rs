//! How runs and outcomes look.
use labor_migrator::history::{Listed, OutcomeRecord, RunRecord};

use super::{line, table};

/// Runs, newest first.
pub(crate) fn runs(json: bool, runs: &Listed<RunRecord>) {
    if json {
        line(format_args!("{}", serde_json::json!(runs.records)));
        return;
    }
    let mut rows = table(["run", "command", "to", "started", "took", "by", "outcome", "done", "failed", "message"]);
    for r in &runs.records {
        rows.add_row([
            r.run.to_string(),
            r.command.clone(),
            r.target.map(|version| version.to_string()).unwrap_or_default(),
            r.started_at.format("%F %T").to_string(),
            r.finished_at.map_or_else(String::new, |end| format!("{} ms", (end - r.started_at).num_milliseconds())),
            r.started_on.clone().unwrap_or_default(),
            r.outcome.clone().unwrap_or_else(|| "running".to_owned()),
            r.succeeded.to_string(),
            r.failed.to_string(),
            r.message.clone().unwrap_or_default(),
        ]);
    }
    line(format_args!("{rows}"));
    more(runs.more);
}

fn more(count: i64) {
    if count > 0 {
        line(format_args!("and {count} older: --limit lists more"));
    }
}

/// What became of tenants, newest first.
pub(crate) fn outcomes(json: bool, outcomes: &Listed<OutcomeRecord>) {
    if json {
        line(format_args!("{}", serde_json::json!(outcomes.records)));
        return;
    }
    let number = |number: Option<i32>| number.map(|number| number.to_string()).unwrap_or_default();
    let mut rows =
        table(["when", "run", "by", "command", "tenant", "from", "to", "outcome", "attempts", "took", "why"]);
    for o in &outcomes.records {
        rows.add_row([
            o.written_at.format("%F %T").to_string(),
            o.run.to_string(),
            o.started_on.clone().unwrap_or_default(),
            o.command.clone(),
            o.tenant.to_string(),
            number(o.from_version),
            number(o.to_version),
            o.outcome.clone(),
            number(o.attempts),
            o.milliseconds.map(|count| format!("{count} ms")).unwrap_or_default(),
            o.error.clone().or_else(|| o.reason.clone()).unwrap_or_default(),
        ]);
    }
    line(format_args!("{rows}"));
    more(outcomes.more);
}
