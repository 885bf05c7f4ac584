//! What the previous release would miss, beyond what squawk's rules find (`Verdict::Contract`).
//! Must stay true: the two releases work side by side on every practice's schema while a fleet is migrated.
use squawk_syntax::{SyntaxKind, SyntaxNode};

use super::Finding;
use super::file::File;

/// The rule, as an exception names it.
pub(crate) const RULE: &str = "contract-undeclared";
/// What to do about any of them.
pub(crate) const HELP: &str = "put it into a later migration with `-- Phase: contract`, run when no program of the previous \
                               release is left; or make it additive";

/// SET NOT NULL, whether it is quick or not: the previous release still writes nothing there. TRUNCATE takes its rows.
pub(crate) fn judge(file: &File) -> Vec<Finding> {
    let nodes = file.nodes(&[SyntaxKind::SET_NOT_NULL, SyntaxKind::TRUNCATE]);
    let finding = |node: &SyntaxNode| {
        let what =
            if node.kind() == SyntaxKind::TRUNCATE { "TRUNCATE takes rows" } else { "SET NOT NULL refuses rows" };
        file.error(node, RULE, message(&format!("{what} of its own")), HELP)
    };
    nodes.iter().map(finding).collect()
}

/// The message, with what exactly is taken away.
pub(crate) fn message(what: &str) -> String {
    format!("the file is an expand, but the previous release may not work on with it: {what}")
}
