//! Where a practice stands before, between and after the steps of a restore over it: what the registry and the record of runs say.
//! Must stay true: each step that changes something writes its run in the transaction that does it, so whoever comes after a killed run
//! reads here how far it came; nothing else remembers it.
use labor_catalog::{SERVED_VERSIONS, TenantName};
use labor_migrator::run;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Json;
use tokio_postgres::{Client, Transaction};
use uuid::Uuid;

use crate::carry::Carried;
use crate::{BackupError, BackupId, Manifest};

/// The run that puts a backup in the practice's place.
pub(crate) const OVER: &str = "restore over";
/// The run that puts back what was kept.
pub(crate) const BACK: &str = "restore back";
/// The run that ends one of these of a practice that stays suspended; else its resumption does.
pub(crate) const END: &str = "restore end";
/// The run that drops what was kept.
pub(crate) const CONFIRM: &str = "restore confirm";
/// Why the practice is suspended meanwhile.
pub(crate) const REASON: &str = "a restore takes its place";

/// A practice whose schema was replaced: by a backup, or by what was kept of it. Its run keeps it as well.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Replaced {
    /// Which practice.
    pub tenant: TenantName,
    /// Out of which backup; none: it is what was kept.
    pub backup: Option<BackupId>,
    /// What was in its place is kept under this name; none: there was nothing.
    pub kept: Option<TenantName>,
    /// Rows that were restored.
    pub rows: u64,
    /// What was taken over from what is kept, and enqueued.
    pub carried: Carried,
    /// Version that it is brought to before it is served.
    pub version: i32,
    /// Whether it is opened then; else it was suspended before, and stays so.
    pub opened: bool,
    /// What could not be compared or taken over, if anything.
    pub remarks: Vec<String>,
}

impl Replaced {
    /// Records it, in the transaction that does it.
    pub(crate) async fn note(&self, transaction: &Transaction<'_>) -> Result<Uuid, BackupError> {
        let command = if self.backup.is_some() { OVER } else { BACK };
        Ok(run::note(transaction, command, &json!(self)).await?)
    }
}

/// What is known of a practice.
pub(crate) struct Practice {
    pub(crate) tenant: TenantName,
    state: String,
    display_name: String,
    kind: String,
    /// A deletion was approved, or is under way.
    deletion: bool,
    /// Whether its schema is there.
    pub(crate) there: bool,
    /// An operator holds it back from migrations.
    held: bool,
    /// Its version by the ledger, or else the one at which practices are born.
    version: i32,
    /// The last run that opened or shut it.
    last: Option<(String, Value)>,
}

impl Practice {
    pub(crate) async fn look(client: &Client, tenant: &TenantName) -> Result<Self, BackupError> {
        let row = client
            .query_opt(
                "SELECT t.state, t.display_name, t.kind,
                        EXISTS (SELECT FROM control.requests r
                                 WHERE r.tenant = t.name AND r.kind = 'deletion' AND r.state IN ('approved', 'running')),
                        EXISTS (SELECT FROM pg_namespace WHERE nspname = t.name), coalesce(l.version, f.generation), r.command, r.arguments,
                        l.held_at IS NOT NULL
                   FROM control.tenants t CROSS JOIN control.fleet f LEFT JOIN control.ledger l ON l.tenant = t.name
                   LEFT JOIN LATERAL (SELECT command, arguments FROM control.runs
                                       WHERE command = ANY ($2) AND outcome = 'completed' AND arguments ->> 'tenant' = t.name
                                       ORDER BY started_at DESC, id DESC LIMIT 1) r ON true
                  WHERE t.name = $1",
                &[&tenant.as_str(), &[OVER, BACK, END, "suspend", "resume"].as_slice()],
            )
            .await
            .map_err(BackupError::during(format!("look where {tenant} stands")))?
            .ok_or_else(|| {
                BackupError::NotFound(format!(
                    "this database knows no practice {tenant}; `restore --into` restores it beside the others, and after the loss of a \
                     server the control schema is restored first"
                ))
            })?;
        let last = row.get::<_, Option<String>>(6).zip(row.get::<_, Option<Json<Value>>>(7).map(|Json(value)| value));
        Ok(Self {
            tenant: tenant.clone(),
            state: row.get(0),
            display_name: row.get(1),
            kind: row.get(2),
            deletion: row.get(3),
            there: row.get(4),
            version: row.get(5),
            held: row.get(8),
            last,
        })
    }

    /// Whoever gives the order knows which practice it is.
    pub(crate) fn agreed(&self, practice: &str) -> Result<(), BackupError> {
        if self.display_name.trim() == practice.trim() {
            return Ok(());
        }
        let tenant = &self.tenant;
        Err(BackupError::Refused(format!(
            "{tenant} is displayed by another name than the one that was given; nothing was changed. `labor-migrator status --all` lists the \
             practices"
        )))
    }

    /// Whether it is shut by one of our steps, and not by an operator.
    pub(crate) fn shut_by_us(&self) -> bool {
        let ours = |(command, arguments): &(String, Value)| match command.as_str() {
            "suspend" => arguments["reason"] == REASON,
            OVER | BACK => arguments["opened"] == true,
            _ => false,
        };
        self.state == "frozen" && self.last.as_ref().is_some_and(ours)
    }

    /// Whether it is to be open when all is done.
    pub(crate) fn to_be_opened(&self) -> bool {
        self.state == "active" || self.shut_by_us()
    }

    /// Whether it is open now.
    pub(crate) fn is_open(&self) -> bool {
        self.state == "active"
    }

    /// What a run of this kind did that came to its commit, while the practice is still shut.
    pub(crate) fn done(&self, command: &str) -> Option<Replaced> {
        let (last, arguments) = self.last.as_ref()?;
        let ours = self.state == "frozen" && last == command;
        ours.then(|| serde_json::from_value(arguments.clone()).ok()).flatten()
    }

    /// Refuses whom nothing may be put in the place of.
    pub(crate) fn may_be_replaced(&self) -> Result<(), BackupError> {
        let tenant = &self.tenant;
        let refuse = |why: &str| Err(BackupError::Refused(format!("{tenant} {why}; nothing was changed")));
        match (self.state.as_str(), self.kind.as_str()) {
            _ if self.deletion => refuse("is about to be deleted: nothing is put in its place"),
            _ if self.held => refuse(
                "is held back from migrations, and has to come to its version: `labor-migrator release` it first",
            ),
            ("active" | "frozen", "practice") => Ok(()),
            ("active" | "frozen", _) if !self.there => Ok(()),
            ("active" | "frozen", _) => refuse(
                "is the intake, which takes in messages at any time: restore it with --into, and replay what it lacks",
            ),
            ("deleted", _) => refuse("was deleted; deleted data is not brought back"),
            _ => refuse("is no practice's yet"),
        }
    }

    /// The version that it is brought to after a restore of this backup: its own, never one before the backup's.
    pub(crate) fn version_after(&self, manifest: &Manifest) -> Result<i32, BackupError> {
        let version = self.version.max(manifest.schema_version);
        if SERVED_VERSIONS.contains(&version) {
            return Ok(version);
        }
        Err(BackupError::Refused(format!(
            "{} would be at version {version} of the schema, which this release does not serve (it serves {} to {}); nothing was changed",
            self.tenant,
            SERVED_VERSIONS.start(),
            SERVED_VERSIONS.end()
        )))
    }

    /// The version that it has by the ledger.
    pub(crate) const fn version(&self) -> i32 {
        self.version
    }
}

/// Keeps migrators and deletions of this practice away until the transaction ends, and looks once more whether it may be touched.
pub(crate) async fn lock(transaction: &Transaction<'_>, tenant: &TenantName) -> Result<(), BackupError> {
    let during = || BackupError::during(format!("{tenant}: lock it"));
    let ours = "SELECT pg_try_advisory_xact_lock(hashtextextended('labor tenant ' || $1, 0))";
    let row = transaction.query_one(ours, &[&tenant.as_str()]).await.map_err(during())?;
    if !row.get::<_, bool>(0) {
        return Err(BackupError::Refused(format!("a migrator is at work on {tenant}; try again when it is done")));
    }
    transaction.batch_execute("SET LOCAL lock_timeout = '5s'").await.map_err(during())?;
    let row = transaction
        .query_one("SELECT state = 'deleted' FROM control.tenants WHERE name = $1 FOR UPDATE", &[&tenant.as_str()])
        .await
        .map_err(during())?;
    let deletion = transaction
        .query_one(
            "SELECT EXISTS (SELECT FROM control.requests
                             WHERE tenant = $1 AND kind = 'deletion' AND state IN ('approved', 'running', 'done'))",
            &[&tenant.as_str()],
        )
        .await
        .map_err(during())?;
    if row.get(0) || deletion.get(0) {
        return Err(BackupError::Refused(format!(
            "{tenant} was deleted, or is about to be; deleted data is not brought back"
        )));
    }
    Ok(())
}

/// Nobody else restores, or goes back, or confirms, as long as the session lives: two at once would open what the other one shut. Whoever
/// was done a moment ago is waited for, because a session ends a little after its program.
pub(crate) async fn alone(client: &Client, tenant: &TenantName) -> Result<(), BackupError> {
    let during = || BackupError::during(format!("{tenant}: look for another restore"));
    client.batch_execute("SET lock_timeout = '5s'").await.map_err(during())?;
    let ours = "SELECT pg_advisory_lock(hashtextextended('labor restore ' || $1, 0))";
    match client.query_one(ours, &[&tenant.as_str()]).await {
        Err(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => {
            Err(BackupError::Refused(format!("somebody else restores {tenant} right now; nothing was changed")))
        }
        locked => {
            locked.map_err(during())?;
            client.batch_execute("RESET lock_timeout").await.map_err(during())
        }
    }
}

/// Waits until nobody's transaction works on the tenant: that of a lost connection may still be on its way to its commit.
pub(crate) async fn settled(client: &Client, tenant: &TenantName) -> Result<(), BackupError> {
    let wait = "SELECT pg_advisory_xact_lock_shared(hashtextextended('labor tenant ' || $1, 0))";
    let waited = client.execute(wait, &[&tenant.as_str()]).await;
    waited.map(drop).map_err(BackupError::during(format!("{tenant}: wait for its last transaction")))
}

/// Refuses a practice that somebody opened meanwhile: only what is shut is replaced.
pub(crate) async fn refuse_open(transaction: &Transaction<'_>, tenant: &TenantName) -> Result<(), BackupError> {
    let open = "SELECT t.state = 'active' AND EXISTS (SELECT FROM pg_namespace WHERE nspname = t.name) FROM control.tenants t WHERE t.name = $1";
    let row = transaction.query_one(open, &[&tenant.as_str()]).await;
    if row.map_err(BackupError::during(format!("{tenant}: look whether it is shut")))?.get(0) {
        return Err(BackupError::Refused(format!("{tenant} was opened by somebody else meanwhile; it stays as it is")));
    }
    Ok(())
}

/// Writes the ledger's row anew, by the stamp and the definitions that are there now. Whether the row rules are today's is known when
/// another tenant has the same ones.
pub(crate) async fn settle_ledger(
    transaction: &Transaction<'_>,
    tenant: &TenantName,
    run: Uuid,
) -> Result<(), BackupError> {
    let fingerprint = crate::proof::fingerprint(transaction, tenant).await?;
    let statement = format!(
        "INSERT INTO control.ledger (tenant, version, chain_checksum, fingerprint, rules_checksum, run_id)
         SELECT $1, s.version, s.chain_checksum, $2,
                (SELECT o.rules_checksum FROM control.ledger o
                  WHERE o.chain_checksum = s.chain_checksum AND o.fingerprint = $2 AND o.rules_checksum IS NOT NULL LIMIT 1), $3
           FROM {tenant}.schema_stamp s
             ON CONFLICT (tenant) DO UPDATE
            SET version = EXCLUDED.version, chain_checksum = EXCLUDED.chain_checksum, fingerprint = EXCLUDED.fingerprint,
                rules_checksum = EXCLUDED.rules_checksum, run_id = EXCLUDED.run_id, migrated_at = now(),
                progress = NULL, last_error = NULL, last_error_at = NULL,
                unsound = NULL, unsound_at = NULL, served_despite = NULL"
    );
    let written = transaction.execute(&statement, &[&tenant.as_str(), &fingerprint, &run]).await;
    if written.map_err(BackupError::during(format!("{tenant}: write the ledger")))? == 1 {
        return Ok(());
    }
    Err(BackupError::Refused(format!("{tenant}: its stamp is empty, so nobody knows its version")))
}

/// The registry says that nobody is served, until what took the place is opened: also of whose schema was missing.
pub(crate) async fn freeze(transaction: &Transaction<'_>, tenant: &TenantName) -> Result<(), BackupError> {
    let statement = "UPDATE control.tenants SET state = 'frozen' WHERE name = $1 AND state = 'active'";
    let frozen = transaction.execute(statement, &[&tenant.as_str()]).await;
    frozen.map(drop).map_err(BackupError::during(format!("{tenant}: shut it")))
}
