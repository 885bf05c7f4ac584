//! A seal: one document that says which rows of a practice's audit were there, and what was in them.
//!
//! Its first line is a header in JSON, the second the header's signature (Ed25519, base64), each further one a row: its id and the
//! SHA-256 of its content in hex. The header has the lines' Merkle root and the SHA-256 of the header before it, so that the newest header
//! stands for every row that was ever sealed.
//!
//! Must stay true: what is in it tells nothing of a patient (ids and hashes); it can be checked without Labor (docs/check-audit.py does);
//! a row's hash changes when anything in the row does, and the root when anything in a line does.
use aws_lc_rs::digest::{Context, SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chrono::{DateTime, Utc};
use labor_catalog::TenantName;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{BackupError, PublicKey, SigningKey};

const WHAT: &str = "labor audit seal";
const FORMAT: u32 = 1;

/// SHA-256.
pub(crate) type Hash = [u8; 32];

/// What is signed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Header {
    /// What this is: `labor audit seal`.
    pub(crate) what: String,
    /// Version of this form: 1.
    pub(crate) format: u32,
    /// Opaque name of the practice.
    pub(crate) tenant: TenantName,
    /// 1, 2, 3 … of this practice.
    pub(crate) number: u64,
    /// SHA-256 of the header before it, in hex; absent in the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) previous: Option<String>,
    /// After the look at the rows was taken, by the database's clock: whatever is in it was committed by then.
    pub(crate) sealed_at: DateTime<Utc>,
    /// Whatever was committed by then is in this seal or in one before it, but for what was dated more than [`super::WINDOW`] before the
    /// time to which the seals before had come. Absent: not all that there was at first is sealed yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) complete_until: Option<DateTime<Utc>>,
    /// There was more than one seal takes, and the next goes on behind this row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reached: Option<Reached>,
    /// The columns whose values are in each row's hash, in their order.
    pub(crate) columns: Vec<String>,
    /// Rows in this seal.
    pub(crate) rows: u64,
    /// Rows in this seal and all before it.
    pub(crate) total: u64,
    /// The Merkle root of the rows' lines in hex: the tree of RFC 6962, section 2.1.
    pub(crate) root: String,
    /// SHA-256 of the public key (DER) that the signature is checked with, in hex.
    pub(crate) key: String,
    /// Version of the program that made it.
    pub(crate) software: String,
}

/// A place in the audit, by time and then by id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reached {
    pub(crate) at: DateTime<Utc>,
    pub(crate) id: Uuid,
    /// When the first of the looks was begun of which this is one: the last of them leaves all complete until then.
    pub(crate) begun: DateTime<Utc>,
}

/// A row that was sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SealedRow {
    pub(crate) id: Uuid,
    /// SHA-256 of its content.
    pub(crate) hash: Hash,
}

impl SealedRow {
    /// Its line. What is signed is this text, so that nothing in it can be written otherwise.
    fn line(&self) -> String {
        format!("{} {}", self.id, hex::encode(self.hash))
    }

    fn read(line: &str) -> Option<Self> {
        let (id, digits) = line.split_once(' ')?;
        let mut hash = Hash::default();
        hex::decode_to_slice(digits, &mut hash).ok()?;
        Some(Self { id: id.parse().ok()?, hash }).filter(|row| row.line() == line)
    }

    /// RFC 6962, section 2.1: the zero byte before a leaf and the one before an inner node keep one from standing for the other.
    fn leaf(&self) -> Hash {
        sha256(&[&[0], self.line().as_bytes()])
    }
}

/// A seal that is what its header says.
#[derive(Debug)]
pub(crate) struct Seal {
    pub(crate) header: Header,
    pub(crate) rows: Vec<SealedRow>,
    /// SHA-256 of the header's line, in hex.
    pub(crate) head: String,
}

/// What the next seal follows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Link {
    /// The newest seal's number; 0: there is none.
    pub(crate) number: u64,
    /// SHA-256 of its header, in hex.
    pub(crate) head: Option<String>,
    /// Rows sealed so far.
    pub(crate) total: u64,
    /// Its [`Header::complete_until`].
    pub(crate) complete_until: Option<DateTime<Utc>>,
    /// Its [`Header::reached`].
    pub(crate) reached: Option<Reached>,
}

/// What a look at the audit found.
pub(crate) struct New {
    /// By the database's clock, before the look was taken.
    pub(crate) begun: DateTime<Utc>,
    /// And after it.
    pub(crate) sealed_at: DateTime<Utc>,
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<SealedRow>,
    /// When each of the rows says that it was written.
    pub(crate) times: Vec<DateTime<Utc>>,
    /// The last row, when there may be more.
    pub(crate) reached: Option<Reached>,
}

/// The hash of a row: SHA-256 of the values of these columns as a JSON array without spaces, each as PostgreSQL's `to_jsonb` writes it in
/// the time zone UTC, a column that is not there as null.
pub(crate) fn content(columns: &[String], row: &Map<String, Value>) -> Hash {
    let values: Vec<_> = columns.iter().map(|column| row.get(column).unwrap_or(&Value::Null)).collect();
    sha256(&[serde_json::json!(values).to_string().as_bytes()])
}

fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => sha256(&[]),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            sha256(&[&[1], &root(left), &root(right)])
        }
    }
}

fn sha256(parts: &[&[u8]]) -> Hash {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    let mut hash = Hash::default();
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

impl Seal {
    /// The next seal of a practice, and its document.
    pub(crate) fn make(
        tenant: &TenantName,
        after: &Link,
        new: New,
        key: &SigningKey,
    ) -> Result<(Self, Vec<u8>), BackupError> {
        let New { begun, sealed_at, columns, rows, reached, times: _ } = new;
        let complete = after.reached.as_ref().map_or(begun, |reached| reached.begun);
        let leaves: Vec<_> = rows.iter().map(SealedRow::leaf).collect();
        let count = rows.len() as u64;
        let header = Header {
            what: WHAT.to_owned(),
            format: FORMAT,
            tenant: tenant.clone(),
            number: after.number + 1,
            previous: after.head.clone(),
            sealed_at,
            complete_until: if reached.is_some() { after.complete_until } else { Some(complete) },
            reached,
            columns,
            rows: count,
            total: after.total + count,
            root: hex::encode(root(&leaves)),
            key: key.public().fingerprint.clone(),
            software: concat!("labor-backup ", env!("CARGO_PKG_VERSION")).to_owned(),
        };
        let line = serde_json::to_string(&header).map_err(|error| BackupError::Invalid(error.to_string()))?;
        let mut document = format!("{line}\n{}\n", BASE64.encode(key.sign(line.as_bytes())));
        for row in &rows {
            document.push_str(&row.line());
            document.push('\n');
        }
        Ok((Self { header, rows, head: fingerprint(&line) }, document.into_bytes()))
    }

    /// Reads a seal of a practice, signed by one of these keys; none given: by whomever. Says what it is not.
    pub(crate) fn read(document: &[u8], tenant: &TenantName, keys: Option<&[PublicKey]>) -> Result<Self, String> {
        let text = std::str::from_utf8(document).map_err(|_| "it is not text".to_owned())?;
        let mut lines = text.split_terminator('\n');
        let (line, signature) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
        if let Some(keys) = keys {
            let signature = BASE64.decode(signature).map_err(|_| "its signature can't be read".to_owned())?;
            if !keys.iter().any(|key| key.proves(line.as_bytes(), &signature)) {
                return Err("it is not what the owner of a key that was given signed".to_owned());
            }
        }
        let header: Header = serde_json::from_str(line).map_err(|_| "its header can't be read".to_owned())?;
        if header.what != WHAT || header.format != FORMAT {
            return Err(format!("it is {:?} of form {}, which this version does not know", header.what, header.format));
        }
        if header.tenant != *tenant {
            return Err(format!("it is one of {}", header.tenant));
        }
        let rows = lines.map(SealedRow::read).collect::<Option<Vec<_>>>().ok_or("one of its rows can't be read")?;
        let leaves: Vec<_> = rows.iter().map(SealedRow::leaf).collect();
        if rows.len() as u64 != header.rows || hex::encode(root(&leaves)) != header.root {
            return Err("its rows are not those that its header was signed for".to_owned());
        }
        Ok(Self { header, rows, head: fingerprint(line) })
    }

    /// Itself, if its number is the one in its name.
    pub(crate) fn numbered(self, number: u64) -> Result<Self, String> {
        let its = self.header.number;
        if its == number { Ok(self) } else { Err(format!("it is the one with the number {its}")) }
    }

    /// What the next one follows.
    pub(crate) fn link(&self) -> Link {
        let Header { number, total, complete_until, reached, .. } = self.header.clone();
        Link { number, head: Some(self.head.clone()), total, complete_until, reached }
    }
}

fn fingerprint(line: &str) -> String {
    hex::encode(digest(&SHA256, line.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tree heads of RFC 6962's reference implementation (certificate-transparency, merkle_tree_test.cc) for its first inputs.
    #[test]
    fn the_root_is_that_of_rfc_6962() {
        let inputs: [&[u8]; 4] = [b"", b"\x00", b"\x10", b"\x20\x21"];
        let leaves = inputs.map(|input| sha256(&[&[0], input]));
        let expected = [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ];
        for (count, expected) in (1..).zip(expected) {
            assert_eq!(hex::encode(root(&leaves[..count])), expected, "{count} leaves");
        }
    }

    #[test]
    fn a_rows_hash_is_of_its_values_in_the_columns_order() {
        let row = serde_json::json!({"b": null, "a": "x\"ü", "c": "later"});
        let columns = ["a", "b"].map(str::to_owned);
        assert_eq!(content(&columns, row.as_object().unwrap()), sha256(&["[\"x\\\"ü\",null]".as_bytes()]));
    }
}
