//! Takes the locks that a part of the way needs before it changes anything.
//! Must stay true: all of them together are waited for no longer than lock_timeout, so that who wants to read a table that is locked
//! already never waits longer for us to wait for another one; the gentlest lock comes first, the strongest is held for the shortest time.
//! Where row rules are applied every table of the tenant is locked against everybody: when their text has changed, and after a file that
//! makes a table, or has a DO block, which may.
use std::collections::BTreeMap;
use std::time::Duration;

use labor_catalog::TenantName;
use tokio_postgres::Client;

use crate::MigratorError;
use crate::chain::{Chain, Segment};
use crate::locks::{LockMode, UNKNOWN};

/// Who waits for a lock longer than `deadlock_timeout` may be freed from a deadlock at the cost of somebody else: whoever looks first is
/// ended, and that is the application when it has waited longer than we. A shorter wait ends by itself before anybody looks.
pub(crate) async fn warn_of_deadlocks(client: &Client, lock_timeout: Duration) -> Result<(), MigratorError> {
    let sql = "SELECT (extract(epoch FROM current_setting('deadlock_timeout')::interval) * 1000)::bigint";
    let row = client.query_one(sql, &[]).await.map_err(MigratorError::during("read deadlock_timeout"))?;
    let server: i64 = row.get(0);
    let ours = i64::try_from(lock_timeout.as_millis()).unwrap_or(i64::MAX);
    if ours >= server {
        tracing::warn!(
            "--lock-timeout is {ours} ms, and the server looks for deadlocks after {server} ms (deadlock_timeout): where a migration and \
             the application wait for each other, it may be the application that is ended"
        );
    }
    Ok(())
}

/// What is to be locked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Nothing, or one table whose first statement takes the strongest lock of all, and waits for it by itself.
    Nothing,
    /// These, if they are there.
    Tables(BTreeMap<String, LockMode>),
    /// Every table of the schema against everybody: row rules are applied, or a statement is not understood.
    Everything,
}

impl Needs {
    /// Of a segment that begins after a version.
    ///
    /// # Errors
    /// When a file is not SQL.
    pub(crate) fn of(chain: &Chain, from: i32, segment: &Segment<'_>, ruled: bool) -> Result<Self, MigratorError> {
        if ruled {
            return Ok(Self::Everything);
        }
        if segment.outside.is_some() {
            return Ok(Self::Nothing);
        }
        let between = chain.effects()?.iter().filter(|(version, _)| **version > from && **version <= segment.to);
        let effects = between.flat_map(|(_, statements)| statements).flat_map(|(_, effects)| effects);
        Ok(Self::of_effects(effects.map(|effect| (effect.table.as_str(), effect.mode))))
    }

    /// Of tables and locks in the order in which statements take them.
    fn of_effects<'a>(effects: impl Iterator<Item = (&'a str, LockMode)>) -> Self {
        let (mut tables, mut first) = (BTreeMap::new(), None);
        for (table, mode) in effects {
            first.get_or_insert(mode);
            let strongest: &mut LockMode = tables.entry(table.to_owned()).or_insert(mode);
            *strongest = strongest.with(mode);
        }
        if tables.contains_key(UNKNOWN) {
            Self::Everything
        } else if tables.is_empty() || (tables.len() == 1 && tables.values().next().copied() == first) {
            Self::Nothing
        } else {
            Self::Tables(tables)
        }
    }

    /// What waits for them; empty: nothing to wait for.
    pub(crate) fn sql(&self, tenant: &TenantName, budget: Duration) -> String {
        let wanted = match self {
            Self::Nothing => return String::new(),
            Self::Tables(tables) => {
                let mut sorted: Vec<_> = tables.iter().collect();
                sorted.sort_by_key(|(table, mode)| (**mode, *table));
                let values = sorted.iter().enumerate().map(|(position, (table, mode))| {
                    format!("({position}, '{}', '{mode}')", table.replace('\'', "''"))
                });
                format!(
                    "SELECT c.relname, w.mode FROM (VALUES {}) AS w (position, name, mode)
                       JOIN pg_class c ON c.relname = w.name AND c.relnamespace = '{tenant}'::regnamespace AND c.relkind IN ('r', 'p')
                      ORDER BY w.position",
                    values.collect::<Vec<_>>().join(", ")
                )
            }
            Self::Everything => format!(
                "SELECT c.relname, 'ACCESS EXCLUSIVE' AS mode FROM pg_class c
                  WHERE c.oid IN (SELECT objid FROM pg_depend WHERE refclassid = 'pg_namespace'::regclass
                                     AND refobjid = '{tenant}'::regnamespace AND classid = 'pg_class'::regclass)
                    AND c.relkind IN ('r', 'p') ORDER BY c.relname"
            ),
        };
        let milliseconds = budget.as_millis().max(1);
        format!(
            "DO $labor$
             DECLARE t record; ends timestamptz := clock_timestamp() + interval '{milliseconds} milliseconds';
             BEGIN
               FOR t IN {wanted} LOOP
                 PERFORM set_config('lock_timeout',
                           greatest(1, ceil(extract(epoch FROM ends - clock_timestamp()) * 1000)::bigint)::text, true);
                 EXECUTE format('LOCK TABLE {tenant}.%I IN %s MODE', t.relname, t.mode);
               END LOOP;
               PERFORM set_config('lock_timeout', '{milliseconds}', true);
             END $labor$"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::Sources;

    #[test]
    fn a_segment_needs_the_strongest_lock_on_each_table() {
        let chain = Chain::new(&Sources::embedded()).unwrap();
        let segment = |to| Segment { to, outside: None };
        assert_eq!(Needs::of(&chain, 0, &segment(1), false).unwrap(), Needs::Nothing, "its tables are its own");
        assert_eq!(
            Needs::of(&chain, 1, &segment(2), false).unwrap(),
            Needs::Nothing,
            "its first statement waits for all"
        );
        assert_eq!(Needs::of(&chain, 1, &segment(2), true).unwrap(), Needs::Everything);
    }

    #[test]
    fn what_one_statement_does_not_wait_for_is_waited_for_first() {
        use LockMode::{AccessExclusive, Share, ShareUpdateExclusive};
        let needs = |effects: &[(&str, LockMode)]| Needs::of_effects(effects.iter().copied());
        let tables = |list: &[(&str, LockMode)]| {
            Needs::Tables(list.iter().map(|(table, mode)| ((*table).to_owned(), *mode)).collect())
        };
        assert_eq!(needs(&[]), Needs::Nothing);
        assert_eq!(needs(&[("a", AccessExclusive), ("a", Share)]), Needs::Nothing);
        assert_eq!(needs(&[("a", Share), ("a", AccessExclusive)]), tables(&[("a", AccessExclusive)]));
        let both = Share.with(ShareUpdateExclusive);
        assert_eq!(needs(&[("a", Share), ("a", ShareUpdateExclusive)]), tables(&[("a", both)]));
        assert_eq!(needs(&[("a", Share), ("b", Share)]), tables(&[("a", Share), ("b", Share)]));
        assert_eq!(needs(&[("a", Share), (UNKNOWN, AccessExclusive)]), Needs::Everything);
    }
}
