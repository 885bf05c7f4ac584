//! Receive under load: the database restarts in the middle, a source floods. What was answered with 202 has one effect, what was not is
//! sent again, as laboratories do.
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::{join, join_all};
use labor_testing::{Platform, Postgres, Sender, Server, Source, postgres, scratch, until};

use crate::clinic::{Clinic, LIMIT, without_worker};
use crate::crash::numbered;

const MESSAGES: usize = 96;
const LANES: usize = 4;
const RESTARTS: usize = 3;

/// Twice killed and once stopped as an administrator does, while four channels send and two workers work.
#[tokio::test]
async fn restarts_of_the_database_under_load_lose_and_double_nothing() {
    let folder = scratch().await.unwrap().join("restarts");
    let cluster = Postgres::start(&folder.join("postgres")).await.unwrap();
    let platform = Platform::create(&cluster, &folder, "labor").await.unwrap();
    let tenant = platform.practice("a", "Praxis A", "123456700").await.unwrap();
    let source = platform.source("laboratory").await.unwrap();
    let server = platform.serve().await.unwrap();
    let workers = [platform.work(&["--hidden-seconds", "2"]).await, platform.work(&["--hidden-seconds", "2"]).await];
    let accepted = AtomicUsize::new(0);
    let lanes = join_all((0..LANES).map(|lane| send_all(&server, &source, lane, &accepted)));
    let restarts = async {
        for n in 1..=RESTARTS {
            until("the middle of the load", LIMIT, async || {
                let there = accepted.load(Ordering::Relaxed);
                Ok(if there >= n * MESSAGES / (RESTARTS + 1) { Ok(()) } else { Err(format!("{there} accepted")) })
            })
            .await
            .unwrap();
            if n == 2 { cluster.stop().await } else { cluster.kill().await }.unwrap();
            cluster.restart().await.unwrap();
        }
    };
    join(lanes, restarts).await;
    platform.until_idle(&cluster, LIMIT).await.unwrap();
    drop(workers);
    assert_one_effect_each(&cluster, "labor", &tenant).await;
}

/// The same hundred messages five times over at once, by one source for one practice; another source's message for another practice is
/// accepted and worked on meanwhile.
#[tokio::test]
async fn a_flood_from_one_source_loses_nothing_and_holds_up_nobody_else() {
    let clinic = without_worker("flood").await;
    let other = clinic.platform.source("other").await.unwrap();
    let accepted = AtomicUsize::new(0);
    let flood = join_all((0..5 * LANES).map(|lane| send_all(&clinic.server, &clinic.source, lane % LANES, &accepted)));
    let meanwhile = async {
        let sender = clinic.platform.sender(&clinic.server, &other).unwrap();
        accept(&sender, "other", &for_the_other_practice()).await;
    };
    join(flood, meanwhile).await;
    let _worker = clinic.platform.work(&["--concurrency", "1"]).await.unwrap();
    let reports_of_b = format!("SELECT count(*) FROM {}.reports", clinic.tenants[1]);
    until("the other practice's report", LIMIT, async || {
        Ok(if clinic.count(&reports_of_b).await == 1 { Ok(()) } else { Err("none".to_owned()) })
    })
    .await
    .unwrap();
    let waiting = waiting(&clinic).await;
    assert!(waiting > MESSAGES as i64 / 2, "only {waiting} of the flood wait: the other practice waited for it");
    clinic.until_idle().await;
    assert_one_effect_each(postgres().await, clinic.platform.database(), &clinic.tenants[0]).await;
}

async fn waiting(clinic: &Clinic) -> i64 {
    clinic.count("SELECT count(*) FROM pgmq.q_messages").await
}

/// One channel's share of the messages, each until it is accepted.
async fn send_all(server: &Server, source: &Source, lane: usize, accepted: &AtomicUsize) {
    let sender = Sender::new(&server.base, &source.id, source.secret.as_bytes()).unwrap();
    for n in (lane..MESSAGES).step_by(LANES) {
        accept(&sender, &format!("message-{n}"), &numbered(n)).await;
        accepted.fetch_add(1, Ordering::Relaxed);
    }
}

async fn accept(sender: &Sender, id: &str, body: &[u8]) {
    until("202", LIMIT, async || {
        Ok(match sender.send_as(id, body).await?.status {
            202 => Ok(()),
            status => Err(status.to_string()),
        })
    })
    .await
    .unwrap();
}

async fn assert_one_effect_each(cluster: &Postgres, database: &str, tenant: &str) {
    let client = cluster.connect(database).await.unwrap();
    let count = async |sql: &str| client.query_one(&sql.replace("{t}", tenant), &[]).await.unwrap().get::<_, i64>(0);
    let expected = i64::try_from(MESSAGES).unwrap();
    for sql in [
        "SELECT count(*) FROM {t}.raw_messages",
        "SELECT count(*) FROM {t}.raw_messages WHERE state = 'processed'",
        "SELECT count(*) FROM {t}.reports",
        "SELECT count(DISTINCT raw_message_id) FROM {t}.reports",
        "SELECT count(*) FROM {t}.audit WHERE action = 'message.process'",
    ] {
        assert_eq!(count(sql).await, expected, "{sql}");
    }
    assert_eq!(count("SELECT count(*) FROM pgmq.q_dead_messages").await, 0);
}

/// A message of the same kind for practice `b`.
fn for_the_other_practice() -> Vec<u8> {
    let text: String = numbered(0).iter().map(|byte| char::from(*byte)).collect();
    assert!(text.contains("123456700"));
    text.replace("123456700", "222222200").chars().map(|c| u8::try_from(c).unwrap()).collect()
}
