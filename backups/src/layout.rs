//! What the dumps of all tenants of one class have in common: everything but the schema's name and the rows. Read once from a real
//! `pg_dump` of one of them, then filled for each with one COPY per table, all in one snapshot of that tenant.
//!
//! Why: `pg_dump` reads the catalog of the whole fleet for one tenant, which takes seconds among thousands.
//!
//! Must stay true: the text is the one that `pg_dump` would write, byte for byte but for its random token (each fleet run compares);
//! the rows are as many as were counted in the same snapshot; only a schema that [fits](Layout::fits) is written with it.
use std::fmt::Write as _;

use futures_util::TryStreamExt as _;
use labor_catalog::TenantName;
use tokio::sync::mpsc::Sender;
use tokio_postgres::Transaction;

use crate::BackupError;
use crate::pipe::{CHUNK, Chunk};
use crate::proof::Contents;
use crate::script::{Piece, Scanner, is_restriction};

/// What `pg_dump` 15 sets before it reads rows (setup_connection in pg_dump.c), and the settings of [`crate::proof`] as the login has them.
const READ_LIKE_PG_DUMP: &str =
    "SET LOCAL search_path = ''; SET LOCAL DateStyle = 'ISO'; SET LOCAL IntervalStyle = 'postgres';
    SET LOCAL extra_float_digits = 3; SET LOCAL synchronize_seqscans = off; SET LOCAL row_security = off;
    SET LOCAL TimeZone TO DEFAULT; SET LOCAL bytea_output TO DEFAULT; SET LOCAL xmlbinary TO DEFAULT;
    SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0";

/// The text of a class.
pub(crate) struct Layout {
    fingerprint: String,
    version: i32,
    besides: Option<String>,
    /// Whose dump it was read from.
    of: TenantName,
    /// Its random token.
    token: Option<String>,
    parts: Vec<Part>,
}

enum Part {
    Text(String),
    /// `COPY schema.table (columns)`; the rows' place.
    Rows {
        copy: String,
    },
}

/// Reads a layout from the text of a dump, without keeping its rows.
#[derive(Default)]
pub(crate) struct Reader {
    scanner: Scanner,
    parts: Vec<Part>,
    token: Option<String>,
    /// What no layout can hold.
    unfit: Option<&'static str>,
}

impl Reader {
    /// Takes in more of the text.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        let Self { scanner, parts, token, unfit } = self;
        scanner.feed(bytes, |piece| match piece {
            Piece::Text(line) => {
                let Ok(line) = std::str::from_utf8(line) else {
                    *unfit = Some("its definitions are not UTF-8");
                    return;
                };
                if token.is_none() && is_restriction(line.as_bytes()) {
                    *token = line.trim_end().split_once(' ').map(|(_, token)| token.to_owned());
                }
                // A sequence's value, a large object: a tenant's own, in the middle of the text.
                if line.starts_with("SELECT pg_catalog.setval(") || line.starts_with("SELECT pg_catalog.lo_") {
                    *unfit = Some("it has sequences or large objects");
                }
                match parts.last_mut() {
                    Some(Part::Text(text)) => text.push_str(line),
                    _ => parts.push(Part::Text(line.to_owned())),
                }
            }
            Piece::Copy(line) => {
                match std::str::from_utf8(line).ok().and_then(|line| line.strip_suffix(" FROM stdin;\n")) {
                    Some(copy) => parts.push(Part::Rows { copy: copy.to_owned() }),
                    None => *unfit = Some("its definitions are not UTF-8"),
                }
            }
            Piece::Rows(_) | Piece::End => {}
        });
    }

    /// The layout, when the text was whole; `contents` was taken in the dump's snapshot.
    pub(crate) fn finish(self, of: TenantName, contents: Contents) -> Result<Layout, BackupError> {
        self.scanner.finish()?;
        match self.unfit {
            Some(why) => Err(BackupError::Dump(format!("the dump of {of} can't serve for its class: {why}"))),
            None => Ok(Layout {
                fingerprint: contents.fingerprint,
                version: contents.version,
                besides: contents.besides,
                of,
                token: self.token,
                parts: self.parts,
            }),
        }
    }
}

impl Layout {
    /// Whether this is the schema's text.
    pub(crate) fn fits(&self, contents: &Contents) -> bool {
        self.fingerprint == contents.fingerprint
            && self.version == contents.version
            && self.besides.is_some()
            && self.besides == contents.besides
    }

    /// Passes on the dump of a tenant. `contents` was taken in the transaction's snapshot. Changes settings of the transaction.
    pub(crate) async fn pass_on(
        &self,
        transaction: &Transaction<'_>,
        tenant: &TenantName,
        contents: &Contents,
        to: Sender<Chunk>,
    ) -> Result<(), BackupError> {
        let written = self.write(transaction, tenant, contents, to.clone()).await;
        if written.is_err() {
            // It must not look like the end of the text.
            let _ = to.send(Err(std::io::Error::other("the dump failed"))).await;
        }
        written
    }

    async fn write(
        &self,
        transaction: &Transaction<'_>,
        tenant: &TenantName,
        contents: &Contents,
        to: Sender<Chunk>,
    ) -> Result<(), BackupError> {
        transaction
            .batch_execute(READ_LIKE_PG_DUMP)
            .await
            .map_err(BackupError::during(format!("{tenant}: prepare reading")))?;
        let token = self.token.as_ref().map(|_| random_token()).transpose()?;
        let mut out = Out { to, buffer: Vec::with_capacity(2 * CHUNK) };
        let mut tables = 0;
        for part in &self.parts {
            match part {
                Part::Text(text) => out.write(self.written(text, tenant, token.as_deref()).as_bytes()).await?,
                Part::Rows { copy } => {
                    let copy = copy.replace(self.of.as_str(), tenant.as_str());
                    out.write(format!("{copy} FROM stdin;\n").as_bytes()).await?;
                    let table = copy.split(' ').nth(1).unwrap_or_default();
                    let name = table.strip_prefix(&format!("{tenant}.")).unwrap_or_default().trim_matches('"');
                    let expected = contents.tables.get(name).ok_or_else(|| missing(tenant, table))?;
                    if expected.rows > 0 {
                        let rows = out.rows(transaction, &copy).await?;
                        if rows != expected.rows {
                            return Err(BackupError::Dump(format!(
                                "{table} gave {rows} rows instead of {}",
                                expected.rows
                            )));
                        }
                    }
                    tables += 1;
                    out.write(b"\\.\n").await?;
                }
            }
        }
        if tables != contents.tables.len() {
            return Err(BackupError::Dump(format!(
                "{tenant} has {} tables, its class {tables}",
                contents.tables.len()
            )));
        }
        out.flush().await
    }

    fn written(&self, text: &str, tenant: &TenantName, token: Option<&str>) -> String {
        let text = text.replace(self.of.as_str(), tenant.as_str());
        match (&self.token, token) {
            (Some(old), Some(new)) => text.replace(old, new),
            _ => text,
        }
    }
}

fn missing(tenant: &TenantName, table: &str) -> BackupError {
    BackupError::Dump(format!("{tenant} has no table {table}, its class has"))
}

/// Nobody who can write rows may guess it.
fn random_token() -> Result<String, BackupError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

/// Collects small pieces.
struct Out {
    to: Sender<Chunk>,
    buffer: Vec<u8>,
}

impl Out {
    /// In pieces: one row may be hundreds of megabytes.
    async fn write(&mut self, bytes: &[u8]) -> Result<(), BackupError> {
        for piece in bytes.chunks(CHUNK) {
            self.buffer.extend_from_slice(piece);
            if self.buffer.len() >= CHUNK {
                self.flush().await?;
            }
        }
        Ok(())
    }

    /// Nobody reads any more: the reason is the other side's to tell.
    async fn flush(&mut self) -> Result<(), BackupError> {
        let chunk = std::mem::replace(&mut self.buffer, Vec::with_capacity(2 * CHUNK));
        self.to.send(Ok(chunk)).await.map_err(|_| BackupError::Dump("its reader went away".to_owned()))
    }

    /// The rows of a table, and how many.
    async fn rows(&mut self, transaction: &Transaction<'_>, copy: &str) -> Result<u64, BackupError> {
        let during = || BackupError::during(format!("{copy} TO stdout"));
        let rows = transaction.copy_out(&format!("{copy} TO stdout")).await.map_err(during())?;
        let mut rows = std::pin::pin!(rows);
        let mut count = 0;
        while let Some(bytes) = rows.try_next().await.map_err(during())? {
            count += bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
            self.write(&bytes).await?;
        }
        Ok(count)
    }
}
