//! Everything that is measured, set up once: Postgres, one practice with a doctor and reports, Labor's web server, the floors' logins.
use std::sync::Arc;
use std::time::Duration;

use labor_catalog::{ClaimKey, ClaimKeyId, ClaimRole, MasterSecret, SignedClaim, TenantName};
use labor_demo::client::Client;
use labor_demo::psql::{self, Login};
use labor_demo::samples::FIRST_PRACTICE;
use labor_testing::{DataFolder, Durability, Platform, Postgres, Sender, Server, random_hex};

use crate::Failure;
use crate::messages::Messages;

const PRACTICE: &str = "bench";
const DOCTOR: &str = "dr.bench";
/// Reports in the practice: enough for its indexes to be used.
const REPORTS: u32 = 300;
const WORK_LIMIT: Duration = Duration::from_secs(120);
const STOP_LIMIT: Duration = Duration::from_secs(20);
/// Of the floors' claims: longer than the longest run.
const CLAIM_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// What runs, and who may do what.
pub(crate) struct Stage {
    pub(crate) postgres: Postgres,
    pub(crate) server: Server,
    pub(crate) messages: Arc<Messages>,
    pub(crate) sender: Arc<Sender>,
    /// Id of the laboratory's channel.
    pub(crate) source: String,
    /// The report that is read, and how many values it has.
    pub(crate) report: String,
    pub(crate) values: usize,
    pub(crate) tenant: TenantName,
    pub(crate) tenant_login: Login,
    pub(crate) superuser: Login,
    /// Id of the doctor who reads.
    pub(crate) doctor: String,
    password: String,
    claim_key: ClaimKey,
}

impl Stage {
    /// Sets up.
    pub(crate) async fn build(folder: &DataFolder, connections: u16) -> Result<Self, Failure> {
        let postgres = Postgres::start_with(&folder.join("postgres"), Durability::Safe).await?;
        // As many connections to the practice as pgbench gets.
        let connections = ("LABOR_CONNECTIONS_PER_TENANT".to_owned(), connections.to_string());
        let platform = Platform::create(&postgres, folder.path(), "labor").await?.with([connections]);
        let tenant = TenantName::parse(&platform.practice(PRACTICE, "Praxis Messung", FIRST_PRACTICE).await?)?;
        let password = random_hex(8)?;
        let doctor = platform.user(PRACTICE, DOCTOR, "Dr. Messung", "doctor", &password).await?;
        let server = platform.serve().await?;
        let source = platform.source("Testlabor").await?;
        let sender = platform.sender(&server, &source)?;
        let messages = Messages::new()?;
        store_reports(&platform, &postgres, &sender, &messages).await?;
        let (report, values) = one_report(&server, &password).await?;

        let master = MasterSecret::from_hex(&std::fs::read_to_string(platform.setting("LABOR_MASTER_SECRET_FILE"))?)?;
        let login = |user: String, password: String| Login {
            user,
            password,
            database: platform.database().to_owned(),
            schema: None,
        };
        let superuser = login("postgres".to_owned(), postgres.password().to_owned());
        psql::ask(&postgres, &superuser, "VACUUM ANALYZE").await?;
        let tenant_login = login(tenant.role(), master.tenant_password(&tenant));
        let (messages, sender, source) = (Arc::new(messages), Arc::new(sender), source.id);
        Ok(Self {
            postgres,
            server,
            messages,
            sender,
            source,
            report,
            values,
            tenant,
            tenant_login,
            superuser,
            doctor,
            password,
            claim_key: ClaimKey::new(ClaimKeyId::FIRST, &master),
        })
    }

    /// A doctor's token, fresh for each round: it lives for a quarter of an hour.
    pub(crate) async fn token(&self) -> Result<String, Failure> {
        Ok(Client::sign_in(&self.server.base, PRACTICE, DOCTOR, &self.password).await?.token().to_owned())
    }

    /// The claim that Labor signs for the doctor's requests, with a long life.
    pub(crate) fn doctors_claim(&self) -> SignedClaim {
        SignedClaim::sign(&self.claim_key, &self.tenant, &self.doctor, ClaimRole::Doctor, CLAIM_LIFE)
    }

    /// The claim that Labor signs for the webhook, with a long life.
    pub(crate) fn webhooks_claim(&self) -> SignedClaim {
        SignedClaim::sign(&self.claim_key, &self.tenant, "webhook", ClaimRole::Receiver, CLAIM_LIFE)
    }

    /// A number from the database.
    pub(crate) async fn number(&self, sql: &str) -> Result<u64, Failure> {
        Ok(psql::ask(&self.postgres, &self.superuser, sql).await?.parse()?)
    }

    /// Ends the servers.
    pub(crate) async fn stop(self) -> Result<(), Failure> {
        self.server.running.terminate(STOP_LIMIT).await?;
        Ok(self.postgres.stop().await?)
    }
}

/// Posts messages and lets a worker make reports of them; no worker runs while figures are taken.
async fn store_reports(
    platform: &Platform,
    postgres: &Postgres,
    sender: &Sender,
    messages: &Messages,
) -> Result<(), Failure> {
    for _ in 0..REPORTS {
        let answer = sender.send(&messages.next()).await?;
        if answer.status != 202 {
            return Err(format!("a message was answered with {}: {}", answer.status, answer.text).into());
        }
    }
    let worker = platform.work(&[]).await?;
    platform.until_idle(postgres, WORK_LIMIT).await?;
    worker.terminate(STOP_LIMIT).await?;
    Ok(())
}

/// Id of a report that the doctor sees, and the number of its values.
async fn one_report(server: &Server, password: &str) -> Result<(String, usize), Failure> {
    let client = Client::sign_in(&server.base, PRACTICE, DOCTOR, password).await?;
    let page = client.reports().await?;
    let id = page.items.first().ok_or("the practice has no report")?.id.clone();
    let values = client.report(&id).await?.values.len();
    if values == 0 {
        return Err("the report has no values".into());
    }
    Ok((id, values))
}
