//! Rules of the schema: each asks the catalogs for what breaks it.
use std::collections::BTreeSet;

use labor_catalog::catalogue::{CONTROL, Column, TENANT};

use crate::world::{lines, superuser, world};

const COLUMNS: &str = "
    SELECT c.relname || '.' || a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
     WHERE c.relnamespace = $1::text::regnamespace AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped";

async fn both() -> [String; 2] {
    [world().await.practice.clone(), "control".to_owned()]
}

fn listed(columns: &[Column]) -> Vec<String> {
    columns.iter().map(|column| format!("{}.{}", column.table, column.name)).collect()
}

#[tokio::test]
async fn the_catalogue_lists_exactly_the_columns_of_a_fresh_database() {
    let [practice, control] = both().await;
    for (schema, catalogue) in [(practice, TENANT), (control, CONTROL)] {
        let there: BTreeSet<String> = lines(COLUMNS, &schema).await.into_iter().collect();
        let listed = listed(catalogue);
        let known: BTreeSet<String> = listed.iter().cloned().collect();
        assert_eq!(known.len(), listed.len(), "a column is listed twice");
        let without_class: Vec<_> = there.difference(&known).collect();
        let gone: Vec<_> = known.difference(&there).collect();
        assert!(
            without_class.is_empty() && gone.is_empty(),
            "without a class: {without_class:?}; no longer there: {gone:?}"
        );
    }
}

#[tokio::test]
async fn tables_are_listed_in_an_order_in_which_foreign_keys_can_be_restored() {
    let sql = "SELECT k.conrelid::regclass::text || '>' || k.confrelid::regclass::text FROM pg_constraint k
                WHERE k.connamespace = $1::text::regnamespace AND k.contype = 'f' AND k.conrelid <> k.confrelid";
    let practice = &world().await.practice;
    let order = labor_catalog::catalogue::tenant_tables();
    let place = |table: &str| order.iter().position(|known| table.ends_with(&format!(".{known}"))).unwrap();
    for key in lines(sql, practice).await {
        let (from, to) = key.split_once('>').unwrap();
        assert!(place(from) > place(to), "{key}");
    }
}

/// What breaks a rule, for each schema: query with the schema's name as `$1`, rows are the breaches.
#[rustfmt::skip]
const RULES: &[(&str, &str)] = &[
    ("every table has a comment",
     "SELECT relname::text FROM pg_class WHERE relnamespace = $1::text::regnamespace AND relkind IN ('r', 'p')
         AND relname <> 'refinery_schema_history' AND obj_description(oid, 'pg_class') IS NULL"),
    ("every column has a comment",
     "SELECT c.relname || '.' || a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
       WHERE c.relnamespace = $1::text::regnamespace AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
         AND c.relname <> 'refinery_schema_history' AND col_description(c.oid, a.attnum) IS NULL"),
    ("a comment does not end with a full stop, and says something",
     "SELECT objoid::regclass || '.' || objsubid FROM pg_description d JOIN pg_class c ON c.oid = d.objoid AND d.classoid = 'pg_class'::regclass
       WHERE c.relnamespace = $1::text::regnamespace AND (description LIKE '%.' OR description !~ '[A-Za-z]{2}')"),
    ("names are lower case with underscores and not longer than 40",
     "SELECT relname::text FROM pg_class WHERE relnamespace = $1::text::regnamespace AND relkind IN ('r', 'p') AND relname !~ '^[a-z][a-z0-9_]{1,39}$'
       UNION ALL
      SELECT c.relname || '.' || a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
       WHERE c.relnamespace = $1::text::regnamespace AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
         AND a.attname !~ '^[a-z][a-z0-9_]{0,39}$'"),
    ("there are no enum types, domains or composite types",
     "SELECT y.typname::text FROM pg_type y LEFT JOIN pg_class c ON c.oid = y.typrelid
       WHERE y.typnamespace = $1::text::regnamespace AND y.typcategory <> 'A' AND (y.typtype <> 'c' OR c.relkind = 'c')"),
    ("there are no sequences, views, functions or triggers",
     "SELECT relname::text FROM pg_class WHERE relnamespace = $1::text::regnamespace AND relkind NOT IN ('r', 'p', 'i', 'I')
       UNION ALL SELECT proname::text FROM pg_proc WHERE pronamespace = $1::text::regnamespace
       UNION ALL SELECT tgname::text FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
                  WHERE c.relnamespace = $1::text::regnamespace AND NOT tgisinternal"),
    ("only a few plain types are used; points in time have a time zone",
     "SELECT c.relname || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod) FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
       WHERE c.relnamespace = $1::text::regnamespace AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
         AND c.relname <> 'refinery_schema_history'
         AND format_type(a.atttypid, a.atttypmod) NOT IN ('uuid', 'text', 'text[]', 'boolean', 'integer', 'bigint', 'numeric', 'date', 'jsonb',
                                                         'bytea', 'cidr[]', 'timestamp with time zone')"),
    ("no column counts by itself: keys are made by the application",
     "SELECT c.relname || '.' || a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
       WHERE c.relnamespace = $1::text::regnamespace AND (a.attidentity <> '' OR pg_get_expr(d.adbin, d.adrelid) ~ 'nextval|uuid|random')"),
    ("every table has a primary key",
     "SELECT c.relname::text FROM pg_class c WHERE c.relnamespace = $1::text::regnamespace AND c.relkind IN ('r', 'p')
         AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'p')"),
    ("a column named id, or ending in _id where it points to a row, is a uuid",
     "SELECT c.relname || '.' || a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
       WHERE c.relnamespace = $1::text::regnamespace AND c.relkind IN ('r', 'p') AND a.atttypid <> 'uuid'::regtype
         AND (a.attname = 'id' OR EXISTS (SELECT FROM pg_constraint k
               WHERE k.contype = 'f' AND k.conrelid = c.oid AND a.attnum = ANY (k.conkey) AND a.attname LIKE '%\\_id'))"),
    ("points in time end in _at, dates do not",
     "SELECT c.relname || '.' || a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
       WHERE c.relnamespace = $1::text::regnamespace AND c.relkind IN ('r', 'p') AND a.attnum > 0
         AND ((a.atttypid = 'timestamptz'::regtype AND a.attname !~ '(^|_)at$') OR (a.atttypid = 'date'::regtype AND a.attname ~ '_at$'))"),
    ("foreign keys stay in their schema",
     "SELECT k.conname::text FROM pg_constraint k JOIN pg_class c ON c.oid = k.confrelid
       WHERE k.connamespace = $1::text::regnamespace AND k.contype = 'f' AND c.relnamespace <> k.connamespace"),
    ("foreign keys neither delete nor change rows by themselves",
     "SELECT conname::text FROM pg_constraint WHERE connamespace = $1::text::regnamespace AND contype = 'f'
         AND (confdeltype <> 'a' OR confupdtype <> 'a')"),
    ("constraints and indexes are valid",
     "SELECT conname::text FROM pg_constraint WHERE connamespace = $1::text::regnamespace AND NOT convalidated
       UNION ALL SELECT indexrelid::regclass::text FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
                  WHERE c.relnamespace = $1::text::regnamespace AND NOT indisvalid"),
    ("everything belongs to labor_owner",
     "SELECT relname::text FROM pg_class WHERE relnamespace = $1::text::regnamespace AND relowner <> 'labor_owner'::regrole
       UNION ALL SELECT nspname::text FROM pg_namespace WHERE nspname = $1::text AND nspowner <> 'labor_owner'::regrole"),
];

#[tokio::test]
async fn the_schema_keeps_the_rules_of_names_types_and_comments() {
    let mut breaches = Vec::new();
    for schema in both().await {
        for (rule, sql) in RULES {
            let broken = lines(sql, &schema).await;
            if !broken.is_empty() {
                breaches.push(format!("{schema}: {rule}: {}", broken.join(", ")));
            }
        }
    }
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}

#[tokio::test]
async fn every_foreign_key_of_a_practice_is_at_the_beginning_of_an_index() {
    let sql = "SELECT k.conname::text FROM pg_constraint k
                WHERE k.connamespace = $1::text::regnamespace AND k.contype = 'f'
                  AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = k.conrelid AND i.indkey[0] = k.conkey[1])";
    let missing = lines(sql, &world().await.practice).await;
    assert!(missing.is_empty(), "{missing:?}");
}

#[tokio::test]
async fn every_table_of_a_practice_has_row_rules_or_is_one_of_the_two_technical_ones() {
    let sql = "SELECT c.relname::text FROM pg_class c WHERE c.relnamespace = $1::text::regnamespace AND c.relkind IN ('r', 'p')
                  AND NOT (c.relrowsecurity AND c.relforcerowsecurity AND EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid))
                ORDER BY 1";
    let without = lines(sql, &world().await.practice).await;
    assert_eq!(without, ["refinery_schema_history", "schema_stamp"]);
    for table in labor_catalog::catalogue::tenant_tables() {
        let named = labor_catalog::sql::TENANT_RULES.contains(&format!("['{table}',"));
        assert_eq!(named, !without.contains(&table.to_owned()), "{table} in db/rls/tenant.sql");
    }
}

#[tokio::test]
async fn the_guard_holds_its_seven_functions_and_one_table_and_public_holds_nothing() {
    world().await;
    let sql = "SELECT proname::text FROM pg_proc WHERE pronamespace = $1::text::regnamespace ORDER BY 1";
    assert_eq!(
        lines(sql, "guard").await,
        ["claim", "claim_role", "claim_subject", "enqueue", "enqueue_alert", "permits", "permits_actor"]
    );
    let tables =
        "SELECT relname::text FROM pg_class WHERE relnamespace = $1::text::regnamespace AND relkind <> 'i' ORDER BY 1";
    assert_eq!(lines(tables, "guard").await, ["claim_keys"]);
    assert!(lines(sql, "public").await.is_empty() && lines(tables, "public").await.is_empty());
    let definers = "SELECT count(*) FROM pg_proc WHERE prosecdef AND pronamespace <> 'guard'::regnamespace";
    let count: i64 = superuser().await.query_one(definers, &[]).await.unwrap().get(0);
    assert_eq!(count, 0, "functions that run with their owner's rights, outside of the guard");
}
