//! The fleet: a Postgres of its own and as many practices as are wanted, made by the migrator, each with one message to read.
//! Must stay true: who visits goes through `Tenants`, as the product does; only what it is compared with goes another way.
use std::time::Duration;

use labor_catalog::{MasterSecret, TenantName};
use labor_db::{Claims, Control, PoolSettings, Tenants, messages};
use labor_demo::Failure;
use labor_demo::psql::Login;
use labor_testing::{DataFolder, Durability, Platform, Postgres};
use uuid::Uuid;

const DATABASE: &str = "labor";
/// More than the largest budget, and what else connects.
const MAX_CONNECTIONS: usize = 500;
const FILL_LIMIT: Duration = Duration::from_secs(900);
/// Of the control plane.
pub(crate) const CONTROL_CONNECTIONS: u32 = 5;

pub(crate) struct Stage {
    pub(crate) postgres: Postgres,
    pub(crate) platform: Platform,
    pub(crate) master: MasterSecret,
    pub(crate) tenants: Vec<TenantName>,
    /// The message that every tenant has.
    pub(crate) message: Uuid,
}

impl Stage {
    /// Fills the fleet on a server that flushes nothing, then starts that server again as in production.
    pub(crate) async fn build(folder: &DataFolder, tenants: u32) -> Result<Self, Failure> {
        let path = folder.join("postgres");
        let postgres = Postgres::start_with(&path, Durability::Fast).await?;
        let platform = Platform::create(&postgres, folder.path(), DATABASE).await?;
        fill(&postgres, &platform, tenants).await?;
        let message = Uuid::now_v7();
        let master = MasterSecret::from_hex(&std::fs::read_to_string(platform.setting("LABOR_MASTER_SECRET_FILE"))?)?;
        let client = postgres.connect(DATABASE).await?;
        let list = "SELECT name::text FROM control.tenants WHERE kind = 'practice' ORDER BY name";
        let names: Vec<String> = client.query(list, &[]).await?.iter().map(|row| row.get(0)).collect();
        let tenants = names.iter().map(|name| TenantName::parse(name)).collect::<Result<Vec<_>, _>>()?;
        for name in &tenants {
            // What a spare gets when a practice takes it.
            let (role, password) = (name.role(), master.tenant_password(name));
            let login =
                format!("ALTER ROLE {role} LOGIN CONNECTION LIMIT 50 PASSWORD '{password}' VALID UNTIL 'infinity'");
            client.batch_execute(&format!("{login}; GRANT labor_tenants TO {role}")).await?;
            let store = format!(
                "INSERT INTO {name}.raw_messages (id, source_id, sha256, body) VALUES ('{message}', '{message}', sha256('x'), 'x');
                 ANALYZE {name}.raw_messages"
            );
            client.batch_execute(&store).await?;
        }
        client.batch_execute(&format!("ALTER SYSTEM SET max_connections = {MAX_CONNECTIONS}")).await?;
        postgres.stop().await?;
        drop(postgres);
        let postgres = Postgres::start_with(&path, Durability::Safe).await?;
        let platform = Platform::settings_for(&postgres, folder.path(), DATABASE)?;
        let stage = Self { postgres, platform, master, tenants, message };
        let client = stage.postgres.connect(DATABASE).await?;
        client.batch_execute("VACUUM (ANALYZE) pg_class, pg_attribute, pg_policy").await?;
        client.batch_execute("CHECKPOINT").await?;
        Ok(stage)
    }

    /// Pools as the web server has them; `url` says where the server is.
    pub(crate) fn pools(&self, url: &str, budget: usize, per_tenant: usize) -> Result<Tenants, Failure> {
        let control = Control::connect(self.url(), CONTROL_CONNECTIONS)?;
        let settings = PoolSettings { budget, per_tenant, ..PoolSettings::default() };
        Ok(Tenants::new(url, self.master.clone(), settings, control)?)
    }

    /// Where the server is.
    pub(crate) fn url(&self) -> &str {
        self.platform.setting("LABOR_CONTROL_URL")
    }

    /// The first tenant, or another one.
    pub(crate) fn tenant(&self, number: usize) -> Result<&TenantName, Failure> {
        Ok(self.tenants.get(number).ok_or("there are too few tenants")?)
    }

    /// The superuser, who needs no claim, in a tenant's schema.
    pub(crate) fn superuser(&self, tenant: &TenantName) -> Login {
        Login {
            user: "postgres".to_owned(),
            password: self.postgres.password().to_owned(),
            database: DATABASE.to_owned(),
            schema: Some(tenant.to_string()),
        }
    }

    /// A tenant's own login.
    pub(crate) fn login(&self, tenant: &TenantName) -> Login {
        Login {
            user: tenant.role(),
            password: self.master.tenant_password(tenant),
            database: DATABASE.to_owned(),
            schema: None,
        }
    }

    /// URL of the superuser.
    pub(crate) fn superuser_url(&self) -> String {
        self.postgres.url(DATABASE)
    }

    /// URL of a tenant's own login.
    pub(crate) fn login_url(&self, tenant: &TenantName) -> String {
        self.postgres.url_as(&tenant.role(), &self.master.tenant_password(tenant), DATABASE)
    }

    pub(crate) async fn text(&self, sql: &str) -> Result<String, Failure> {
        Ok(self.postgres.connect(DATABASE).await?.query_one(sql, &[]).await?.get(0))
    }

    /// Processes of backends whose login is like this.
    pub(crate) async fn backends(&self, login: &str) -> Result<Vec<i32>, Failure> {
        let client = self.postgres.connect(DATABASE).await?;
        let sql = "SELECT pid FROM pg_stat_activity WHERE usename LIKE $1 AND pid <> pg_backend_pid()";
        Ok(client.query(sql, &[&login]).await?.iter().map(|row| row.get(0)).collect())
    }
}

/// What all visits read: one row by its key, in a transaction with a claim, without an audit row.
pub(crate) async fn visit(pools: &Tenants, tenant: &TenantName, message: Uuid) -> Result<bool, labor_db::DbError> {
    let mut session = pools.session(Claims::worker(tenant.clone()), Uuid::nil()).await?;
    Ok(messages::load(&mut session, message).await?.is_some())
}

/// The statement of a visit, as the product has it.
pub(crate) fn statement() -> Result<&'static str, Failure> {
    let found = labor_db::statements::all().find(|(name, _)| name.contains("LOAD_MESSAGE"));
    Ok(found.ok_or("labor-db has no longer the statement LOAD_MESSAGE")?.1)
}

/// Two `pool` at a time, each told to make half of what is missing.
async fn fill(postgres: &Postgres, platform: &Platform, tenants: u32) -> Result<(), Failure> {
    let client = postgres.connect(DATABASE).await?;
    let count = "SELECT count(*) FROM control.tenants WHERE kind = 'practice'";
    loop {
        let there: i64 = client.query_one(count, &[]).await?.get(0);
        let missing = i64::from(tenants) - there;
        if missing <= 0 {
            return Ok(());
        }
        let half = (missing / 2).max(1).to_string();
        let pool = || platform.program("labor-migrator").map(|p| p.args(["pool", "--keep", &half]).limit(FILL_LIMIT));
        let (one, other) = (pool()?, pool()?);
        if missing > 1 {
            tokio::try_join!(one.output(), other.output())?;
        } else {
            one.output().await?;
        }
        client.batch_execute("UPDATE control.tenants SET state = 'active' WHERE state = 'spare'").await?;
    }
}
