//! One message: read, check whom it is for, store.
//! Must stay true: whatever the message is, when this returns `Ok` it is processed, set aside with a reason, or was so before.
use std::sync::Arc;

use labor_db::messages::{self, NewMessage, RawMessage, Verdict};
use labor_db::results::{self, Effect, ReadMessage};
use labor_db::{Claims, TenantName, TenantSession};
use uuid::Uuid;

use super::read::{Message, Unreadable};
use super::{JobError, route};
use crate::App;

/// What came of a message that was set aside.
pub(super) const QUARANTINED: &str = "quarantined";

/// Processes one entry; says in a word what came of it.
pub(crate) async fn process(
    app: &App,
    tenant: &TenantName,
    message_id: Uuid,
    job_id: Uuid,
) -> Result<&'static str, JobError> {
    let mut session = app.session(&Claims::worker(tenant.clone()), job_id).await?;
    // Entry and message are stored in one transaction: without a message there is nothing to do, and never will be.
    let Some(message) = messages::load(&mut session, message_id).await? else { return Ok("no such message") };
    if !message.waiting {
        return Ok("was done before");
    }
    // No text of the database can hold it, and no LDT file and no HL7 message does: what has one was damaged on its way.
    if message.body.contains(&0) {
        let reason = "nul-byte: the message holds a NUL byte, which neither LDT nor HL7 knows; send it again";
        messages::set_aside(&mut session, message.id, Verdict::Quarantined, reason).await?;
        return Ok(QUARANTINED);
    }
    let message = Arc::new(message);
    let (read, readable) = match read(message.clone()).await? {
        Ok(read) => read,
        Err(error) => {
            tracing::info!(code = error.code, "quarantined");
            messages::set_aside(&mut session, message.id, Verdict::Quarantined, &error.to_string()).await?;
            return Ok(QUARANTINED);
        }
    };
    if app.control.intake().await? == *tenant {
        hand_on(app, &mut session, &message, &read, job_id).await
    } else {
        store(app, &mut session, tenant, &read, &readable).await
    }
}

/// Large messages and attachments take a while, so they are read outside the async threads.
pub(crate) async fn read(message: Arc<RawMessage>) -> Result<Result<(Message, ReadMessage), Unreadable>, JobError> {
    let reading = tokio::task::spawn_blocking(move || {
        let read = Message::read(&message.body)?;
        let readable = read.readable(&message);
        Ok((read, readable))
    });
    reading.await.map_err(|_| JobError::Fault("the reader panicked"))
}

async fn store(
    app: &App,
    session: &mut TenantSession,
    tenant: &TenantName,
    read: &Message,
    readable: &ReadMessage,
) -> Result<&'static str, JobError> {
    let addressees = read.addressees();
    // Checked again, against today's registry: what is stored here is shown here.
    if route::single_tenant(&app.control, &addressees).await?.as_ref() != Some(tenant) {
        let reason = "wrong-recipient: not every record is addressed to this practice; correct the practice's identifiers and replay";
        messages::set_aside(session, readable.id, Verdict::Quarantined, reason).await?;
        return Ok(QUARANTINED);
    }
    Ok(match results::store(session, readable).await? {
        Effect::Stored { new_versions: 0, alerts: 0 } => "stored, nothing new",
        Effect::Stored { alerts: 0, .. } => "stored",
        Effect::Stored { alerts, .. } => {
            app.alerts.raised.inc_by(u64::try_from(alerts).unwrap_or_default());
            "stored, and somebody is alerted"
        }
        Effect::Nothing => "was done before",
    })
}

/// The intake's work: every known practice gets its own records, as a message of its own; what nobody is known for stays.
async fn hand_on(
    app: &App,
    session: &mut TenantSession,
    message: &RawMessage,
    read: &Message,
    job_id: Uuid,
) -> Result<&'static str, JobError> {
    let addressees = read.addressees();
    let whole = route::single_tenant(&app.control, &addressees).await?;
    let mut unknown = 0;
    if let Some(tenant) = whole {
        // Unchanged, so that a later retry of the sender is recognised as the same message.
        deliver(app, tenant, message, &message.body, job_id).await?;
    } else {
        for addressee in &addressees {
            match route::tenant(&app.control, addressee).await? {
                Some(tenant) => {
                    deliver(app, tenant, message, &read.extract(&message.body, &addressee.recipient), job_id).await?
                }
                None => unknown += 1,
            }
        }
    }
    if unknown > 0 || addressees.is_empty() {
        let known = addressees.len() - unknown;
        let reason = format!(
            "unknown-recipient: no active practice for {unknown} of {} recipients ({known} delivered); register the practice's identifiers and replay",
            addressees.len()
        );
        messages::set_aside(session, message.id, Verdict::Quarantined, &reason).await?;
        return Ok(QUARANTINED);
    }
    messages::handed_on(session, message.id, read.format(), &read.charset()).await?;
    Ok("handed on")
}

/// Stores a part in its practice. Idempotent: the same part of the same source is stored once.
async fn deliver(
    app: &App,
    tenant: TenantName,
    message: &RawMessage,
    body: &[u8],
    job_id: Uuid,
) -> Result<(), JobError> {
    let mut session = app.session(&Claims::worker(tenant), job_id).await?;
    let part = NewMessage {
        source_id: message.source_id,
        sender_message_id: message.sender_message_id.as_deref(),
        content_type: message.content_type.as_deref(),
        body,
        sha256: messages::sha256(body),
        received_at: Some(message.received_at),
    };
    messages::store(&mut session, part).await?;
    Ok(())
}
