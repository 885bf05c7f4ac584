//! What a tenant's schema says of itself: its stamp, and refinery's history.
//! Must stay true: one statement reads them for a page; a table that somebody changed so that it can't be read is that tenant's finding
//! and nobody else's.
use tokio_postgres::Client;

use super::Row;
use super::tenants::Insides;
use crate::MigratorError;
use crate::chain::Chain;

/// Stamp and history of one schema.
pub(super) struct Inside {
    stamp: Option<(String, i32, String)>,
    /// A line for each migration: version, name, checksum.
    history: Vec<String>,
}

/// Reads them of schemas that have both tables.
pub(super) async fn read(client: &Client, names: &[&str], rows: &mut Vec<Row>) -> Result<Insides, MigratorError> {
    if names.is_empty() {
        return Ok(Insides::new());
    }
    match read_all(client, names).await {
        Ok(insides) => Ok(insides),
        Err(error) if error.as_db_error().is_none() => Err(MigratorError::during("read the stamps")(error)),
        Err(_) => {
            let mut insides = Insides::new();
            for name in names {
                match read_all(client, &[name]).await {
                    Ok(inside) => insides.extend(inside),
                    Err(error) if error.as_db_error().is_none() => {
                        return Err(MigratorError::during(format!("{name}: read the stamp"))(error));
                    }
                    Err(error) => {
                        let error =
                            MigratorError::during("schema_stamp or refinery_schema_history can't be read")(error);
                        rows.push(Row::finding(name, "stamp", error.to_string()));
                    }
                }
            }
            Ok(insides)
        }
    }
}

async fn read_all(client: &Client, names: &[&str]) -> Result<Insides, tokio_postgres::Error> {
    let parts = names.iter().map(|name| {
        format!(
            "SELECT '{name}', s.tenant, s.version, s.chain_checksum,
                    ARRAY(SELECT concat_ws(' ', h.version, h.name, h.checksum) FROM {name}.refinery_schema_history h ORDER BY h.version)
               FROM (VALUES (1)) AS one (row) LEFT JOIN {name}.schema_stamp s ON true"
        )
    });
    let sql = parts.collect::<Vec<_>>().join("\nUNION ALL\n");
    let rows = client.query(&sql, &[]).await?;
    let inside = |row: &tokio_postgres::Row| {
        let stamp = row.get::<_, Option<i32>>(2).map(|version| (row.get(1), version, row.get(3)));
        (row.get(0), Inside { stamp, history: row.get(4) })
    };
    Ok(rows.iter().map(inside).collect())
}

impl Inside {
    /// The stamp is written in the transaction that writes the ledger.
    /// The stamp is that of the last one, so whose next part was begun (`checksum` is `None`) is compared by version only.
    pub(super) fn against_ledger(&self, name: &str, version: i32, checksum: Option<&str>) -> Option<Row> {
        let detail = match &self.stamp {
            None => "its schema_stamp is empty".to_owned(),
            Some((tenant, ..)) if tenant != name => format!("its stamp is that of {tenant}: another tenant's copy stands in its place"),
            Some((_, stamped, _)) if *stamped != version => {
                format!("its stamp says version {stamped}, the ledger {version}; after a restore: `labor-backup restore` again, or `labor-migrator up`")
            }
            Some((_, _, stamped)) if checksum.is_some_and(|checksum| stamped != checksum) => {
                "its stamp and the ledger have different checksums of the same version: one of them was changed by hand or restored".to_owned()
            }
            Some(_) => return None,
        };
        Some(Row::finding(name, "stamp", detail))
    }

    /// The history has each file up to the version, once, as it is.
    pub(super) fn against_files(&self, name: &str, version: i32, chain: &Chain) -> Option<Row> {
        chain.at(version).ok()?; // Told as a version that is not known.
        let expected = chain.history(version).ok()?;
        if expected == self.history {
            return None;
        }
        let detail = match expected.iter().zip(&self.history).find(|(file, row)| file != row) {
            Some((file, row)) => {
                format!("the history has {row:?} where the files have {file:?} (version, name, checksum)")
            }
            None if expected.len() > self.history.len() => {
                format!(
                    "the history ends before {:?}, and the ledger says version {version}",
                    expected[self.history.len()]
                )
            }
            None => format!(
                "the history goes on with {:?}, and the ledger says version {version}",
                self.history[expected.len()]
            ),
        };
        Some(Row::finding(name, "history", detail))
    }
}
