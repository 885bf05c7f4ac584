//! Storing what a plan says.
//! Must stay true: before the first message is changed every message is looked at again, and if one is not as the plan says nothing is
//! changed; each is compared once more under its locks. A run that was killed is begun again with the same plan: what it had stored is
//! recognised by its digest.
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use labor_db::results::reread::{self, Reread};
use serde_json::json;
use uuid::Uuid;

use super::look::{self, Look, Seen};
use super::plan::{Line, Reading};
use super::{Reparse, selection};
use crate::admin::AdminError;
use crate::worker::read::reader;

/// How often a message is tried when another transaction is in its way, or the database does not answer.
const TRIES: u32 = 5;
/// The pause grows by so much.
const PAUSE: Duration = Duration::from_secs(1);

/// Applies the plan with this digest.
pub(super) async fn apply(reparse: &Reparse, folder: &Path, hash: &str) -> Result<(), AdminError> {
    let (header, plan) = Reading::open(folder, hash)?;
    if header.tenant != reparse.tenant {
        return Err(AdminError::Invalid("this is the plan of another practice".to_owned()));
    }
    let differing = differing(reparse, plan, &selection(&header)?).await?;
    if differing > 0 {
        return Err(AdminError::Invalid(format!(
            "nothing was changed: {differing} messages are not as the plan says; make a new dry run"
        )));
    }
    let (_, mut plan) = Reading::open(folder, hash)?;
    let (mut messages, mut before, mut records, mut alerts) = (0, 0, 0, 0);
    while let Some(line) = plan.next()? {
        if line.planned().is_empty() {
            continue;
        }
        match patiently(reparse, &line).await? {
            Reread::Stored { records: stored, alerts: raised } => {
                (messages, records, alerts) = (messages + 1, records + stored, alerts + raised);
                reparse.tell.applied(Some(line.message), &json!({ "records": stored, "alerts": raised }))?;
            }
            Reread::Before => before += 1,
            Reread::Drifted => {
                reparse.tell.differs(line.message)?;
                return Err(AdminError::Invalid(format!(
                    "message {} has changed since; {messages} messages were changed before it and stay so; make a new dry run",
                    line.message
                )));
            }
        }
    }
    let said = json!({ "messages": messages, "records": records, "alerts": alerts, "messages_before": before });
    reparse.tell.applied(None, &said)
}

/// Looks at every message again; how many are not as the plan says. Each is named.
async fn differing(
    reparse: &Reparse,
    mut plan: Reading,
    which: &labor_db::messages::arrived::Selection,
) -> Result<usize, AdminError> {
    let mut differing = 0;
    let mut tell = |message: Uuid| {
        differing += 1;
        reparse.tell.differs(message)
    };
    reparse
        .each(which, async |message, look| {
            let planned = plan.next_of(message.id)?;
            if is_as_planned(planned.as_ref(), &look) { Ok(()) } else { tell(message.id) }
        })
        .await?;
    // What the plan names and no message is there for, in the order of arrival.
    while let Some(line) = plan.next()? {
        tell(line.message)?;
    }
    Ok(differing)
}

/// As it was, or as the plan makes it.
fn is_as_planned(planned: Option<&Line>, look: &Look) -> bool {
    let nothing = BTreeMap::new();
    let (line, settled) = match &look.seen {
        Seen::Read { line, settled, .. } => (line.as_ref(), settled),
        Seen::Waits | Seen::SetAside(_) => (None, &nothing),
    };
    if planned == line {
        return true;
    }
    let Some(planned) = planned else { return false };
    let is_settled = |record: &reread::Planned| settled.get(&record.record) == Some(&record.now);
    line == planned.applied().as_ref() && planned.planned().iter().all(is_settled)
}

/// Applies the line of one message; another transaction may be in its way for a while.
async fn patiently(reparse: &Reparse, line: &Line) -> Result<Reread, AdminError> {
    let mut pause = PAUSE;
    for _ in 1..TRIES {
        match one(reparse, line).await {
            Err(AdminError::Database(error)) if error.is_transient() => {
                tracing::warn!(message = %line.message, %error, seconds = pause.as_secs(), "will be tried again");
                tokio::time::sleep(pause).await;
                pause += PAUSE;
            }
            ended => return ended,
        }
    }
    one(reparse, line).await
}

async fn one(reparse: &Reparse, line: &Line) -> Result<Reread, AdminError> {
    let raw = look::bytes(reparse, line.message).await?;
    let sha256 = labor_db::messages::sha256(&raw.body);
    let reader = reader(&raw.body);
    if hex::encode(sha256) != line.sha256 || reader != line.reader {
        return Ok(Reread::Drifted);
    }
    let Ok((read, readable)) = look::read(raw).await? else { return Ok(Reread::Drifted) };
    if !look::is_for(reparse, &read).await? {
        return Ok(Reread::Drifted);
    }
    let mut session = reparse.session().await?;
    Ok(reread::apply(&mut session, &readable, &sha256, &line.planned(), reader).await?)
}
