//! Rows of a tenant into its clone.
//! Must stay true: what is read goes to the same database server as it comes, in PostgreSQL's binary form; nothing is written elsewhere or
//! told. A table comes after those that its foreign keys refer to.
use futures_util::{SinkExt as _, StreamExt as _, pin_mut};
use labor_catalog::TenantName;
use tokio_postgres::{Config, Transaction};

use crate::MigratorError;

/// Belong to the migrator; the clone has its own.
const OWN: [&str; 2] = ["refinery_schema_history", "schema_stamp"];

/// Copies every table; the number of rows.
pub(super) async fn fill(
    transaction: &Transaction<'_>,
    backup: &Config,
    from: &TenantName,
    to: &TenantName,
) -> Result<u64, MigratorError> {
    let mut source = labor_connect::connect(backup).await?;
    let reading = || MigratorError::during(format!("read the rows of {from} as labor_backup"));
    // One snapshot: a row that comes in the meantime would miss what it refers to.
    let snapshot = source
        .build_transaction()
        .isolation_level(tokio_postgres::IsolationLevel::RepeatableRead)
        .read_only(true)
        .start()
        .await
        .map_err(reading())?;
    let rows = snapshot
        .query(
            "SELECT c.relname::text, string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum)
               FROM pg_depend d JOIN pg_class c ON c.oid = d.objid AND c.relkind = 'r'
               JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
              WHERE d.refclassid = 'pg_namespace'::regclass AND d.refobjid = (SELECT oid FROM pg_namespace WHERE nspname = $1)
                AND d.classid = 'pg_class'::regclass GROUP BY c.relname",
            &[&from.as_str()],
        )
        .await
        .map_err(reading())?;
    let mut tables: Vec<(String, String)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    tables.retain(|(table, _)| !OWN.contains(&table.as_str()));
    tables.sort_by_key(|(table, _)| place(table));
    let mut count = 0;
    for (table, columns) in tables {
        let during = |what| MigratorError::during(format!("{what} {table}"));
        let out = format!("COPY {from}.\"{table}\" ({columns}) TO STDOUT (FORMAT binary)");
        let stream = snapshot.copy_out(&out).await.map_err(during("read"))?;
        let into = format!("COPY {to}.\"{table}\" ({columns}) FROM STDIN (FORMAT binary)");
        let sink = transaction.copy_in(&into).await.map_err(during("fill"))?;
        pin_mut!(stream, sink);
        while let Some(bytes) = stream.next().await {
            sink.send(bytes.map_err(during("read"))?).await.map_err(during("fill"))?;
        }
        count += sink.finish().await.map_err(during("fill"))?;
    }
    Ok(count)
}

/// As the catalogue has them, which is the order in which they can be restored; unknown ones last.
fn place(table: &str) -> usize {
    let columns = labor_catalog::catalogue::TENANT;
    columns.iter().position(|column| column.table == table).unwrap_or(columns.len())
}
