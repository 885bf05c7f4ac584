//! Receive, with a worker that is killed at any moment: every message has exactly one effect.
use std::time::Duration;

use labor_testing::{postgres, until};

use crate::clinic::{LIMIT, sample, without_worker};

const MESSAGES: usize = 60;

/// Workers are killed with signal 9 while they are at it, at moments spread over the whole work, until all of it is done.
#[tokio::test]
async fn killed_workers_leave_exactly_one_effect_per_message() {
    let clinic = without_worker("crash_worker").await;
    for n in 0..MESSAGES {
        clinic.post(&numbered(n)).await;
    }
    let client = postgres().await.connect(clinic.platform.database()).await.unwrap();
    let waiting =
        async || client.query_one("SELECT count(*) FROM pgmq.q_messages", &[]).await.unwrap().get::<_, i64>(0);
    let (mut kills, mut last) = (0, waiting().await);
    while last > 0 {
        // A message that is interrupted each time it is taken is not to end as a dead letter here.
        let often = ["--hidden-seconds", "1", "--concurrency", "3", "--attempts", "50"];
        let worker = clinic.platform.work(&often).await.unwrap();
        // Killed as soon as it has made progress, so that it is in the middle of the next ones.
        let progressed = until("progress", LIMIT, async || {
            let now = waiting().await;
            Ok(if now < last { Ok(now) } else { Err(format!("{now} messages wait")) })
        });
        last = progressed.await.unwrap();
        worker.kill9();
        kills += 1;
    }
    assert!(kills >= 5, "only {kills} kills: the test did not test anything");
    let tenant = &clinic.tenants[0];
    let count = async |sql: &str| clinic.count(&sql.replace("{t}", tenant)).await;
    let expected = i64::try_from(MESSAGES).unwrap();
    assert_eq!(count("SELECT count(*) FROM {t}.raw_messages WHERE state = 'processed'").await, expected);
    assert_eq!(count("SELECT count(*) FROM {t}.reports").await, expected);
    assert_eq!(count("SELECT count(DISTINCT raw_message_id) FROM {t}.reports").await, expected);
    assert_eq!(count("SELECT count(*) FROM {t}.audit WHERE action = 'message.process'").await, expected);
    assert_eq!(count("SELECT count(*) FROM pgmq.q_dead_messages").await, 0);
}

/// What was answered with 202 is there after the server and the whole database cluster were killed.
#[tokio::test]
async fn what_was_accepted_survives_a_crash_of_everything() {
    let folder = labor_testing::scratch().await.unwrap().join("crash_all");
    let cluster = labor_testing::Postgres::start(&folder.join("postgres")).await.unwrap();
    let platform = labor_testing::Platform::create(&cluster, &folder, "labor").await.unwrap();
    let tenant = platform.practice("a", "Praxis A", "123456700").await.unwrap();
    let source = platform.source("laboratory").await.unwrap();
    let server = platform.serve().await.unwrap();
    let sender = platform.sender(&server, &source).unwrap();
    let mut accepted = 0;
    for n in 0..20 {
        accepted += i64::from(sender.send(&numbered(n)).await.unwrap().status == 202);
    }
    cluster.kill().await.unwrap();
    let gone = sender.send(&numbered(99)).await.unwrap();
    assert_eq!(gone.status, 503, "{}", gone.text);
    cluster.restart().await.unwrap();
    // The same server goes on by itself.
    until("the server's recovery", Duration::from_secs(15), async || {
        let status = sender.send(&numbered(99)).await?.status;
        Ok(if status == 202 { Ok(()) } else { Err(status.to_string()) })
    })
    .await
    .unwrap();
    let worker = platform.work(&[]).await.unwrap();
    platform.until_idle(&cluster, LIMIT).await.unwrap();
    let client = cluster.connect("labor").await.unwrap();
    let stored: i64 = client.query_one(&format!("SELECT count(*) FROM {tenant}.reports"), &[]).await.unwrap().get(0);
    assert_eq!(stored, accepted + 1);
    drop((worker, server));
}

/// A report of its own: both order numbers of the sample are replaced by others of the same length.
pub(crate) fn numbered(n: usize) -> Vec<u8> {
    let text = sample("Z05_ldt2_old_LDT1001.02_DDMMYYYY.ldt");
    let mut text: String = text.iter().map(|byte| char::from(*byte)).collect();
    for (old, new) in [("A-2008-1", format!("A-20{n:02}-1")), ("0810080001", format!("08100800{n:02}"))] {
        assert!(text.contains(old));
        text = text.replace(old, &new);
    }
    text.chars().map(|c| u8::try_from(c).unwrap()).collect()
}
