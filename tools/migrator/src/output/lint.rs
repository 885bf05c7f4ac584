//! How the linter's findings look.
use labor_migrator::lint::{Finding, Severity};

use super::line;

/// Each on a line that editors can follow, its help below; as JSON one list.
pub(crate) fn findings(json: bool, findings: &[Finding]) {
    if json {
        line(format_args!("{}", serde_json::json!(findings)));
        return;
    }
    for f in findings {
        let severity = if f.severity == Severity::Error { "error" } else { "warning" };
        line(format_args!("{}:{}: {severity} {}: {}", f.file, f.line, f.rule, f.message));
        if let Some(help) = &f.help {
            line(format_args!("  help: {help}"));
        }
    }
}

/// How many there are.
pub(crate) fn summary(findings: &[Finding]) -> String {
    let errors = findings.iter().filter(|f| f.severity == Severity::Error).count();
    match (errors, findings.len() - errors) {
        (0, 0) => "no finding".to_owned(),
        (errors, warnings) => format!("{errors} error(s), {warnings} warning(s)"),
    }
}
