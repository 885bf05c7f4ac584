//! A page of tenants: what the registry, the ledger and the catalogs say of each, and their comparison.
use std::collections::BTreeMap;

use tokio_postgres::Client;

use super::Row;
use super::standing::{self, Inside};
use crate::chain::Chain;
use crate::connection::Connection;
use crate::isolation::Known;
use crate::named::SLUG;
use crate::schema::PLAIN_TABLE;
use crate::{MigratorError, drift};

/// Names of the next tenants.
pub(super) async fn page(client: &Client, only: Option<&[&str]>, after: &str) -> Result<Vec<String>, MigratorError> {
    let rows = client
        .query(
            "SELECT name FROM control.tenants
              WHERE state <> 'deleted' AND name > $1 AND ($2::text[] IS NULL OR name = ANY ($2)) ORDER BY name LIMIT $3",
            &[&after, &only, &drift::PAGE],
        )
        .await
        .map_err(MigratorError::during("list the tenants"))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Adds the sign-in names.
pub(super) async fn name(client: &Client, rows: &mut [Row]) -> Result<(), MigratorError> {
    let names: Vec<&str> = rows.iter().filter_map(|row| row.tenant.as_deref()).collect();
    let sql = format!("SELECT t.name, {SLUG} FROM control.tenants t WHERE t.name = ANY ($1)");
    let found = client.query(&sql, &[&names]).await.map_err(MigratorError::during("look up the tenants"))?;
    let slugs: BTreeMap<String, Option<String>> = found.iter().map(|row| (row.get(0), row.get(1))).collect();
    for row in rows {
        row.slug = row.tenant.as_ref().and_then(|tenant| slugs.get(tenant).cloned().flatten());
    }
    Ok(())
}

/// A tenant by registry, ledger and catalogs.
struct Outside {
    name: String,
    state: String,
    ledger: Option<Ledger>,
    schema: bool,
    can_log_in: Option<bool>,
    stamp: bool,
    history: bool,
}

struct Ledger {
    version: i32,
    checksum: String,
    rules: Option<String>,
    /// A version that was begun outside of a transaction, whose mark took the checksum away.
    begun: Option<i32>,
}

impl Outside {
    fn begun(&self) -> Option<i32> {
        self.ledger.as_ref().and_then(|ledger| ledger.begun)
    }
}

/// Everything about these tenants.
pub(super) async fn look(
    connection: &Connection,
    chain: &Chain,
    known: &Known,
    names: &[String],
) -> Result<Vec<Row>, MigratorError> {
    let client = &connection.client;
    let tenants = outside(client, names).await?;
    let there: Vec<&str> = tenants.iter().filter(|t| t.schema).map(|t| t.name.as_str()).collect();
    let whole: Vec<&str> =
        tenants.iter().filter(|t| t.schema && t.stamp && t.history).map(|t| t.name.as_str()).collect();
    let mut rows = Vec::new();
    let insides = standing::read(client, &whole, &mut rows).await?;
    for tenant in &tenants {
        compare(tenant, insides.get(&tenant.name), chain, &mut rows);
    }
    let begun: Vec<&str> = tenants.iter().filter(|t| t.begun().is_some()).map(|t| t.name.as_str()).collect();
    rows.extend(invalid_indexes(client, &there, &begun).await?);
    for tenant in drift::page(connection, known, Some(&there), "").await? {
        let name = tenant.tenant.as_str();
        // Some of what was begun may be done; the run that ends it proves the whole.
        if tenant.found != tenant.expected && !begun.contains(&name) {
            let detail = format!("the schema is not what the migrator left; see `labor-migrator drift --diff {name}`");
            rows.push(Row::finding(name, "drift", detail));
        }
    }
    rows.sort_by(|a, b| a.tenant.cmp(&b.tenant));
    Ok(rows)
}

async fn outside(client: &Client, names: &[String]) -> Result<Vec<Outside>, MigratorError> {
    let rows = client
        .query(
            &format!("SELECT t.name, t.state, l.version, l.chain_checksum, l.rules_checksum, n.oid IS NOT NULL, r.rolcanlogin,
                    EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = n.oid AND c.relname = 'schema_stamp'
                             AND {PLAIN_TABLE}),
                    EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = n.oid AND c.relname = 'refinery_schema_history'
                             AND {PLAIN_TABLE}),
                    CASE l.chain_checksum WHEN '' THEN (l.progress ->> 'version')::integer END
               FROM control.tenants t LEFT JOIN control.ledger l ON l.tenant = t.name
               LEFT JOIN pg_namespace n ON n.nspname = t.name::name
               LEFT JOIN pg_roles r ON r.rolname = (t.name || '_app')::name
              WHERE t.name = ANY ($1) ORDER BY t.name"),
            &[&names],
        )
        .await
        .map_err(MigratorError::during("read registry, ledger and catalogs"))?;
    let tenant = |row: &tokio_postgres::Row| Outside {
        name: row.get(0),
        state: row.get(1),
        ledger: row.get::<_, Option<i32>>(2).map(|version| Ledger {
            version,
            checksum: row.get(3),
            rules: row.get(4),
            begun: row.get(9),
        }),
        schema: row.get(5),
        can_log_in: row.get(6),
        stamp: row.get(7),
        history: row.get(8),
    };
    Ok(rows.iter().map(tenant).collect())
}

fn compare(tenant: &Outside, inside: Option<&Inside>, chain: &Chain, rows: &mut Vec<Row>) {
    let name = tenant.name.as_str();
    login(tenant, rows);
    if !tenant.schema {
        rows.push(Row::finding(
            name,
            "schema_missing",
            "its schema is gone; restore it (`labor-backup restore`), or have the tenant deleted",
        ));
    }
    let Some(ledger) = &tenant.ledger else {
        rows.push(Row::finding(
            name,
            "ledger_missing",
            "it is registered, and the ledger does not know its schema's version",
        ));
        return;
    };
    if tenant.schema && !tenant.stamp {
        rows.push(Row::finding(
            name,
            "stamp",
            "its schema has no table schema_stamp: a restored copy would not know its version",
        ));
    }
    if tenant.schema && !tenant.history {
        rows.push(Row::finding(
            name,
            "history",
            "its schema has no table refinery_schema_history: it can't be migrated",
        ));
    }
    if let Some(inside) = inside {
        let checksum = ledger.begun.is_none().then_some(ledger.checksum.as_str());
        rows.extend(inside.against_ledger(name, ledger.version, checksum));
        rows.extend(inside.against_files(name, ledger.version, chain));
    }
    rows.extend(files(name, ledger, chain));
}

/// A frozen tenant is one whose login was taken away, a spare one whose login was not given yet.
fn login(tenant: &Outside, rows: &mut Vec<Row>) {
    let role = format!("{}_app", tenant.name);
    let served = tenant.state == "active";
    match tenant.can_log_in {
        None if tenant.state != "frozen" => {
            rows.push(Row::finding(
                &tenant.name,
                "role_missing",
                format!("its login {role} does not exist: nobody can be served"),
            ));
        }
        Some(false) if served => rows.push(Row::finding(
            &tenant.name,
            "role_login",
            format!(
                "it is {}, and its login {role} can't log in; ALTER ROLE {role} LOGIN, or freeze the tenant",
                tenant.state
            ),
        )),
        _ => {}
    }
}

/// The ledger's checksum against what the files give for its version.
fn files(name: &str, ledger: &Ledger, chain: &Chain) -> Option<Row> {
    let version = ledger.version;
    let Ok(target) = chain.at(version) else {
        let newest = chain.newest().version;
        let detail =
            format!("it is at version {version}, and the files end with {newest}; use the release that has it");
        return Some(Row::finding(name, "version", detail));
    };
    if ledger.checksum == target.checksum {
        return None;
    }
    if let Some(begun) = ledger.begun {
        let detail =
            format!("version {begun} was begun and has not come to its end; `labor-migrator up` goes on there");
        return Some(Row::note(name, "begun", detail));
    }
    Some(match ledger.rules.as_deref() {
        Some(rules) if rules == chain.rules_checksum() => Row::finding(
            name,
            "checksum",
            format!(
                "the ledger's checksum is not that of the files up to version {version}, although the row rules are the same"
            ),
        ),
        Some(_) => {
            Row::note(name, "rules", "its row rules are others than the files'; `labor-migrator up` applies these")
        }
        None => Row::note(
            name,
            "rules",
            "its checksum is not that of the files, and which row rules it has was not written down; `labor-migrator up` settles it",
        ),
    })
}

/// What was begun may have left one, and makes it anew.
async fn invalid_indexes(client: &Client, names: &[&str], begun: &[&str]) -> Result<Vec<Row>, MigratorError> {
    let rows = client
        .query(
            "SELECT n.nspname::text, c.relname::text
               FROM pg_namespace n JOIN pg_depend d ON d.refclassid = 'pg_namespace'::regclass AND d.refobjid = n.oid
                                                   AND d.classid = 'pg_class'::regclass
               JOIN pg_index i ON i.indrelid = d.objid JOIN pg_class c ON c.oid = i.indexrelid
              WHERE n.nspname = ANY ($1::text[]::name[]) AND NOT (i.indisvalid AND i.indisready AND i.indislive)",
            &[&names],
        )
        .await
        .map_err(MigratorError::during("look for invalid indexes"))?;
    let tell = |row: &tokio_postgres::Row| {
        let (name, index): (&str, &str) = (row.get(0), row.get(1));
        let detail = format!(
            "{index} is INVALID: it is written and never read; `labor-migrator up` builds what a file builds, drop others"
        );
        if begun.contains(&name) { Row::note(name, "index", detail) } else { Row::finding(name, "index", detail) }
    };
    Ok(rows.iter().map(tell).collect())
}

/// By name.
pub(super) type Insides = BTreeMap<String, Inside>;
