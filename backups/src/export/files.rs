//! The files of an export that are no tables: messages as laboratories sent them, and the documents that came inside of them.
//!
//! Must stay true: a message is byte for byte what was received; a document is what its SHA-256 in the database says, or it is named
//! as left out. One message is in memory at a time.
use std::collections::BTreeMap;

use aws_lc_rs::digest;
use futures_util::TryStreamExt as _;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, Transaction};
use uuid::Uuid;

use super::folder::Folder;
use super::scope::Scope;
use crate::BackupError;

/// The folder of the messages.
pub(super) const MESSAGES: &str = "messages";
/// The folder of the documents.
pub(super) const DOCUMENTS: &str = "documents";

/// SQL: a document's path in the export; null when the laboratory sent a reference only, or what can't be decoded.
pub(super) const DOCUMENT_FILE: &str = "CASE WHEN d.size_bytes > 0 THEN 'documents/' || d.id || CASE d.media_type
    WHEN 'application/pdf' THEN '.pdf' WHEN 'text/plain' THEN '.txt' WHEN 'image/jpeg' THEN '.jpg' WHEN 'image/png' THEN '.png'
    WHEN 'image/tiff' THEN '.tif' ELSE '.bin' END END";

const NOTHING: [&(dyn ToSql + Sync); 0] = [];

/// The messages as laboratories sent them. For one patient there are none: other people's results can be in them.
pub(super) async fn messages(transaction: &Transaction<'_>, folder: &mut Folder) -> Result<(), BackupError> {
    let during = || BackupError::during("read the messages");
    folder.section(MESSAGES)?;
    let statement = "SELECT id, body, CASE format WHEN 'HL7' THEN 'hl7' ELSE 'ldt' END FROM raw_messages ORDER BY id";
    let mut rows = std::pin::pin!(transaction.query_raw(statement, NOTHING).await.map_err(during())?);
    while let Some(row) = rows.try_next().await.map_err(during())? {
        let (id, extension): (Uuid, &str) = (row.get(0), row.get(2));
        folder.put(format!("{MESSAGES}/{id}.{extension}"), row.get(1))?;
    }
    Ok(())
}

/// The documents that were inside of messages, decoded. Gives which are there, and what is not, in words.
pub(super) async fn documents(
    transaction: &Transaction<'_>,
    scope: Scope,
    folder: &mut Folder,
) -> Result<(Vec<Uuid>, Vec<String>), BackupError> {
    let during = || BackupError::during("read the documents");
    folder.section(DOCUMENTS)?;
    let condition = scope.rows("documents").unwrap_or_else(|_| "false".to_owned());
    let statement = format!(
        "SELECT d.id, d.sha256, {DOCUMENT_FILE}, d.raw_message_id FROM documents d WHERE {condition} ORDER BY d.raw_message_id, d.id"
    );
    let (mut there, mut omitted) = (Vec::new(), Vec::new());
    let mut decoded: (Option<Uuid>, BTreeMap<Vec<u8>, Vec<u8>>) = (None, BTreeMap::new());
    let rows: Vec<Row> = transaction.query(&statement, &[]).await.map_err(during())?;
    for row in rows {
        let (id, sha256, file, message): (Uuid, Vec<u8>, Option<String>, Uuid) =
            (row.get(0), row.get(1), row.get(2), row.get(3));
        let Some(file) = file else {
            omitted.push(format!(
                "document {id}: the laboratory sent no content that can be decoded, or a reference to it"
            ));
            continue;
        };
        if decoded.0 != Some(message) {
            let body = transaction.query_one("SELECT body FROM raw_messages WHERE id = $1", &[&message]).await;
            decoded = (Some(message), inside(&body.map_err(during())?.get::<_, Vec<u8>>(0)));
        }
        match decoded.1.get(&sha256) {
            Some(content) => {
                folder.put(file, content)?;
                there.push(id);
            }
            None => omitted.push(format!("document {id}: it is not found in message {message} as it was stored")),
        }
    }
    Ok((there, omitted))
}

/// What is inside of a message, by its SHA-256.
fn inside(message: &[u8]) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let contents: Vec<Vec<u8>> = if hl7::looks_like_hl7(message) {
        let reports = hl7::read(message).map(|read| read.reports).unwrap_or_default();
        reports.into_iter().flat_map(|report| report.attachments).filter_map(|attachment| attachment.bytes).collect()
    } else {
        let reports = ldt::read(message).map(|read| read.reports).unwrap_or_default();
        reports.iter().flat_map(|report| &report.attachments).filter_map(ldt::Attachment::decode).collect()
    };
    contents.into_iter().map(|content| (digest::digest(&digest::SHA256, &content).as_ref().to_vec(), content)).collect()
}
