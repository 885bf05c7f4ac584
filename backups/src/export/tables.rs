//! The tables of an export: each as NDJSON (one JSON object a line) and as CSV (RFC 4180 but for line ends, which are LF; with a line of names; null is empty, an empty text is ""), in UTF-8.
//!
//! Must stay true: a table or column is in it because the database has it, unless the catalogue calls it a credential or it is in a
//! file of its own; whatever is left out is named. Values are as they are: a spreadsheet may take one that begins with = for a formula.
use futures_util::TryStreamExt as _;
use labor_catalog::catalogue::{self, Class};
use tokio_postgres::Transaction;
use tokio_postgres::types::ToSql;

use super::folder::Folder;
use super::scope::Scope;
use crate::BackupError;
use crate::proof::Table;

/// The folder of the tables.
pub(super) const FOLDER: &str = "tables";

/// Columns whose content is in files of its own.
const IN_FILES: &[(&str, &str, &str)] = &[("raw_messages", "body", "byte for byte in messages/")];

/// Why a column is not in the tables' files; none: it is.
fn left_out(table: &str, column: &str) -> Option<&'static str> {
    let credential =
        |known: &&catalogue::Column| known.table == table && known.name == column && known.class == Class::Credential;
    if catalogue::TENANT.iter().any(|known| credential(&known)) {
        return Some("a credential, not data of the practice");
    }
    IN_FILES.iter().find(|(t, c, _)| *t == table && *c == column).map(|(_, _, reason)| *reason)
}

/// Writes one table, and says what of it is left out and why: columns, or all of it.
pub(super) async fn export(
    transaction: &Transaction<'_>,
    table: &Table,
    scope: Scope,
    folder: &mut Folder,
) -> Result<Vec<String>, BackupError> {
    let condition = match scope.rows(&table.name) {
        Ok(condition) => condition,
        Err(reason) => return Ok(vec![format!("{}: {reason}", table.name)]),
    };
    let during = || BackupError::during(format!("read {}", table.quoted));
    let columns = "SELECT attname::text, quote_ident(attname) FROM pg_attribute WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum";
    let mut names = Vec::new();
    let mut omitted = Vec::new();
    for row in transaction.query(columns, &[&table.quoted]).await.map_err(during())? {
        let name: String = row.get(0);
        match left_out(&table.name, &name) {
            Some(reason) => omitted.push(format!("{}.{name}: {reason}", table.name)),
            None => names.push(row.get::<_, String>(1)),
        }
    }
    let rows = format!("SELECT {} FROM ONLY {} WHERE {condition}", names.join(", "), table.quoted);
    let count = ndjson(transaction, table, &rows, folder).await?;
    let mut file = folder.begin(format!("{FOLDER}/{}.csv", table.name))?;
    let copy = format!("COPY ({rows}) TO STDOUT WITH (FORMAT csv, HEADER)");
    let mut chunks = std::pin::pin!(transaction.copy_out(&copy).await.map_err(during())?);
    while let Some(chunk) = chunks.try_next().await.map_err(during())? {
        file.write(&chunk)?;
    }
    folder.end(file, Some(count))?;
    Ok(omitted)
}

async fn ndjson(
    transaction: &Transaction<'_>,
    table: &Table,
    rows: &str,
    folder: &mut Folder,
) -> Result<u64, BackupError> {
    let during = || BackupError::during(format!("read {}", table.quoted));
    let mut file = folder.begin(format!("{FOLDER}/{}.ndjson", table.name))?;
    let statement = format!("SELECT pg_catalog.to_jsonb(labor_row)::text FROM ({rows}) AS labor_row");
    let parameters: [&(dyn ToSql + Sync); 0] = [];
    let mut lines = std::pin::pin!(transaction.query_raw(&statement, parameters).await.map_err(during())?);
    let mut count = 0;
    while let Some(line) = lines.try_next().await.map_err(during())? {
        file.write(line.get::<_, &str>(0).as_bytes())?;
        file.write(b"\n")?;
        count += 1;
    }
    folder.end(file, Some(count))?;
    Ok(count)
}
