//! Exceptions: `-- squawk-ignore rule, rule -- why` on the line before the statement, as squawk has them, for Labor's rules too.
//! Must stay true: an exception names its rules; a rule that the run itself would fail on has none.
use squawk_linter::Rule;
use squawk_linter::ignore::{IgnoreKind, ignore_rule_info};
use squawk_syntax::SyntaxNode;
use squawk_syntax::ast::AstNode as _;

use super::file::File;
use super::{Finding, NO_EXCEPTION, RULES, Severity};
use crate::statements;

struct Ignore {
    line: usize,
    rules: Vec<String>,
    whole_file: bool,
}

/// Leaves out what is excepted, and adds exceptions that name nothing.
pub(crate) fn apply(file: &File, findings: Vec<Finding>) -> Vec<Finding> {
    let ignores = read(file);
    let mut kept: Vec<_> = findings
        .into_iter()
        .filter(|finding| {
            NO_EXCEPTION.contains(&finding.rule.as_str())
                || !ignores.iter().any(|ignore| {
                    ignore.rules.contains(&finding.rule)
                        && (ignore.whole_file || (ignore.line..=ignore.line + 1).contains(&finding.line))
                })
        })
        .collect();
    for ignore in ignores {
        if let Some(message) = fault(&ignore) {
            kept.push(Finding {
                file: file.name.clone(),
                line: ignore.line,
                rule: "unused-ignore".to_owned(),
                message,
                help: Some("write `-- squawk-ignore <rule> -- <why>` on the line before the statement".to_owned()),
                severity: Severity::Error,
            });
        }
    }
    kept
}

fn fault(ignore: &Ignore) -> Option<String> {
    if ignore.rules.is_empty() {
        return Some("this exception names no rule".to_owned());
    }
    let unknown =
        |rule: &&String| Rule::try_from(rule.as_str()).is_err() && !RULES.iter().any(|(name, _)| name == rule);
    if let Some(rule) = ignore.rules.iter().find(unknown) {
        return Some(format!("there is no rule {rule}"));
    }
    let fixed = ignore.rules.iter().find(|rule| NO_EXCEPTION.contains(&rule.as_str()))?;
    Some(format!("there is no exception from {fixed}: the run would fail"))
}

fn read(file: &File) -> Vec<Ignore> {
    let root: SyntaxNode = file.parsed.tree().syntax().clone();
    root.descendants_with_tokens()
        .filter_map(|element| element.into_token())
        .filter_map(|token| {
            let (names, _, kind) = ignore_rule_info(&token)?;
            let rules = names.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect();
            let line = statements::line_of(&file.sql, token.text_range().start().into());
            Some(Ignore { line, rules, whole_file: matches!(kind, IgnoreKind::File) })
        })
        .collect()
}
