//! What most tests here begin with: a clinic, channels towards it, and files that differ.
use std::time::Duration;

use labor_testing::{Channel, ChannelSettings, Message, Queue, State, postgres};

use crate::clinic::{Clinic, LIMIT, sample};

/// Retries at once: the engine waits for ten seconds.
pub(crate) const AT_ONCE: Queue = Queue::Always { interval: Duration::from_millis(50), rotate: false };

/// The set-up of docs/mirth.md towards the clinic, with fast retries.
pub(crate) fn settings(clinic: &Clinic) -> ChannelSettings {
    ChannelSettings { queue: AT_ONCE, ..clinic.platform.channel(&clinic.server.base, &clinic.source) }
}

/// A channel that was set up a little differently.
pub(crate) fn channel(clinic: &Clinic, change: impl FnOnce(&mut ChannelSettings)) -> Channel {
    let mut settings = settings(clinic);
    change(&mut settings);
    Channel::start(settings).unwrap()
}

/// A report in LDT 2 that differs from all others of another number in its order number only; its lengths fit.
pub(crate) fn report(number: usize) -> Vec<u8> {
    let order = b"A-2026-0001";
    let mut file = sample("Z01_ldt2_8201_iso885915.ldt");
    let at = file.windows(order.len()).position(|window| window == order).unwrap();
    file[at..at + order.len()].copy_from_slice(format!("B-2026-{number:04}").as_bytes());
    file
}

/// The files of the numbers up to this one are read by the channel.
pub(crate) fn read(channel: &Channel, reports: usize) {
    for number in 0..reports {
        channel.read(&number.to_string(), &report(number));
    }
}

/// All messages, when all are SENT.
pub(crate) async fn sent(channel: &Channel) -> Vec<Message> {
    let messages = channel.until_done(LIMIT).await.unwrap();
    assert!(messages.iter().all(|message| message.state == State::Sent), "{messages:?}");
    messages
}

/// How many messages with these bytes are kept, in all schemas.
pub(crate) async fn kept(clinic: &Clinic, bytes: &[u8]) -> usize {
    let client = postgres().await.connect(clinic.platform.database()).await.unwrap();
    let mut found = 0;
    for tenant in client.query("SELECT name FROM control.tenants", &[]).await.unwrap() {
        let sql = format!("SELECT FROM {}.raw_messages WHERE body = $1", tenant.get::<_, &str>(0));
        found += client.query(&sql, &[&bytes]).await.unwrap().len();
    }
    found
}

/// How many messages are kept, in all schemas.
pub(crate) async fn all_kept(clinic: &Clinic) -> i64 {
    let client = postgres().await.connect(clinic.platform.database()).await.unwrap();
    let mut found = 0;
    for tenant in client.query("SELECT name FROM control.tenants", &[]).await.unwrap() {
        let sql = format!("SELECT count(*) FROM {}.raw_messages", tenant.get::<_, &str>(0));
        found += client.query_one(&sql, &[]).await.unwrap().get::<_, i64>(0);
    }
    found
}
