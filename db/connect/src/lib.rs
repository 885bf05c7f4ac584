//! Opens connections from a URL, with TLS, for the three packages that speak tokio-postgres.
//! Must stay true: an error never repeats the URL, because the URL holds a password.
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustls::{ClientConfig, RootCertStore};
use tokio_postgres::config::SslMode;
use tokio_postgres::tls::TlsStream;
use tokio_postgres::{Client, Config, Connection, NoTls, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

/// How long to wait for a connection when the URL does not say (`connect_timeout`).
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// After so long without a byte the kernel asks whether the other side is still there, when the URL does not say
/// (`keepalives_idle`); then every [`KEEPALIVE_INTERVAL`], until [`UNACKNOWLEDGED`] has passed since it was heard last.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
/// `keepalives_interval`.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// How long what was sent may stay unacknowledged (`tcp_user_timeout`), then the kernel gives the connection up. Longer than any limit of
/// the pools, which come first; shorter than Linux' own quarter of an hour, and than the two hours before it first asks.
const UNACKNOWLEDGED: Duration = Duration::from_secs(60);

/// No connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The URL can't be read.
    #[error("the database URL can't be read; expected postgres://login:password@host:port/database?sslmode=require")]
    Url,
    /// The server can't be reached or refuses.
    #[error("can't connect to {login} at {server}")]
    Refused {
        /// Login that was tried.
        login: String,
        /// Host, port and database.
        server: String,
        /// What the driver says.
        source: tokio_postgres::Error,
    },
    /// The TLS library can't be set up.
    #[error("TLS can't be set up")]
    Tls(#[from] rustls::Error),
}

/// Reads a URL and fills in what Labor always wants: limits after which a dead line is noticed, and a name for `pg_stat_activity`.
///
/// # Errors
/// When it is not a PostgreSQL connection URL.
pub fn parse(url: &str, application: &str) -> Result<Config, ConnectError> {
    let mut config: Config = url.parse().map_err(|_| ConnectError::Url)?;
    if config.get_hosts().is_empty() {
        return Err(ConnectError::Url);
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT_TIMEOUT);
    }
    // The driver does not tell its own two hours from those of a URL; nobody asks for them.
    if config.get_keepalives_idle() == Config::new().get_keepalives_idle() {
        config.keepalives_idle(KEEPALIVE_IDLE);
    }
    if config.get_keepalives_interval().is_none() {
        config.keepalives_interval(KEEPALIVE_INTERVAL);
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(UNACKNOWLEDGED);
    }
    if config.get_application_name().is_none() {
        config.application_name(application);
    }
    Ok(config)
}

/// TLS as `sslmode` in the URL asks for it. Certificates are verified against the system's store, as it was when it was first
/// read: a program that runs for long learns of another one when it is started again.
///
/// # Errors
/// When the TLS library refuses its own defaults.
pub fn tls() -> Result<MakeRustlsConnect, ConnectError> {
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots())
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

/// The system's certificates, read once: that takes longer than connecting. A store that gave none is read again.
fn roots() -> Arc<RootCertStore> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    if let Some(roots) = ROOTS.get() {
        return roots.clone();
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let roots = Arc::new(roots);
    if roots.is_empty() { roots } else { ROOTS.get_or_init(|| roots).clone() }
}

/// Host, port and database of a configuration, for messages. Never the password.
#[must_use]
pub fn server(config: &Config) -> String {
    use tokio_postgres::config::Host;
    let host = match config.get_hosts().first() {
        Some(Host::Tcp(name)) => name.clone(),
        #[cfg(unix)]
        Some(Host::Unix(path)) => path.display().to_string(),
        _ => "?".to_owned(),
    };
    let port = config.get_ports().first().copied().unwrap_or(5432);
    format!("{host}:{port}/{}", config.get_dbname().unwrap_or("?"))
}

/// Connects, and drives the connection in a task of its own until the client is dropped.
///
/// # Errors
/// See [`ConnectError`].
pub async fn connect(config: &Config) -> Result<Client, ConnectError> {
    let refused = |source| ConnectError::Refused {
        login: config.get_user().unwrap_or("?").to_owned(),
        server: server(config),
        source,
    };
    // Without TLS nobody needs the system's certificates.
    if config.get_ssl_mode() == SslMode::Disable {
        let (client, connection) = config.connect(NoTls).await.map_err(refused)?;
        drive(connection);
        return Ok(client);
    }
    let (client, connection) = config.connect(tls()?).await.map_err(refused)?;
    drive(connection);
    Ok(client)
}

fn drive(connection: Connection<Socket, impl TlsStream + Unpin + Send + 'static>) {
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::warn!(%error, "database connection ended");
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(url: &str) -> (Option<Duration>, Duration, Option<Duration>, Option<Duration>) {
        let config = parse(url, "test").unwrap();
        (
            config.get_connect_timeout().copied(),
            config.get_keepalives_idle(),
            config.get_keepalives_interval(),
            config.get_tcp_user_timeout().copied(),
        )
    }

    #[test]
    fn a_dead_line_is_noticed_by_the_kernel_as_the_url_says_or_else_within_a_minute() {
        let seconds = |n| Some(Duration::from_secs(n));
        assert_eq!(limits("postgres://a@b/c"), (seconds(10), Duration::from_secs(30), seconds(10), seconds(60)));
        let url = "postgres://a@b/c?connect_timeout=1&keepalives_idle=2&keepalives_interval=3&tcp_user_timeout=4";
        assert_eq!(limits(url), (seconds(1), Duration::from_secs(2), seconds(3), seconds(4)));
    }
}
