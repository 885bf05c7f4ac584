//! What a part of the way sends inside of its transaction, message by message, without waiting for answers in between.
//! Must stay true: the history in the schema is compared with the files before anything is changed, and written as refinery writes it;
//! the last message leaves the schema, so that the proof is asked where no tenant is in the path.
use std::fmt::Write as _;

use labor_catalog::TenantName;
use tokio_postgres::error::ErrorPosition;

use crate::locking::Needs;
use crate::step::{Part, Way};
use crate::{MigratorError, schema, undo};

/// The messages, in their order.
pub(crate) struct Script {
    pub(crate) messages: Vec<Message>,
}

/// Some statements that are sent together.
pub(crate) struct Message {
    /// What it does, or the file it is.
    what: String,
    pub(crate) sql: String,
}

impl Message {
    fn new(what: impl Into<String>, sql: impl Into<String>) -> Self {
        Self { what: what.into(), sql: sql.into() }
    }

    /// The server's error, with the line of the file: of the statement, or where in it the server says that it stopped.
    pub(crate) fn failed(&self, tenant: &TenantName, source: tokio_postgres::Error) -> MigratorError {
        let Some((file, line)) = self.what.rsplit_once(':').filter(|(file, _)| file.ends_with(".sql")) else {
            return MigratorError::during(format!("{tenant}: {}", self.what))(source);
        };
        let line =
            line.parse::<usize>().ok().map(|line| line + line_in(&self.sql, &source).map_or(0, |inside| inside - 1));
        MigratorError::Statement { whose: tenant.to_string(), file: file.to_owned(), line, source }
    }
}

/// The line of a text in which the server says that it stopped, from 1; of some errors it says no place.
pub(crate) fn line_in(sql: &str, error: &tokio_postgres::Error) -> Option<usize> {
    let Some(ErrorPosition::Original(position)) = error.as_db_error()?.position() else { return None };
    let before = usize::try_from(*position).ok()?.saturating_sub(1);
    Some(1 + sql.chars().take(before).filter(|character| *character == '\n').count())
}

impl Script {
    /// # Errors
    /// When a file is not SQL.
    pub(crate) fn of(part: &Part<'_>) -> Result<Self, MigratorError> {
        let (tenant, task, chain, to) = (part.tenant, part.task, &part.task.chain, part.segment.to);
        // Back always: a policy that was there goes with its table or column, and what is left must have all of its own.
        let again = task.rules_again || task.way == Way::Back;
        let stale = again || part.rules != Some(chain.rules_checksum());
        let ruled = stale || schema::makes_tables(chain, part.from, to);
        let enter = format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = {}; {}",
            task.lock_timeout.as_millis().max(1),
            schema::enter_sql(tenant)
        );
        let mut messages =
            vec![Message::new("enter the schema", enter), Message::new("compare the history", compare(part))];
        let needs = Needs::of(chain, part.from, &part.segment, ruled)?.sql(tenant, task.lock_timeout);
        if !needs.is_empty() {
            messages.push(Message::new("take the locks", needs));
        }
        match task.way {
            Way::Up if part.segment.outside.is_none() => {
                let effects = chain.effects()?;
                for migration in chain.between(part.from, to) {
                    let statements = effects.get(&migration.version).into_iter().flatten();
                    messages.extend(statements.map(|(statement, _)| {
                        Message::new(format!("{}:{}", migration.file_name(), statement.line), statement.sql.as_str())
                    }));
                }
            }
            Way::Up => {}
            Way::Back => {
                messages.extend(
                    undo::undos(chain, part.reached, to)?.into_iter().map(|(what, sql)| Message::new(what, sql)),
                );
            }
        }
        if ruled {
            let rules = chain.rules().replace("{tenant}", tenant.as_str());
            messages.push(Message::new("apply the row rules", rules));
        }
        let target = chain.at(to)?;
        let end = format!("{}{}; {}", history(part), schema::stamp_sql(tenant, &target), schema::LEAVE);
        messages.push(Message::new("write history and stamp", end));
        Ok(Self { messages })
    }
}

/// Refuses a schema whose history is not that of the files up to the ledger's version.
fn compare(part: &Part<'_>) -> String {
    let chain = &part.task.chain;
    let files: Vec<String> =
        chain.between(0, part.from).map(|m| format!("{} {}", m.version, chain.history_checksum(m.version))).collect();
    format!(
        "DO $labor$ BEGIN
           IF (SELECT coalesce(string_agg(version || ' ' || checksum, ', ' ORDER BY version), '') FROM refinery_schema_history) <> '{}' THEN
             RAISE EXCEPTION 'the history in the schema is not that of the files up to version {}'
               USING ERRCODE = '55000', HINT = 'labor-migrator verify {} shows the difference';
           END IF;
         END $labor$",
        files.join(", "),
        part.from,
        part.tenant
    )
}

/// The rows that refinery would write, or take away; each statement with its semicolon.
fn history(part: &Part<'_>) -> String {
    let mut sql = String::new();
    if part.task.way == Way::Back {
        return format!("DELETE FROM refinery_schema_history WHERE version > {}; ", part.segment.to);
    }
    for migration in part.task.chain.between(part.from, part.segment.to) {
        // A name is lower case letters, digits and underscores.
        let _ = write!(
            sql,
            "INSERT INTO refinery_schema_history (version, name, applied_on, checksum)
             VALUES ({}, '{}', to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), '{}'); ",
            migration.version,
            migration.name,
            part.task.chain.history_checksum(migration.version)
        );
    }
    sql
}
