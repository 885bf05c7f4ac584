//! The results of an export as FHIR R4 (4.0.1): a Bundle for each patient, and one for the reports that are nobody's yet.
//!
//! Must stay true: `fhir.sql` says what is in an entry; here it becomes a file, entry by entry, whatever the number of results.
use futures_util::TryStreamExt as _;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Statement, Transaction};
use uuid::Uuid;

use super::files::DOCUMENT_FILE;
use super::folder::Folder;
use super::scope::Scope;
use crate::BackupError;

/// The folder of the Bundles.
pub(super) const FOLDER: &str = "fhir";

/// Writes the Bundles, which point to these documents; says how many.
pub(super) async fn export(
    transaction: &Transaction<'_>,
    scope: Scope,
    documents: &[Uuid],
    timestamp: &str,
    folder: &mut Folder,
) -> Result<usize, BackupError> {
    let during = || BackupError::during("read the results for FHIR");
    folder.section(FOLDER)?;
    let sql = include_str!("fhir.sql").replace("{document_file}", DOCUMENT_FILE).replace("{reports}", &scope.reports());
    let statement = transaction.prepare(&sql).await.map_err(during())?;
    let patients: Vec<Uuid> = match scope {
        Scope::Patient(patient) => vec![patient],
        Scope::Practice => {
            let rows = transaction.query("SELECT id FROM patients ORDER BY id", &[]).await.map_err(during())?;
            rows.iter().map(|row| row.get(0)).collect()
        }
    };
    for patient in &patients {
        bundle(transaction, &statement, (Some(*patient), documents), timestamp, folder).await?;
    }
    if scope == Scope::Practice {
        bundle(transaction, &statement, (None, documents), timestamp, folder).await?;
    }
    Ok(patients.len() + usize::from(scope == Scope::Practice))
}

async fn bundle(
    transaction: &Transaction<'_>,
    statement: &Statement,
    (patient, documents): (Option<Uuid>, &[Uuid]),
    timestamp: &str,
    folder: &mut Folder,
) -> Result<(), BackupError> {
    let during = || BackupError::during("read the results for FHIR");
    let name = patient.map_or_else(|| "nobody".to_owned(), |patient| patient.to_string());
    let mut file = folder.begin(format!("{FOLDER}/{name}.json"))?;
    file.write(format!(r#"{{"resourceType":"Bundle","type":"collection","timestamp":"{timestamp}""#).as_bytes())?;
    let parameters: [&(dyn ToSql + Sync); 2] = [&patient, &documents];
    let mut entries = std::pin::pin!(transaction.query_raw(statement, parameters).await.map_err(during())?);
    let mut before: &[u8] = b",\"entry\":[\n";
    while let Some(entry) = entries.try_next().await.map_err(during())? {
        file.write(before)?;
        file.write(plain_spaces(entry.get(0)).as_bytes())?;
        before = b",\n";
    }
    // A FHIR array is never empty.
    file.write(if before == b",\n" { b"\n]}\n" } else { b"}\n" })?;
    folder.end(file, None)
}

/// JSON whose texts have no white space but space, tab and line ends, and no control characters: FHIR's string allows no other
/// (<https://hl7.org/fhir/R4/datatypes.html#string>), and laboratories send no-break spaces.
fn plain_spaces(json: &str) -> String {
    let mut plain = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = rest.find(|c: char| c == '\\' || other_space(c)) {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        let (length, becomes) = match rest.as_bytes() {
            // Postgres writes control characters as \b, \f, \n, \r, \t and \u00XX.
            [b'\\', b'b' | b'f', ..] => (2, " "),
            [b'\\', b'u', b'0', b'0', ..] => (6, " "),
            // Of another escape both characters stay, so that an escaped backslash begins none.
            [b'\\', ..] => (2, &rest[..2]),
            _ => (rest.chars().next().map_or(1, char::len_utf8), " "),
        };
        plain.push_str(becomes);
        rest = &rest[length..];
    }
    plain + rest
}

fn other_space(c: char) -> bool {
    c == '\u{feff}' || (c.is_whitespace() && !matches!(c, ' ' | '\t' | '\r' | '\n'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_white_space_becomes_a_space_and_everything_else_stays() {
        assert_eq!(plain_spaces("{\"a\":\"5\u{a0}mg\u{2009}x\"}"), "{\"a\":\"5 mg x\"}");
        assert_eq!(plain_spaces(r#""a\u000bb\fc\u001bd\be""#), r#""a b c d e""#);
        assert_eq!(plain_spaces(r#""a\\u000b\\f\n\"ü€""#), r#""a\\u000b\\f\n\"ü€""#);
    }
}
