//! Which tables there are after which migration, and which of them the row rules don't know.
//! Must stay true: a table that row rules forget has no row security at all; this finds it before the isolation check does.
use std::collections::{BTreeMap, BTreeSet};

use squawk_syntax::SyntaxKind;

use super::file::{File, child, last_part, table_of};
use super::{Finding, Severity};

/// Belongs to the migrator; tenant.sql closes it in a statement of its own.
const EXEMPT: &str = "schema_stamp";

/// The tables of the chain so far, with the place that made them.
#[derive(Default)]
pub(crate) struct Tables {
    made: BTreeMap<String, (String, usize)>,
}

impl Tables {
    /// The tables that are there now.
    pub(crate) fn names(&self) -> BTreeSet<String> {
        self.made.keys().cloned().collect()
    }

    /// What one more file makes, drops and renames.
    pub(crate) fn follow(&mut self, file: &File) {
        for statement in file.statements() {
            match statement.kind() {
                SyntaxKind::CREATE_TABLE => {
                    let name = table_of(&statement).unwrap_or_default();
                    self.made.insert(name, (file.name.clone(), file.line(&statement)));
                }
                SyntaxKind::DROP_TABLE => {
                    for name in statement.children().filter(|node| node.kind() == SyntaxKind::TABLE_NAME_REF) {
                        self.made.remove(&last_part(&name));
                    }
                }
                SyntaxKind::ALTER_TABLE => {
                    let Some(rename) = child(&statement, SyntaxKind::TABLE_RENAME_TO) else { continue };
                    self.made.remove(&table_of(&statement).unwrap_or_default());
                    let name = table_of(&rename).unwrap_or_default();
                    self.made.insert(name, (file.name.clone(), file.line(&statement)));
                }
                _ => {}
            }
        }
    }

    /// Tables without a line in the matrix.
    pub(crate) fn without_rules(&self, rules_sql: &str) -> Vec<Finding> {
        let forgotten =
            self.made.iter().filter(|(name, _)| *name != EXEMPT && !rules_sql.contains(&format!("['{name}'")));
        forgotten
            .map(|(name, (file, line))| Finding {
                file: file.clone(),
                line: *line,
                rule: "rls-forgotten".to_owned(),
                message: format!("table {name} has no row rules: every login of the practice's would be refused, or see all"),
                help: Some(format!(
                    "add to `matrix` in db/rls/tenant.sql the line `['{name}', '<SELECT>', '<INSERT>', '<UPDATE>', '<DELETE>']`, \
                     each a text of role letters (a admin, d doctor, l lab_technician, p patient, w worker, r receiver, s sign_in) \
                     or ''; add a policy below it if a patient may see only some rows"
                )),
                severity: Severity::Error,
            })
            .collect()
    }
}
