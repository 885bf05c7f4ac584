//! What an operator decides about one tenant: hold it back from migrations, close it, call it by another name.
//! Must stay true: each decision is recorded as a run, with who took it, in the transaction that carries it out.
use std::time::Duration;

use labor_catalog::TenantName;
use serde_json::{Value, json};
use tokio_postgres::{Client, Transaction};

use crate::connection::begin;
use crate::offboard::disconnect;
use crate::run::{self, Ending};
use crate::{Migrator, MigratorError};

/// Closed by `suspend` or a restore (`t`, `$1`: its name), and not by a deletion.
const SUSPENDED: &str = "t.name = $1 AND t.state = 'frozen'
    AND NOT EXISTS (SELECT FROM control.requests r
                     WHERE r.tenant = t.name AND r.kind = 'deletion' AND r.state IN ('approved', 'running'))";

/// A migration of this tenant that is under way is waited for so long.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);

/// What `suspend` found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suspended {
    /// An open practice, which it closed.
    Now,
    /// One that had been closed before; who was still connected is not any more.
    Already,
}

impl Migrator {
    /// From now on migrations pass this tenant by.
    ///
    /// # Errors
    /// When it is held already, or the database refuses.
    pub async fn hold(&self, tenant: &TenantName, reason: &str) -> Result<(), MigratorError> {
        if reason.trim().is_empty() {
            return Err(MigratorError::Invalid("a hold needs a reason, for whoever wonders later".to_owned()));
        }
        let sql = "UPDATE control.ledger SET held_at = now(), held_by = $2, held_reason = $3 WHERE tenant = $1 AND held_at IS NULL";
        let changed = self.decide("hold", tenant, json!({ "reason": reason }), async |transaction| {
            transaction.execute(sql, &[&tenant.as_str(), &run::started_on(), &reason]).await
        });
        if changed.await? { Ok(()) } else { Err(MigratorError::Invalid(format!("{tenant} is held already"))) }
    }

    /// Migrations take this tenant along again.
    ///
    /// # Errors
    /// When it is not held, or the database refuses.
    pub async fn release(&self, tenant: &TenantName) -> Result<(), MigratorError> {
        let sql = "UPDATE control.ledger SET held_at = NULL, held_by = NULL, held_reason = NULL WHERE tenant = $1 AND held_at IS NOT NULL";
        let changed = self.decide("release", tenant, json!({}), async |transaction| {
            transaction.execute(sql, &[&tenant.as_str()]).await
        });
        if changed.await? { Ok(()) } else { Err(MigratorError::Invalid(format!("{tenant} is not held"))) }
    }

    /// Serves a practice although its isolation is weakened, as long as nothing but what is found now is found.
    ///
    /// # Errors
    /// When nothing was found, or the database refuses.
    pub async fn serve_despite(&self, tenant: &TenantName, reason: &str) -> Result<(), MigratorError> {
        if reason.trim().is_empty() {
            return Err(MigratorError::Invalid("whoever serves it all the same has to say why".to_owned()));
        }
        let sql = "UPDATE control.ledger SET served_despite = $2 WHERE tenant = $1 AND unsound IS NOT NULL";
        let changed = self.decide("serve-despite", tenant, json!({ "reason": reason }), async |transaction| {
            transaction.execute(sql, &[&tenant.as_str(), &reason]).await
        });
        if changed.await? {
            return Ok(());
        }
        Err(MigratorError::Invalid(format!("nothing was found of {tenant} that keeps it from being served")))
    }

    /// Closes a practice: nobody is served, its login is shut, its connections are ended; the data stays and goes on being migrated. One that
    /// is closed already may have kept connections, because whoever closed it was killed: they are ended all the same.
    ///
    /// # Errors
    /// When it is not open, a deletion of it was approved, its connections do not end, or the database refuses.
    pub async fn suspend(&self, tenant: &TenantName, reason: &str) -> Result<Suspended, MigratorError> {
        let state =
            "UPDATE control.tenants SET state = 'frozen' WHERE name = $1 AND state = 'active' AND kind = 'practice'";
        let role = format!("ALTER ROLE {} NOLOGIN", tenant.role());
        let changed = self.decide("suspend", tenant, json!({ "reason": reason }), async |transaction| {
            let changed = transaction.execute(state, &[&tenant.as_str()]).await?;
            if changed > 0 {
                transaction.batch_execute(&role).await?;
            }
            Ok(changed)
        });
        let found = if changed.await? {
            Suspended::Now
        } else if self.may_be_resumed(tenant).await? {
            Suspended::Already
        } else {
            return Err(self.cannot(tenant, "suspended").await?);
        };
        self.end_connections(tenant).await?;
        Ok(found)
    }

    /// Whether it is closed, and no deletion is what closed it.
    async fn may_be_resumed(&self, tenant: &TenantName) -> Result<bool, MigratorError> {
        let sql = format!("SELECT FROM control.tenants t WHERE {SUSPENDED}");
        let row = self.connect().await?.query_opt(&sql, &[&tenant.as_str()]).await;
        Ok(row.map_err(MigratorError::during(format!("{tenant}: look up its state")))?.is_some())
    }

    /// Ends the connections of a practice whose login was shut, and waits until there is none.
    ///
    /// # Errors
    /// When they do not end, or the database refuses.
    pub async fn end_connections(&self, tenant: &TenantName) -> Result<(), MigratorError> {
        let client: Client = self.connect().await?;
        let row = client
            .query_opt("SELECT oid FROM pg_roles WHERE rolname = $1", &[&tenant.role()])
            .await
            .map_err(MigratorError::during(format!("{tenant}: look for the role")))?;
        if let Some(row) = row {
            disconnect(&client, tenant, &[row.get(0)], None).await?;
        }
        Ok(())
    }

    /// Opens a suspended practice again. Its login gets its password anew: that of a restored practice had none yet.
    ///
    /// # Errors
    /// When it is not suspended, a deletion of it was approved, or the database refuses.
    pub async fn resume(&self, tenant: &TenantName) -> Result<(), MigratorError> {
        if self.is_suspended(tenant).await? {
            self.give_password(tenant).await?;
        }
        let state = format!("UPDATE control.tenants t SET state = 'active' WHERE {SUSPENDED}");
        let role = format!("ALTER ROLE {} LOGIN", tenant.role());
        let changed = self.decide("resume", tenant, json!({}), async |transaction| {
            let changed = transaction.execute(&state, &[&tenant.as_str()]).await?;
            if changed > 0 {
                transaction.batch_execute(&role).await?;
            }
            Ok(changed)
        });
        if changed.await? {
            return Ok(());
        }
        Err(self.cannot(tenant, "opened").await?)
    }

    async fn is_suspended(&self, tenant: &TenantName) -> Result<bool, MigratorError> {
        let sql = "SELECT FROM control.tenants JOIN pg_roles ON rolname = name || '_app' WHERE name = $1 AND state = 'frozen'";
        let row = self.connect().await?.query_opt(sql, &[&tenant.as_str()]).await;
        Ok(row.map_err(MigratorError::during(format!("{tenant}: look up its state")))?.is_some())
    }

    /// Gives the login of a suspended practice, a new one when the practice was restored, the password that comes out of the fleet's secret.
    /// It stays shut; [`Migrator::resume`] opens it.
    ///
    /// # Errors
    /// When the master secret is not the fleet's, or the database refuses.
    pub async fn give_password(&self, tenant: &TenantName) -> Result<(), MigratorError> {
        let mut client = self.connect().await?;
        self.require_secret(&client).await?;
        let transaction = begin(&mut client, LOCK_TIMEOUT).await?;
        let role = tenant.role();
        let verifier = self.secret_for(&transaction, tenant).await?.scram_verifier(&role)?;
        let during = || MigratorError::during(format!("give {role} its password"));
        transaction.batch_execute(&format!("ALTER ROLE {role} PASSWORD '{verifier}'")).await.map_err(during())?;
        transaction.commit().await.map_err(during())
    }

    /// Whether the master secret is the one that this database uses, asked before anything is begun that needs it in the end.
    ///
    /// # Errors
    /// When it is not, the control schema is missing, or the database can't be asked.
    pub async fn holds_secret(&self) -> Result<(), MigratorError> {
        let client = self.connect().await?;
        self.require_control(&client).await?;
        self.require_secret(&client).await
    }

    /// Why a tenant can't be suspended or opened, by what the registry says of it.
    async fn cannot(&self, tenant: &TenantName, what: &str) -> Result<MigratorError, MigratorError> {
        let client = self.connect().await?;
        let row = client
            .query_opt(
                "SELECT t.state, t.kind, (SELECT r.id::text FROM control.requests r
                                           WHERE r.tenant = t.name AND r.kind = 'deletion' AND r.state IN ('approved', 'running') LIMIT 1)
                   FROM control.tenants t WHERE t.name = $1",
                &[&tenant.as_str()],
            )
            .await
            .map_err(MigratorError::during(format!("{tenant}: look up its state")))?
            .ok_or_else(|| MigratorError::UnknownTenant(tenant.to_string()))?;
        let (state, kind, deletion): (&str, &str, Option<&str>) = (row.get(0), row.get(1), row.get(2));
        let why = match (state, kind, deletion) {
            (_, _, Some(request)) => format!("its deletion was approved (request {request})"),
            (_, "intake", _) => "it is the intake, where all practices' unknown messages wait".to_owned(),
            ("active", ..) => "it is open".to_owned(),
            ("spare", ..) => "it is a spare: no practice has it yet".to_owned(),
            (state, ..) => format!("it is {state}"),
        };
        Ok(MigratorError::Invalid(format!("{tenant} can't be {what}: {why}; nothing was changed")))
    }

    /// Gives a practice another displayed name.
    ///
    /// # Errors
    /// When the name is empty or too long, or the database refuses.
    pub async fn rename(&self, tenant: &TenantName, name: &str) -> Result<(), MigratorError> {
        if name.trim().is_empty() || name.chars().count() > 200 {
            return Err(MigratorError::Invalid("a displayed name has 1 to 200 characters".to_owned()));
        }
        let sql = "UPDATE control.tenants SET display_name = $2 WHERE name = $1 AND state IN ('active', 'frozen')";
        let changed = self.decide("rename", tenant, json!({}), async |transaction| {
            transaction.execute(sql, &[&tenant.as_str(), &name]).await
        });
        if changed.await? {
            Ok(())
        } else {
            Err(MigratorError::Invalid(format!("{tenant} is a spare: it has no name yet")))
        }
    }

    /// Carries out a decision and records it; whether there was anything to change.
    async fn decide(
        &self,
        command: &str,
        tenant: &TenantName,
        mut arguments: Value,
        change: impl AsyncFnOnce(&Transaction<'_>) -> Result<u64, tokio_postgres::Error>,
    ) -> Result<bool, MigratorError> {
        let mut client = self.connect().await?;
        self.require_control(&client).await?;
        let transaction = begin(&mut client, LOCK_TIMEOUT).await?;
        arguments["tenant"] = tenant.as_str().into();
        let run_id = run::begin(&transaction, command, None, &arguments).await?;
        let during = || MigratorError::during(format!("{command} {tenant}"));
        if change(&transaction).await.map_err(during())? == 0 {
            return Ok(false);
        }
        run::end(&transaction, run_id, Ending::Completed, None).await?;
        transaction.commit().await.map_err(during())?;
        Ok(true)
    }
}
