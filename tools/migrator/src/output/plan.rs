//! How a plan looks: a table for each class.
use labor_migrator::lint::{Finding, Severity};
use labor_migrator::locks::Effect;
use labor_migrator::plan::{Class, PER_SEGMENT, Plan, READ_PER_SECOND, WRITE_PER_SECOND};

use super::{line, table};

pub(crate) fn plan(json: bool, plan: &Plan) {
    if json {
        let assumed = serde_json::json!({ "read_bytes_per_second": READ_PER_SECOND,
            "write_bytes_per_second": WRITE_PER_SECOND, "milliseconds_per_transaction": PER_SEGMENT });
        line(format_args!("{}", serde_json::json!({ "plan": plan, "assumed": assumed })));
        return;
    }
    if !plan.control_current {
        line(format_args!("the control schema would be brought up first"));
    }
    for class in &plan.classes {
        one(class, plan.version);
    }
    for Finding { file, line: at, rule, message, severity, .. } in &plan.findings {
        let severity = if *severity == Severity::Error { "error" } else { "warning" };
        line(format_args!("{file}:{at}: {severity} {rule}: {message}"));
    }
    let tenants: i64 = plan.classes.iter().map(|class| class.tenants - class.held).sum();
    line(format_args!(
        "{tenants} tenant(s) to version {}, {} there already, {} ahead; estimate: {} with {} worker(s)",
        plan.version,
        plan.current,
        plan.ahead,
        time(plan.milliseconds),
        plan.workers
    ));
    if tenants > 0 {
        line(format_args!(
            "assumed: {} MB/s read, {} MB/s written anew, {PER_SEGMENT} ms a transaction; rehearse --data measures",
            READ_PER_SECOND / 1_000_000,
            WRITE_PER_SECOND / 1_000_000
        ));
    }
}

fn one(class: &Class, version: i32) {
    let mut counts =
        format!("version {} to {version}, class {}: {} tenant(s)", class.version, class.class, class.tenants);
    for (count, what) in [
        (class.held, "held, left alone"),
        (class.spare, "spare"),
        (class.frozen, "frozen"),
        (class.failed, "failed before"),
    ] {
        if count > 0 {
            counts += &format!(", {count} {what}");
        }
    }
    let (all, largest) = (time(class.milliseconds), time(class.milliseconds_largest));
    line(format_args!("{counts}; about {all} in all, {largest} for the largest"));
    if class.rules {
        line(format_args!(
            "  row rules are applied: ACCESS EXCLUSIVE on every table for the length of the transaction"
        ));
    }
    let mut rows = table(["file", "statement", "locks", "largest", "about"]);
    for file in &class.files {
        for statement in &file.statements {
            if statement.effects.is_empty() {
                continue;
            }
            let work = statement.bytes_largest > 0 || statement.milliseconds_largest > 0;
            rows.add_row([
                format!("{}:{} ({}, {})", file.file, statement.line, file.kind, file.phase),
                statement.sql.clone(),
                statement.effects.iter().map(effect).collect::<Vec<_>>().join("\n"),
                if work { size(statement.bytes_largest) } else { String::new() },
                if work { time(statement.milliseconds_largest) } else { String::new() },
            ]);
        }
        if file.statements.iter().all(|statement| statement.effects.is_empty()) {
            let place = format!("{} ({}, {})", file.file, file.kind, file.phase);
            rows.add_row([place, "new tables only".to_owned(), String::new(), String::new(), String::new()]);
        }
    }
    line(format_args!("{rows}"));
}

/// `orders: ACCESS EXCLUSIVE, rewrite (changes a type)`.
pub(crate) fn effect(effect: &Effect) -> String {
    let what = match (effect.rewrite, effect.scan) {
        (true, _) => ", rewrite",
        (false, true) => ", scan",
        (false, false) => "",
    };
    format!("{}: {}{what} ({})", effect.table, effect.mode, effect.why)
}

fn size(bytes: i64) -> String {
    match bytes {
        0..1_000_000 => format!("{} kB", bytes / 1000),
        1_000_000..1_000_000_000 => format!("{} MB", bytes / 1_000_000),
        _ => format!("{} GB", bytes / 1_000_000_000),
    }
}

pub(crate) fn time(milliseconds: u64) -> String {
    match milliseconds {
        0..10_000 => format!("{milliseconds} ms"),
        10_000..600_000 => format!("{} s", milliseconds / 1000),
        _ => format!("{} min", milliseconds / 60_000),
    }
}
