//! Who is in the way: sessions that hold locks on a tenant's tables when the migrator has given up waiting for one.
//! Must stay true: it is asked after the migrator's own transaction has ended; nothing of what others run is told.
use chrono::{DateTime, Utc};
use labor_catalog::TenantName;
use serde::Serialize;
use tokio_postgres::{Client, Row};

/// A session that holds a lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Holder {
    /// Server process.
    pub pid: i32,
    /// Its login.
    pub login: Option<String>,
    /// Such as `idle in transaction`; the server shows it only to whom the login belongs.
    pub state: Option<String>,
    /// When its transaction began; as the state.
    pub since: Option<DateTime<Utc>>,
    /// Tables of the tenant that it has locked.
    pub tables: Vec<String>,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "server process {}", self.pid)?;
        self.login.iter().try_for_each(|login| write!(f, " of {login}"))?;
        self.state.iter().try_for_each(|state| write!(f, ", {state}"))?;
        self.since.iter().try_for_each(|since| write!(f, " since {} UTC", since.format("%F %T")))?;
        if self.tables.is_empty() {
            write!(f, ", has a transaction open")
        } else {
            write!(f, ", has {}", self.tables.join(", "))
        }
    }
}

/// Those of a tenant, the oldest first. Who can't be asked for has none: that is no reason to fail once more.
pub(crate) async fn of(client: &Client, tenant: &TenantName) -> Vec<Holder> {
    let rows = client
        .query(
            "SELECT l.pid, a.usename::text, a.state, a.xact_start, array_agg(DISTINCT c.relname::text ORDER BY c.relname::text)
               FROM pg_locks l JOIN pg_class c ON c.oid = l.relation AND c.relkind IN ('r', 'p')
               LEFT JOIN pg_stat_activity a ON a.pid = l.pid
              WHERE l.locktype = 'relation' AND l.granted AND l.pid <> pg_backend_pid()
                AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
                AND c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1)
              GROUP BY 1, 2, 3, 4 ORDER BY a.xact_start, l.pid LIMIT 10",
            &[&tenant.as_str()],
        )
        .await;
    rows.unwrap_or_default().iter().map(holder).collect()
}

/// Those that a server process waits for, the oldest first: whose transaction is open may have locked nothing of the tenant.
pub(crate) async fn before(client: &Client, tenant: &TenantName, pid: i32) -> Vec<Holder> {
    let rows = client
        .query(
            "SELECT a.pid, a.usename::text, a.state, a.xact_start,
                    ARRAY(SELECT DISTINCT c.relname::text
                            FROM pg_locks l JOIN pg_class c ON c.oid = l.relation AND c.relkind IN ('r', 'p')
                           WHERE l.pid = a.pid AND l.locktype = 'relation' AND l.granted
                             AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
                             AND c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1) ORDER BY 1)
               FROM pg_stat_activity a WHERE a.pid = ANY (pg_blocking_pids($2)) ORDER BY a.xact_start, a.pid LIMIT 10",
            &[&tenant.as_str(), &pid],
        )
        .await;
    rows.unwrap_or_default().iter().map(holder).collect()
}

fn holder(row: &Row) -> Holder {
    Holder { pid: row.get(0), login: row.get(1), state: row.get(2), since: row.get(3), tables: row.get(4) }
}

/// In a sentence after an error; empty when nobody is left.
pub(crate) fn list(holders: &[Holder]) -> String {
    if holders.is_empty() {
        return String::new();
    }
    let list = holders.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    format!(". In its way: {list}")
}
