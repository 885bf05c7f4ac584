//! One prepared database for all tests of this file, and connections to it as whoever is wanted.
//! Must stay true: tests that change a tenant's roles or rules have a tenant of their own, because tests run side by side.
use labor_catalog::{ClaimKey, ClaimKeyId, ClaimRole, MasterSecret, SignedClaim, TenantName};
use labor_testing::{Durability, Platform, Postgres, postgres, scratch};
use tokio::sync::OnceCell;
use tokio_postgres::{Client, NoTls};

use crate::seed::{self, Seeds};

/// The database that the practices are in.
pub(crate) const DATABASE: &str = "isolation";

/// A prepared database with practices that hold results.
pub(crate) struct World {
    pub(crate) server: &'static Postgres,
    pub(crate) platform: Platform,
    pub(crate) master: MasterSecret,
    /// Where attacks come from.
    pub(crate) a: Practice,
    /// Whom they aim at.
    pub(crate) b: Practice,
}

/// A practice with seeded rows.
#[derive(Clone)]
pub(crate) struct Practice {
    pub(crate) name: TenantName,
    pub(crate) seeds: Seeds,
}

static WORLD: OnceCell<World> = OnceCell::const_new();
static ATTACKED_SERVER: OnceCell<Postgres> = OnceCell::const_new();
static ATTACKED: OnceCell<World> = OnceCell::const_new();
static MANAGED_SERVER: OnceCell<Postgres> = OnceCell::const_new();
static MANAGED: OnceCell<World> = OnceCell::const_new();

/// The world, made when first asked for.
pub(crate) async fn world() -> &'static World {
    let make = async || {
        let folder = scratch().await.unwrap().join(DATABASE);
        let platform = Platform::create(postgres().await, &folder, DATABASE).await.unwrap();
        make(postgres().await, platform).await
    };
    WORLD.get_or_init(make).await
}

/// One on a server of its own: roles belong to the server, so what attacks and mistakes do to them would be other tests' findings.
pub(crate) async fn attacked() -> &'static World {
    let make = async || {
        let folder = scratch().await.unwrap().join("attacked");
        let start = async || Postgres::start_with(&folder.join("postgres"), Durability::Fast).await.unwrap();
        let server = ATTACKED_SERVER.get_or_init(start).await;
        let platform = Platform::create(server, &folder.join("platform"), DATABASE).await.unwrap();
        make(server, platform).await
    };
    ATTACKED.get_or_init(make).await
}

/// One on a server of its own, prepared by a login that is no superuser, as managed servers give one.
pub(crate) async fn managed() -> &'static World {
    let make = async || {
        let folder = scratch().await.unwrap().join("managed");
        let start = async || Postgres::start_with(&folder.join("postgres"), Durability::Fast).await.unwrap();
        let server = MANAGED_SERVER.get_or_init(start).await;
        let platform = Platform::managed(server, &folder.join("platform"), DATABASE).await.unwrap();
        make(server, platform).await
    };
    MANAGED.get_or_init(make).await
}

async fn make(server: &'static Postgres, platform: Platform) -> World {
    let secret = std::fs::read_to_string(platform.setting("LABOR_MASTER_SECRET_FILE")).unwrap();
    let master = MasterSecret::from_hex(&secret).unwrap();
    let superuser = server.connect(DATABASE).await.unwrap();
    let a = practice(&platform, &superuser, "anna", "100000001", 1).await;
    let b = practice(&platform, &superuser, "berta", "100000002", 2).await;
    World { server, platform, master, a, b }
}

async fn practice(platform: &Platform, superuser: &Client, slug: &str, bsnr: &str, number: u32) -> Practice {
    let name = platform.practice(slug, &format!("Praxis {slug}"), bsnr).await.unwrap();
    let seeds = Seeds::new(number, &slug.to_uppercase());
    superuser.batch_execute(&seed::sql(&name, &seeds)).await.unwrap();
    Practice { name: TenantName::parse(&name).unwrap(), seeds }
}

/// A superuser's connection: sees everything, as no program of Labor does.
pub(crate) async fn superuser() -> Client {
    postgres().await.connect(DATABASE).await.unwrap()
}

/// Opens a connection.
pub(crate) async fn connect(url: &str) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

impl World {
    /// A practice that only one test uses.
    pub(crate) async fn another(&self, slug: &str, number: u32) -> Practice {
        practice(&self.platform, &self.superuser().await, slug, &format!("2{number:08}"), number).await
    }

    /// A superuser's connection to it.
    pub(crate) async fn superuser(&self) -> Client {
        self.server.connect(DATABASE).await.unwrap()
    }

    /// A raw connection with the practice's own login, as whoever stole its password has it.
    pub(crate) async fn login(&self, practice: &Practice) -> Client {
        connect(&self.url_of(&practice.name, DATABASE)).await.unwrap()
    }

    pub(crate) fn url_of(&self, tenant: &TenantName, database: &str) -> String {
        let password = self.master.tenant_password(tenant);
        self.server.url_as(&tenant.role(), &password, database)
    }

    /// The key that claims are signed with.
    pub(crate) fn claim_key(&self) -> ClaimKey {
        ClaimKey::new(ClaimKeyId::FIRST, &self.master)
    }

    /// A genuine claim, good for ten minutes.
    pub(crate) fn claim(&self, tenant: &TenantName, subject: &str, role: ClaimRole) -> String {
        let life = std::time::Duration::from_secs(600);
        SignedClaim::sign(&self.claim_key(), tenant, subject, role, life).as_str().to_owned()
    }
}

/// Binds a claim to the open transaction.
pub(crate) async fn bind(client: &Client, claim: &str) {
    client.query("SELECT set_config('labor.claim', $1, true)", &[&claim]).await.unwrap();
}

/// SQLSTATE of an error, or its text when it did not come from the server.
pub(crate) fn state(error: &tokio_postgres::Error) -> String {
    error.code().map_or_else(|| error.to_string(), |code| code.code().to_owned())
}
