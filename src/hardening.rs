//! Whether the server was hardened, asked when `serve` and `work` start (docs/adr/0012-weaker-isolation-is-acknowledged.md).
//! Must stay true: a server that leaves open what a superuser would close is not worked with before an operator said so; and it is said
//! at each start. A database that can't be asked now is asked again: until then no practice is served anyway.
use std::time::Duration;

use labor_db::{Control, DbError, Finding};

/// Between two attempts.
const PAUSE: Duration = Duration::from_secs(1);

/// Nobody agreed to this server.
#[derive(Debug, thiserror::Error)]
#[error(
    "this server leaves every practice's login more than it needs ({0}). Have a superuser run `labor-migrator bootstrap`; where none can \
     be had (managed servers), read docs/isolation.md, then set LABOR_ACCEPT_WEAKER_ISOLATION=managed"
)]
pub struct Unhardened(String);

/// Looks at the server until it was seen.
pub struct Watch {
    control: Control,
    accepted: bool,
    seen: bool,
}

impl Watch {
    /// Looks at once.
    ///
    /// # Errors
    /// When nobody agreed to what is seen.
    pub async fn begin(control: &Control, accepted: bool) -> Result<Self, Unhardened> {
        let mut watch = Self { control: control.clone(), accepted, seen: false };
        match watch.look().await? {
            Ok(()) => watch.seen = true,
            Err(error) => tracing::warn!(%error, "whether the server was hardened can't be asked yet"),
        }
        Ok(watch)
    }

    /// Ends only when nobody agreed to what is seen.
    pub async fn refused(self) -> Unhardened {
        if self.seen {
            return std::future::pending().await;
        }
        loop {
            tokio::time::sleep(PAUSE).await;
            match self.look().await {
                Err(unhardened) => return unhardened,
                Ok(Ok(())) => return std::future::pending().await,
                Ok(Err(_)) => {}
            }
        }
    }

    async fn look(&self) -> Result<Result<(), DbError>, Unhardened> {
        match self.control.check_database().await {
            Ok(findings) => judge(&findings, self.accepted).map(Ok),
            Err(error) => Ok(Err(error)),
        }
    }
}

/// Says what was found. What is of the server needs an operator's word; for the rest nobody is shut out: the check is run by `up` too, and
/// what to do is for people to decide.
fn judge(findings: &[Finding], accepted: bool) -> Result<(), Unhardened> {
    let (of_the_server, others): (Vec<_>, Vec<_>) = findings.iter().partition(|finding| finding.is_of_the_server());
    for Finding { kind, object, detail } in others {
        tracing::error!(%kind, %object, %detail, "the isolation of all practices is weakened; see labor-migrator check");
    }
    if !of_the_server.is_empty() && !accepted {
        let objects: Vec<_> = of_the_server.iter().map(|finding| finding.object.as_str()).collect();
        return Err(Unhardened(objects.join("; ")));
    }
    for Finding { kind, object, detail } in of_the_server {
        tracing::warn!(%kind, %object, %detail, "weaker isolation, accepted by LABOR_ACCEPT_WEAKER_ISOLATION");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_leaves_open_needs_a_word_and_a_mistake_shuts_nobody_out() {
        let finding = |kind: &str| Finding { kind: kind.into(), object: "x".into(), detail: String::new() };
        for (kinds, accepted, starts) in [
            (&[] as &[&str], false, true),
            (&["unhardened"], false, false),
            (&["incapable"], false, false),
            (&["unhardened", "incapable"], true, true),
            (&["role_member"], false, true),
            (&["role_member", "unhardened"], false, false),
        ] {
            let findings: Vec<_> = kinds.iter().map(|kind| finding(kind)).collect();
            assert_eq!(judge(&findings, accepted).is_ok(), starts, "{kinds:?} {accepted}");
        }
    }
}
