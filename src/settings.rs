//! Every configuration key of the `labor` program: command line or environment, secrets from files only.
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use ipnet::IpNet;
use labor_db::secrets::SecretsError;
use labor_db::{PoolSettings, Secrets};

use crate::caller::Edge;

/// The way to the database.
#[derive(Debug, Clone, clap::Args)]
pub struct DatabaseSettings {
    /// URL of the login `labor_control`.
    #[arg(long, env = "LABOR_CONTROL_URL", hide_env_values = true)]
    pub control_url: String,
    /// URL of the server that holds the tenants, without login; the control URL's server when absent.
    #[arg(long, env = "LABOR_TENANT_URL", hide_env_values = true)]
    pub tenant_url: Option<String>,
    /// File with the master secret: 64 hexadecimal digits. While it is being changed one a line, NUMBER:SECRET; it is read again when the
    /// fleet uses a number that was not there.
    #[arg(long, env = "LABOR_MASTER_SECRET_FILE")]
    pub master_secret_file: PathBuf,
    /// Connections to the control schema.
    #[arg(long, env = "LABOR_CONTROL_CONNECTIONS", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub control_connections: u32,
    /// Connections to tenants, all together.
    #[arg(long, env = "LABOR_TENANT_CONNECTIONS", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub tenant_connections: u32,
    /// Connections to one tenant in one role; a tenant's login takes 50 in all.
    #[arg(long, env = "LABOR_CONNECTIONS_PER_TENANT", default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..=50))]
    pub connections_per_tenant: u32,
    /// Connections to tenants that are opened at the same time; half of them at most for sign-ins.
    #[arg(long, env = "LABOR_CONNECTS_AT_ONCE", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub connects_at_once: u32,
    /// Requests of one tenant in one role that may wait for a connection; one more is refused at once.
    #[arg(long, env = "LABOR_WAITING_PER_TENANT", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub waiting_per_tenant: u32,
}

/// Figures for a Prometheus server.
#[derive(Debug, Clone, clap::Args)]
pub struct MetricsSettings {
    /// Address to serve `GET /metrics` at, without any sign-in: of a network that only the operators reach. Absent: not served.
    #[arg(long, env = "LABOR_METRICS_LISTEN")]
    pub metrics_listen: Option<SocketAddr>,
}

/// On what kind of server `serve` and `work` run.
#[derive(Debug, Clone, clap::Args)]
pub struct ServerSettings {
    /// Run on a server that gives no superuser, so that it could not be hardened: `managed` (docs/isolation.md says what stays open).
    #[arg(long, env = "LABOR_ACCEPT_WEAKER_ISOLATION", value_enum, value_name = "WHY")]
    pub accept_weaker_isolation: Option<WeakerIsolation>,
}

/// Why weaker isolation is accepted.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub enum WeakerIsolation {
    /// It is a managed server.
    Managed,
}

/// The web server.
#[derive(Debug, Clone, clap::Args)]
pub struct ServeSettings {
    /// Address to listen at.
    #[arg(long, env = "LABOR_LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Largest message that is accepted, in bytes, unpacked.
    #[arg(long, env = "LABOR_BODY_LIMIT", default_value_t = 32 * 1024 * 1024)]
    pub body_limit: usize,
    /// Memory for messages on their way in, in bytes, all together; what finds no room waits, then gets 503. A quarter is for small ones;
    /// one source gets half of either part at most.
    #[arg(long, env = "LABOR_BODY_MEMORY", default_value_t = 256 * 1024 * 1024)]
    pub body_memory: usize,
    /// Networks of the proxies in front, separated by commas: only they are believed about a sender's address and HTTPS.
    #[arg(long, env = "LABOR_TRUSTED_PROXIES", value_delimiter = ',', value_parser = network)]
    pub trusted_proxies: Vec<IpNet>,
    /// Refuse what a trusted proxy does not say came over HTTPS.
    #[arg(long, env = "LABOR_HTTPS_ONLY", default_value_t = false, action = clap::ArgAction::Set)]
    pub https_only: bool,
    /// Set on cookies when the pages are reached over HTTPS; turn off only for a demo on loopback.
    #[arg(long, env = "LABOR_SECURE_COOKIES", default_value_t = true, action = clap::ArgAction::Set)]
    pub secure_cookies: bool,
}

/// The worker.
#[derive(Debug, Clone, clap::Args)]
pub struct WorkSettings {
    /// Messages at a time.
    #[arg(long, env = "LABOR_WORK_CONCURRENCY", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub concurrency: u16,
    /// Seconds after which a message that a dead worker held comes again.
    #[arg(long, env = "LABOR_WORK_HIDDEN_SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub hidden_seconds: u32,
    /// Attempts before a message becomes a dead letter.
    #[arg(long, env = "LABOR_WORK_ATTEMPTS", default_value_t = 12, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub attempts: u16,
}

impl ServeSettings {
    pub(crate) fn edge(&self) -> Edge {
        Edge { trusted: self.trusted_proxies.clone(), https_only: self.https_only }
    }
}

/// A network, or one address.
fn network(text: &str) -> Result<IpNet, String> {
    let text = text.trim();
    let net = text.parse().or_else(|_| text.parse().map(|address: IpAddr| IpNet::from(address)));
    net.map_err(|_| "a network such as 10.0.0.0/8, or an address, is needed".to_owned())
}

impl DatabaseSettings {
    /// Reads the master secrets.
    ///
    /// # Errors
    /// When the file can't be read or holds no valid secret.
    pub fn secrets(&self) -> Result<Secrets, SecretsError> {
        Secrets::from_file(self.master_secret_file.clone())
    }

    /// Where the tenants are.
    #[must_use]
    pub fn tenant_url(&self) -> &str {
        self.tenant_url.as_deref().unwrap_or(&self.control_url)
    }

    /// Limits of the pools.
    #[must_use]
    pub fn pool(&self) -> PoolSettings {
        PoolSettings {
            budget: usize::try_from(self.tenant_connections).unwrap_or(usize::MAX),
            per_tenant: usize::try_from(self.connections_per_tenant).unwrap_or(usize::MAX),
            connects_at_once: usize::try_from(self.connects_at_once).unwrap_or(usize::MAX),
            waiting_per_tenant: usize::try_from(self.waiting_per_tenant).unwrap_or(usize::MAX),
            ..PoolSettings::default()
        }
    }
}
