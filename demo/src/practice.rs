//! What benchmarks of the API measure with: a platform in a database of its own with one practice, its doctor, a laboratory's channel and
//! Labor's web server; and pgbench with the practice's own login.
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use labor_catalog::{ClaimKey, ClaimKeyId, ClaimRole, MasterSecret, SignedClaim, TenantName};
use labor_testing::{Platform, Postgres, Sender, Server, random_hex};
use reqwest::{Client as Http, RequestBuilder};
use uuid::Uuid;

use crate::Failure;
use crate::client::Client;
use crate::floor::{self, Trips};
use crate::load::Make;
use crate::messages::Messages;
use crate::pgbench::Floor;
use crate::psql::{self, Login};
use crate::samples::FIRST_PRACTICE;

const PRACTICE: &str = "bench";
const DOCTOR: &str = "dr.bench";
/// Of the floors' claims: longer than the longest run.
const CLAIM_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// Where a laboratory's messages go.
#[derive(Clone)]
pub struct Door {
    /// The server, as `http://127.0.0.1:port`.
    pub base: String,
    /// Id of the laboratory's channel.
    pub source: String,
    /// Signs.
    pub sender: Arc<Sender>,
}

/// Who looks at what came.
#[derive(Clone)]
pub struct Doctor {
    /// Name of the practice.
    pub practice: String,
    /// Sign-in name.
    pub username: String,
    /// Password.
    pub password: String,
}

/// One practice with all that belongs to it.
pub struct Practice {
    /// The programs and their settings.
    pub platform: Platform,
    /// API and pages.
    pub server: Server,
    /// Where its messages go.
    pub door: Door,
    /// Its doctor.
    pub doctor: Doctor,
    /// Id of the doctor.
    pub doctor_id: String,
    /// Its opaque name.
    pub tenant: TenantName,
    /// Its own login.
    pub tenant_login: Login,
    /// Who needs no claim, in its database.
    pub superuser: Login,
    claim_key: ClaimKey,
}

impl Door {
    /// A signed post of a message under an id of its own, dated now, as engines send it.
    pub fn post(&self, client: &Http, body: Vec<u8>) -> RequestBuilder {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        client
            .post(format!("{}/v1/messages", self.base))
            .header("Content-Type", "text/plain")
            .header("X-Message-Id", Uuid::now_v7().to_string())
            .header("X-Labor-Source", &self.source)
            .header("X-Labor-Timestamp", now.to_string())
            .header("X-Labor-Signature", self.sender.signature(now, &body))
            .body(body)
    }

    /// Posts of messages that were not there before.
    #[must_use]
    pub fn posts(&self, messages: &Arc<Messages>) -> Make {
        let (door, messages) = (self.clone(), Arc::clone(messages));
        Arc::new(move |client| door.post(client, messages.next()))
    }
}

impl Doctor {
    /// Signs in: a token lives for a quarter of an hour.
    ///
    /// # Errors
    /// When the server can't be reached or refuses.
    pub async fn sign_in(&self, base: &str) -> Result<Client, Failure> {
        Ok(Client::sign_in(base, &self.practice, &self.username, &self.password).await?)
    }
}

impl Practice {
    /// Prepares a database of this name and starts the server, with these settings beside the defaults.
    ///
    /// # Errors
    /// When a program fails.
    pub async fn build(
        postgres: &Postgres,
        folder: &Path,
        database: &str,
        settings: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Failure> {
        let platform = Platform::create(postgres, folder, database).await?.with(settings);
        let tenant = TenantName::parse(&platform.practice(PRACTICE, "Praxis Messung", FIRST_PRACTICE).await?)?;
        let password = random_hex(8)?;
        let doctor_id = platform.user(PRACTICE, DOCTOR, "Dr. Messung", "doctor", &password).await?;
        let server = platform.serve().await?;
        let source = platform.source("Testlabor").await?;
        let sender = Arc::new(platform.sender(&server, &source)?);
        let master = MasterSecret::from_hex(&std::fs::read_to_string(platform.setting("LABOR_MASTER_SECRET_FILE"))?)?;
        let login =
            |user: String, password: String| Login { user, password, database: database.to_owned(), schema: None };
        let (practice, username) = (PRACTICE.to_owned(), DOCTOR.to_owned());
        Ok(Self {
            door: Door { base: server.base.clone(), source: source.id, sender },
            doctor: Doctor { practice, username, password },
            doctor_id,
            superuser: login("postgres".to_owned(), postgres.password().to_owned()),
            tenant_login: login(tenant.role(), master.tenant_password(&tenant)),
            claim_key: ClaimKey::new(ClaimKeyId::FIRST, &master),
            tenant,
            server,
            platform,
        })
    }

    /// The claim that Labor signs for the doctor's requests, with a long life.
    #[must_use]
    pub fn doctors_claim(&self) -> SignedClaim {
        SignedClaim::sign(&self.claim_key, &self.tenant, &self.doctor_id, ClaimRole::Doctor, CLAIM_LIFE)
    }

    /// What the webhook runs, without Labor: with its claim and the practice's own login; each transaction stores this body.
    ///
    /// # Errors
    /// When the script can't be written.
    pub fn floor_of_storing(&self, folder: &Path, name: &str, trips: Trips, body: &[u8]) -> Result<Floor, Failure> {
        let claim = SignedClaim::sign(&self.claim_key, &self.tenant, "webhook", ClaimRole::Receiver, CLAIM_LIFE);
        let script = floor::transaction(claim.as_str(), &[floor::message_store()?], trips)?;
        let script = format!("\\set n random(1, 9223372036854775806)\n{script}");
        let body: String = body.iter().map(|byte| format!("{byte:02x}")).collect();
        let variables = [format!("source={}", self.door.source), format!("body=\\x{body}")];
        Floor::new(folder, name, self.tenant_login.clone(), &script, &variables)
    }

    /// Messages that no worker has seen, whoever stored them.
    ///
    /// # Errors
    /// When Postgres can't be asked, or not every one has its entry in the queue.
    pub async fn waiting(&self, postgres: &Postgres) -> Result<u64, Failure> {
        let stored = format!("SELECT count(*) FROM {}.raw_messages WHERE state = 'received'", self.tenant);
        let (stored, queued) = (
            self.number(postgres, &stored).await?,
            self.number(postgres, "SELECT count(*) FROM pgmq.q_messages WHERE message ? 'message_id'").await?,
        );
        if stored == queued {
            Ok(stored)
        } else {
            Err(format!("{stored} messages were stored and {queued} enqueued").into())
        }
    }

    /// A number from the database.
    ///
    /// # Errors
    /// When Postgres can't be asked.
    pub async fn number(&self, postgres: &Postgres, sql: &str) -> Result<u64, Failure> {
        Ok(psql::ask(postgres, &self.superuser, sql).await?.parse()?)
    }
}
