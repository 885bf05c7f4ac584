//! `control run` and `control restore`: what a new server needs to know besides the practices' own backups: the registry with its
//! tombstones, how practices are addressed, the laboratories' channels, operators, requests with their certificates, holds.
//!
//! One object, `control/<id>/control.json.zst.age`, encrypted to a key of its own in the folder of keys (`control.age-identity`, or `control.age-identity.wrapped`). It holds
//! no health data. What can be made anew is not in it: the ledger (a restore writes it), spares, records of runs, the guard and its keys
//! (out of the master secret).
//!
//! Must stay true: only what the key's owner made is restored, and only into a registry without tenants; whoever was erased after it was
//! made stays deleted. Nobody is taken for erased whose key and backups are there, whatever lies in the bucket.
use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use labor_catalog::TenantName;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio_postgres::types::Json;
use tokio_postgres::{IsolationLevel, Transaction};

use crate::mac::{self, MacKey};
use crate::{Backup, BackupError, BackupId, manifest, seal};

/// Name of its key.
const KEY: &str = "control";
const FOLDER: &str = "control/";
const NAME: &str = "control.json.zst.age";
const FORMAT: u32 = 1;

/// The tables, in the order in which one refers to another, and which of their rows.
const TABLES: [(&str, &str); 8] = [
    ("operators", "true"),
    ("tenants", "state <> 'spare'"),
    ("tenant_identifiers", "true"),
    ("sources", "true"),
    ("requests", "true"),
    ("holds", "true"),
    ("backup_schedules", "true"),
    (RETENTION, "true"),
];
/// A new database has what the law says; what somebody made of it takes its place.
const RETENTION: &str = "retention";

#[derive(Serialize, Deserialize)]
struct Document {
    format: u32,
    backup: BackupId,
    made_at: DateTime<Utc>,
    tables: BTreeMap<String, Vec<Value>>,
    #[serde(default)]
    mac: String,
}

/// A backup of the control schema: made, or restored.
#[derive(Clone, Debug, Serialize)]
pub struct ControlBackup {
    /// Which one.
    pub backup: BackupId,
    /// When it was made.
    pub made_at: DateTime<Utc>,
    /// Rows of each table.
    pub rows: BTreeMap<String, usize>,
    /// When it was restored: who was erased after it was made, by the certificates in the bucket, and is deleted in the registry now.
    pub erased_since: Vec<TenantName>,
}

impl ControlBackup {
    fn of(backup: BackupId, document: &Document, erased_since: Vec<TenantName>) -> Self {
        let rows = document.tables.iter().map(|(table, rows)| (table.clone(), rows.len())).collect();
        Self { backup, made_at: document.made_at, rows, erased_since }
    }
}

impl Backup {
    /// Backs up the control schema.
    ///
    /// # Errors
    /// When the database or the store refuses; [`BackupError::Refused`] when there are earlier ones and no key.
    pub async fn control_run(&self) -> Result<ControlBackup, BackupError> {
        if !self.keys.has(KEY)? && !self.store.list(FOLDER).await?.is_empty() {
            return Err(BackupError::Refused(format!(
                "there is no key {}, but there are backups of the control schema that a new one can't open. Is LABOR_BACKUP_KEYS (--keys) \
                 the right folder? If the old key is lost, remove {FOLDER} from the bucket first",
                self.keys.file(KEY).display()
            )));
        }
        let sealing = self.keys.sealing_or_make(KEY).await?;
        let made_at = Utc::now();
        let (backup, tables) = (BackupId::new(made_at), self.read_control().await?);
        let document = Document { format: FORMAT, backup: backup.clone(), made_at, tables, mac: String::new() };
        let plain = manifest::sealed(&document, &sealing.mac)?;
        let (_, sealed) = seal::seal(&plain[..], &sealing.recipient, Vec::new())
            .map_err(BackupError::io("seal the control schema"))?;
        self.store.put(&key(&backup), sealed, true).await?;
        Ok(ControlBackup::of(backup, &document, Vec::new()))
    }

    /// Restores the newest backup of the control schema into a database that was prepared and has no tenants yet.
    ///
    /// # Errors
    /// [`BackupError::Refused`] when there are tenants, or a certificate says of one that it was erased whose key and backups are there, [`BackupError::NotFound`] without a backup, [`BackupError::Damaged`] when it is not
    /// what its key's owner made.
    pub async fn control_restore(&self) -> Result<ControlBackup, BackupError> {
        let backup = self.newest_control().await?;
        let document = self.open_control(&backup).await?;
        let erased = self.erased().await?;
        let mut client = self.connect_to_target().await?;
        let during = |what: &str| BackupError::during(format!("control schema: {what}"));
        let transaction = client.transaction().await.map_err(during("begin"))?;
        transaction
            .batch_execute("LOCK TABLE control.tenants IN SHARE ROW EXCLUSIVE MODE")
            .await
            .map_err(during("lock the registry (was `labor-migrator up` run?)"))?;
        let tenants = transaction.query_one("SELECT count(*) FROM control.tenants", &[]).await;
        if tenants.map_err(during("look for tenants"))?.get::<_, i64>(0) > 0 {
            return Err(BackupError::Refused(
                "this database has tenants already; the control schema is restored only into one without".to_owned(),
            ));
        }
        for (table, _) in TABLES {
            let mut rows = document.tables.get(table).cloned();
            if table == "requests" {
                rows.iter_mut().flatten().for_each(begin_anew);
            }
            insert(&transaction, table, rows.as_ref()).await?;
        }
        let mut erased_since = Vec::new();
        for tenant in erased {
            if bury(&transaction, &tenant).await? {
                erased_since.push(tenant);
            }
        }
        transaction.commit().await.map_err(during("commit"))?;
        Ok(ControlBackup::of(backup, &document, erased_since))
    }

    async fn read_control(&self) -> Result<BTreeMap<String, Vec<Value>>, BackupError> {
        let mut client = self.connect_to_target().await?;
        let during = |what: &str| BackupError::during(format!("control schema: {what}"));
        let snapshot = client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true);
        let transaction = snapshot.start().await.map_err(during("begin"))?;
        let mut tables = BTreeMap::new();
        for (table, which) in TABLES {
            // What the database makes out of the other columns it makes again.
            let rows = format!(
                "SELECT to_jsonb(t) - ARRAY(SELECT attname::text FROM pg_attribute
                         WHERE attrelid = 'control.{table}'::regclass AND attgenerated <> '')
                   FROM control.{table} t WHERE {which}"
            );
            let rows = transaction.query(&rows, &[]).await.map_err(during(table))?;
            let rows = rows.iter().map(|row| row.get::<_, Json<Value>>(0).0).collect();
            tables.insert(table.to_owned(), rows);
        }
        Ok(tables)
    }

    async fn newest_control(&self) -> Result<BackupId, BackupError> {
        let newest = self.control_backups(Utc::now()).await?.into_iter().next();
        newest.ok_or_else(|| BackupError::NotFound("there is no backup of the control schema".to_owned()))
    }

    /// Those in the bucket, newest first.
    pub(crate) async fn control_backups(&self, now: DateTime<Utc>) -> Result<Vec<BackupId>, BackupError> {
        let found = self.store.list(FOLDER).await?.into_iter().filter_map(|object| {
            let id = object.key.strip_prefix(FOLDER)?.strip_suffix(NAME)?.strip_suffix('/')?;
            id.parse::<BackupId>().ok().filter(|id| !id.is_future(now))
        });
        let mut found: Vec<_> = found.collect();
        found.sort_by(|a, b| b.cmp(a));
        Ok(found)
    }

    /// When a backup was made, if it can be opened and its key's owner made it.
    ///
    /// # Errors
    /// [`BackupError::Damaged`] when it can't or they did not, [`BackupError::Refused`] when it is of a later format.
    pub(crate) async fn control_made_at(&self, backup: &BackupId) -> Result<DateTime<Utc>, BackupError> {
        Ok(self.open_control(backup).await?.made_at)
    }

    async fn open_control(&self, backup: &BackupId) -> Result<Document, BackupError> {
        let identity = self.keys.open(KEY).await?;
        let missing = || BackupError::NotFound(format!("{} is not there any more", key(backup)));
        let sealed = self.store.get(&key(backup)).await?.ok_or_else(missing)?;
        let mut plain = Vec::new();
        seal::open(&sealed[..], &identity, |chunk| {
            plain.extend_from_slice(&chunk);
            Ok(())
        })?;
        let unreadable = |error: serde_json::Error| BackupError::Damaged(format!("{}: {error}", key(backup)));
        let document: Value = serde_json::from_slice(&plain).map_err(unreadable)?;
        if !mac::fits(&document, &MacKey::of(&identity)?)? {
            return Err(BackupError::Damaged(format!("{} was not made with this key, or was altered", key(backup))));
        }
        let document: Document = serde_json::from_value(document).map_err(unreadable)?;
        // An older one under a newer name would bring back who was deleted in between.
        if document.backup != *backup {
            return Err(BackupError::Damaged(format!("{} is another backup under this name", key(backup))));
        }
        if document.format != FORMAT {
            let format = document.format;
            return Err(BackupError::Refused(format!("{backup} has format {format}, this version reads {FORMAT}")));
        }
        Ok(document)
    }

    /// Who was erased, by the certificates that `erase` leaves in the bucket. Whoever can write there can write one of anybody: a practice
    /// whose key and backups are both there was not erased, or its key came back, and a person has to say which.
    async fn erased(&self) -> Result<Vec<TenantName>, BackupError> {
        let mut erased: Vec<TenantName> = Vec::new();
        for object in self.store.list("certificates/").await?.into_iter().filter(|object| object.key.ends_with(".json"))
        {
            let certificate = self.store.get(&object.key).await?.unwrap_or_default();
            let certificate: Value = serde_json::from_slice(&certificate)
                .map_err(|error| BackupError::Invalid(format!("{} can't be read: {error}", object.key)))?;
            let Some(name) = certificate["tenant"].as_str().and_then(|name| TenantName::parse(name).ok()) else {
                continue;
            };
            if erased.contains(&name) {
                continue;
            }
            if self.keys.has(name.as_str())? && self.store.count(&manifest::folder(&name)).await? > 0 {
                return Err(BackupError::Refused(format!(
                    "{} says that {name} was erased, but its key {} and backups of it are there; nothing was restored. If it was erased (the \
                     folder of keys is a copy from before), remove that key. If it was not, the certificate is forged: remove it, and find \
                     out who can write into the bucket",
                    object.key,
                    self.keys.file(name.as_str()).display()
                )));
            }
            erased.push(name);
        }
        Ok(erased)
    }
}

pub(crate) fn key(backup: &BackupId) -> String {
    format!("{FOLDER}{backup}/{NAME}")
}

/// A deletion that dropped nothing begins anew: what its steps say of logins and times is of the lost server. One that dropped goes on, also
/// if it was recorded before deletions waited (version 9 of the control schema).
fn begin_anew(request: &mut Value) {
    let Some(steps) = request["steps"].as_array_mut() else { return };
    let has = |steps: &[Value], name: &str| steps.iter().any(|step| step["step"] == name);
    if !has(steps, "drop") {
        steps.clear();
        if request["state"] == "running" {
            request["state"] = "approved".into();
        }
        return;
    }
    if !has(steps, "shut") {
        steps.push(json!({ "step": "shut", "counts": {}, "before": "version 9" }));
    }
    for step in steps {
        // Numbers of roles on the lost server: here they may be somebody else's.
        if let Some(counts) = step["counts"].as_object_mut() {
            counts.remove("role_ids");
        }
    }
}

/// Columns that a row of then did not have get what the table gives new rows.
async fn insert(transaction: &Transaction<'_>, table: &str, rows: Option<&Vec<Value>>) -> Result<(), BackupError> {
    let Some(columns) = rows.and_then(|rows| rows.first()).and_then(Value::as_object) else { return Ok(()) };
    let during = || BackupError::during(format!("control schema: restore {table}"));
    if table == RETENTION {
        transaction.execute("DELETE FROM control.retention", &[]).await.map_err(during())?;
    }
    let quoted = columns.keys().map(|column| format!("\"{}\"", column.replace('"', "\"\""))).collect::<Vec<_>>();
    let columns = quoted.join(", ");
    let statement = format!(
        "INSERT INTO control.{table} ({columns}) SELECT {columns} FROM jsonb_populate_recordset(NULL::control.{table}, $1)"
    );
    let inserted = transaction.execute(&statement, &[&Json(rows)]).await;
    inserted.map(drop).map_err(during())
}

/// A tombstone, as `labor-migrator delete` leaves it. Whether there was somebody to bury.
async fn bury(transaction: &Transaction<'_>, tenant: &TenantName) -> Result<bool, BackupError> {
    let during = || BackupError::during(format!("{tenant}: delete it again"));
    for table in ["tenant_identifiers", "backup_schedules"] {
        let theirs = format!("DELETE FROM control.{table} WHERE tenant = $1");
        transaction.execute(&theirs, &[&tenant.as_str()]).await.map_err(during())?;
    }
    let bury = "UPDATE control.tenants SET state = 'deleted', slug = replace(name, '_', '-'), display_name = 'deleted'
                 WHERE name = $1 AND state <> 'deleted'";
    Ok(transaction.execute(bury, &[&tenant.as_str()]).await.map_err(during())? > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deletion_of_a_lost_server_begins_anew_unless_it_dropped() {
        let mut waits = json!({ "state": "running", "steps": [{ "step": "freeze", "counts": { "role_ids": [1] } }] });
        begin_anew(&mut waits);
        assert_eq!(waits, json!({ "state": "approved", "steps": [] }));
        let mut done = json!({ "state": "done", "steps": [{ "step": "freeze", "counts": { "role_ids": [1] } }, { "step": "drop" }] });
        begin_anew(&mut done);
        assert_eq!(done["state"], "done");
        assert_eq!(done["steps"][0], json!({ "step": "freeze", "counts": {} }));
        assert_eq!(done["steps"][2]["step"], "shut", "version 9 of the control schema wants it");
    }
}
