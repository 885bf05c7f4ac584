//! Takes the locks that a part of the way needs before it changes anything.
//! Must stay true: all of them together are waited for no longer than lock_timeout, so that who wants to read a table that is locked
//! already never waits longer for us to wait for another one; the gentlest lock comes first, the strongest is held for the shortest time.
use std::collections::BTreeMap;
use std::time::Duration;

use labor_catalog::TenantName;

use crate::MigratorError;
use crate::chain::{Chain, Segment};
use crate::locks::{LockMode, UNKNOWN};

/// What is to be locked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Nothing, or one table by one statement, which waits for it by itself.
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
        let (mut tables, mut statements) = (BTreeMap::new(), 0);
        if segment.outside.is_none() {
            for (version, list) in chain.effects()? {
                if *version <= from || *version > segment.to {
                    continue;
                }
                for (_, effects) in list {
                    statements += usize::from(!effects.is_empty());
                    for effect in effects {
                        let mode: &mut LockMode = tables.entry(effect.table.clone()).or_insert(effect.mode);
                        *mode = mode.with(effect.mode);
                    }
                }
            }
        }
        Ok(if tables.contains_key(UNKNOWN) {
            Self::Everything
        } else if tables.is_empty() || (tables.len() == 1 && statements == 1) {
            Self::Nothing
        } else {
            Self::Tables(tables)
        })
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
        let second = Needs::of(&chain, 1, &segment(2), false).unwrap();
        let raw = ("raw_messages".to_owned(), LockMode::AccessExclusive);
        assert_eq!(second, Needs::Tables(BTreeMap::from([raw])));
        assert_eq!(Needs::of(&chain, 1, &segment(2), true).unwrap(), Needs::Everything);
    }
}
