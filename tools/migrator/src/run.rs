//! The record of a run: who began what, and how it ended.
//! Must stay true: each session of a run holds the run's lock from before it is recorded until it ends, so a run without an outcome whose
//! lock nobody holds is over: it was killed.
use serde::Serialize;
use serde_json::Value;
use tokio_postgres::GenericClient;
use tokio_postgres::types::Json;
use uuid::Uuid;

use crate::MigratorError;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// It did what it was called for; tenants may have failed.
    Completed,
    /// Too many failures, or it was interrupted.
    Stopped,
    /// It could not go on.
    Failed,
}

impl Ending {
    fn word(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
        }
    }
}

/// By whom the lock is held does not matter, so it is shared: a run has several sessions.
const ATTEND: &str = "SELECT pg_advisory_lock_shared(hashtextextended('labor run ' || $1, 0))";

/// Whether the run `r` was killed, in SQL.
pub(crate) const KILLED: &str = "(r.finished_at IS NULL AND NOT EXISTS (
    SELECT FROM pg_locks l
     WHERE l.locktype = 'advisory' AND l.objsubid = 1
       AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
       AND (l.classid::bigint << 32 | l.objid::bigint) = hashtextextended('labor run ' || r.id, 0)))";

/// The session is one of the run's, as long as it lives.
pub(crate) async fn attend(client: &impl GenericClient, id: Uuid) -> Result<(), MigratorError> {
    let ours = client.execute(ATTEND, &[&id.to_string()]).await;
    ours.map(drop).map_err(MigratorError::during("take the lock of the run"))
}

/// Begins a run.
pub(crate) async fn begin(
    client: &impl GenericClient,
    command: &str,
    target: Option<i32>,
    arguments: &Value,
) -> Result<Uuid, MigratorError> {
    let id = Uuid::now_v7();
    attend(client, id).await?;
    client
        .execute(
            "INSERT INTO control.runs (id, command, target, started_on, arguments) VALUES ($1, $2, $3, $4, $5)",
            &[&id, &command, &target, &started_on(), &Json(arguments)],
        )
        .await
        .map_err(MigratorError::during("record the run"))?;
    Ok(id)
}

/// Ends a run; how many tenants it reached and missed is counted from the outcomes.
pub(crate) async fn end(
    client: &impl GenericClient,
    id: Uuid,
    ending: Ending,
    message: Option<&str>,
) -> Result<(), MigratorError> {
    client
        .execute(
            "UPDATE control.runs r
                SET finished_at = now(), outcome = $2, message = $3, succeeded = o.succeeded, failed = o.failed
               FROM (SELECT count(*) FILTER (WHERE outcome = 'migrated')::integer AS succeeded,
                            count(*) FILTER (WHERE outcome IN ('failed', 'busy'))::integer AS failed
                       FROM control.outcomes WHERE run_id = $1) o
              WHERE r.id = $1",
            &[&id, &ending.word(), &message],
        )
        .await
        .map_err(MigratorError::during("record the end of the run"))?;
    Ok(())
}

/// Notes what another program of ours does with a tenant, in the transaction that does it.
///
/// # Errors
/// When the database refuses.
pub async fn note(client: &impl GenericClient, command: &str, arguments: &Value) -> Result<Uuid, MigratorError> {
    let id = begin(client, command, None, arguments).await?;
    end(client, id, Ending::Completed, None).await?;
    Ok(id)
}

/// Who is at the keyboard, as far as the operating system says: `anna@db1`.
pub(crate) fn started_on() -> String {
    let said = |name: &str| std::env::var(name).ok().filter(|user| !user.is_empty());
    let user =
        said("USER").or_else(|| said("LOGNAME")).or_else(user_of_process).unwrap_or_else(|| "unknown".to_owned());
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = host.trim();
    if host.is_empty() { user } else { format!("{user}@{host}") }
}

/// The name of the process's user, as `id -un` says it: a service manager or cron sets no $USER.
fn user_of_process() -> Option<String> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let id = status.lines().find_map(|line| line.strip_prefix("Uid:"))?.split_whitespace().nth(1)?;
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    Some(name_of(&users, id).map_or_else(|| format!("uid {id}"), str::to_owned))
}

fn name_of<'a>(users: &'a str, id: &str) -> Option<&'a str> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == id).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_of_the_process_has_a_name() {
        let users = "root:x:0:0:root:/root:/bin/sh\nanna:x:1000:1000::/home/anna:/bin/sh\n";
        assert_eq!(
            (name_of(users, "1000"), name_of(users, "0"), name_of(users, "7")),
            (Some("anna"), Some("root"), None)
        );
        assert!(user_of_process().is_some_and(|name| !name.is_empty()));
    }
}
