//! A cluster with practices that hold results, and requests to them.
use std::time::Duration;

use labor_catalog::{MasterSecret, TenantName};
use labor_db::{Claims, Control, DbError, PoolSettings, TenantSession, Tenants, reports};
use labor_testing::{Durability, Platform, Postgres, scratch, until};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use uuid::Uuid;

use crate::seed::{self, Seeds};

/// For what must happen, however slow the machine is.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// A cluster of its own.
pub(crate) struct World {
    pub(crate) platform: Platform,
    pub(crate) practices: Vec<Practice>,
    pub(crate) postgres: Postgres,
    master: MasterSecret,
}

/// A server with so few connections that all can be taken.
pub(crate) struct Full<'p>(&'p Postgres);

impl<'p> Full<'p> {
    /// Starts it anew.
    pub(crate) async fn prepare(postgres: &'p Postgres) -> Self {
        let superuser = postgres.connect("labor").await.unwrap();
        superuser.batch_execute("ALTER SYSTEM SET max_connections = 20").await.unwrap();
        drop(superuser);
        postgres.restart().await.unwrap();
        Self(postgres)
    }

    /// Takes every connection, also those of the practices, which are ended. Dropped, they are free again.
    pub(crate) async fn take_all(&self, world: &World) -> Vec<tokio_postgres::Client> {
        let mut all = Vec::new();
        self.take(&mut all).await;
        let end = "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE usename = $1";
        for practice in &world.practices {
            let ended: i64 = all[0].query_one(end, &[&practice.name.role()]).await.unwrap().get(0);
            assert!(ended > 0, "the practice had no connection");
        }
        self.take(&mut all).await;
        all
    }

    async fn take(&self, all: &mut Vec<tokio_postgres::Client>) {
        while let Ok(one) = self.0.connect("labor").await {
            all.push(one);
        }
    }
}

/// A practice whose reports carry its mark.
#[derive(Clone)]
pub(crate) struct Practice {
    pub(crate) name: TenantName,
    mark: String,
}

/// Pools, and the figures they tell.
pub(crate) struct Pools {
    pub(crate) tenants: Tenants,
    metrics: Registry,
}

impl World {
    pub(crate) async fn new(practices: u32) -> Self {
        let folder = scratch().await.unwrap().join(Uuid::now_v7().to_string());
        let postgres = Postgres::start_with(&folder.join("postgres"), Durability::Fast).await.unwrap();
        let platform = Platform::create(&postgres, &folder.join("labor"), "labor").await.unwrap();
        let secret = std::fs::read_to_string(platform.setting("LABOR_MASTER_SECRET_FILE")).unwrap();
        let master = MasterSecret::from_hex(&secret).unwrap();
        let superuser = postgres.connect("labor").await.unwrap();
        let mut made = Vec::new();
        for number in 1..=practices {
            let name = platform.practice(&format!("p{number}"), "Praxis", &format!("2{number:08}")).await.unwrap();
            let seeds = Seeds::new(number, &format!("MARK{number}"));
            superuser.batch_execute(&seed::sql(&name, &seeds)).await.unwrap();
            made.push(Practice { name: TenantName::parse(&name).unwrap(), mark: seeds.mark });
        }
        Self { platform, practices: made, postgres, master }
    }

    /// Where the control plane is.
    pub(crate) fn url(&self) -> &str {
        self.platform.setting("LABOR_CONTROL_URL")
    }

    /// Pools on the way that the URL names; the control plane is always reached directly.
    pub(crate) fn pools(&self, url: &str, settings: PoolSettings) -> Pools {
        let control = Control::connect(self.url(), 4).unwrap();
        let tenants = Tenants::new(url, self.master.clone(), settings, control).unwrap();
        let mut metrics = Registry::default();
        tenants.register(&mut metrics);
        Pools { tenants, metrics }
    }

    /// One number from SQL, as the superuser.
    pub(crate) async fn count(&self, sql: &str) -> i64 {
        self.postgres.connect("labor").await.unwrap().query_one(sql, &[]).await.unwrap().get(0)
    }
}

impl Pools {
    pub(crate) async fn session(&self, practice: &Practice) -> Result<TenantSession, DbError> {
        session(&self.tenants, practice).await
    }

    pub(crate) async fn session_of(&self, claims: Claims) -> Result<TenantSession, DbError> {
        self.tenants.session(claims, Uuid::now_v7()).await
    }

    pub(crate) async fn request(&self, practice: &Practice) -> Result<(), DbError> {
        Box::pin(request(&self.tenants, practice)).await
    }

    /// A figure of the pools, by its name without prefix.
    pub(crate) fn figure(&self, name: &str) -> u64 {
        let mut text = String::new();
        encode(&mut text, &self.metrics).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("labor_pool_{name} ")));
        assert!(line.is_some(), "no {name} in:\n{text}");
        line.unwrap().parse().unwrap()
    }

    /// When nothing is under way: what was opened is open, or was closed for one reason.
    pub(crate) fn add_up(&self) {
        let reasons = ["evicted_total", "retired_total", "spent_total", "discarded_total", "lost_total"];
        let closed = reasons.map(|reason| (reason, self.figure(reason)));
        let (opened, open) = (self.figure("connects_total"), self.figure("open"));
        let sum = open + closed.iter().map(|(_, count)| count).sum::<u64>();
        assert_eq!(opened, sum, "{open} are open, and closed were {closed:?}");
    }

    /// Waits until a figure has a value.
    pub(crate) async fn until(&self, name: &str, wanted: u64) {
        until(&format!("{wanted} {name}"), LIMIT, async || {
            let seen = self.figure(name);
            Ok(if seen == wanted { Ok(()) } else { Err(seen.to_string()) })
        })
        .await
        .unwrap();
    }

    /// Waits until the practice is served again. Until then nothing but "try again" may be answered.
    pub(crate) async fn until_served(&self, practice: &Practice) {
        until("the practice to be served again", LIMIT, async || {
            Ok(match self.request(practice).await {
                Ok(()) => Ok(()),
                Err(error) => {
                    assert!(error.is_transient(), "{error:?}");
                    Err(error.to_string())
                }
            })
        })
        .await
        .unwrap();
    }
}

async fn session(tenants: &Tenants, practice: &Practice) -> Result<TenantSession, DbError> {
    tenants.session(Claims::worker(practice.name.clone()), Uuid::now_v7()).await
}

/// Reads the practice's reports; what is seen must be its own, and all of it.
pub(crate) async fn request(tenants: &Tenants, practice: &Practice) -> Result<(), DbError> {
    let page = reports::list(&mut session(tenants, practice).await?, None, 10).await?;
    assert_eq!(page.items.len(), 5);
    assert!(page.items.iter().all(|report| report.laboratory_name == practice.mark), "of another practice");
    Ok(())
}

/// For faults that say nothing: shorter than the product's, and yet so long that a busy machine comes first. What a test counts must
/// be right also when it does not.
pub(crate) fn impatient() -> PoolSettings {
    let short = Duration::from_secs(2);
    PoolSettings { connect: short, answer: short, ..PoolSettings::default() }
}

/// For everything else: no limit ends anything.
pub(crate) fn patient() -> PoolSettings {
    PoolSettings { connect: LIMIT, answer: LIMIT, work: LIMIT, wait: LIMIT, ..PoolSettings::default() }
}
