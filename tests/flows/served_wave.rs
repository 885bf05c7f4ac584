//! A wave under traffic: practices are read, signed in to and sent messages without a pause while `up` brings all of them from version 1
//! to 2. Nobody outside notices.
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use labor_testing::{Platform, Sender, postgres, scratch};
use reqwest::StatusCode;
use tokio_postgres::Client;

use crate::clinic::{LIMIT, PASSWORD, User};
use crate::crash::numbered;

const UNDO: &str = include_str!("../../db/migrations/tenant/V2__reader_version.undo.sql");
const PRACTICES: usize = 6;

/// A practice: its sign-in name, its BSNR and its name in the database.
struct Practice {
    slug: String,
    bsnr: String,
    tenant: String,
}

/// Everything that goes on until the wave is through, counted.
#[derive(Default)]
struct Traffic {
    done: AtomicBool,
    reads: Cell<usize>,
    sign_ins: Cell<usize>,
    posts: Cell<usize>,
}

fn one_more(count: &Cell<usize>) {
    count.set(count.get() + 1);
}

impl Traffic {
    async fn read(&self, doctors: &[User]) {
        while !self.done.load(Relaxed) {
            for doctor in doctors {
                let reports = doctor.reports().await;
                if let Some(report) = reports.last() {
                    doctor.json(&format!("/v1/reports/{}", report["id"].as_str().unwrap())).await;
                }
                one_more(&self.reads);
            }
        }
    }

    async fn sign_in(&self, base: &str, practices: &[Practice]) {
        for practice in practices.iter().cycle() {
            if self.done.load(Relaxed) {
                return;
            }
            User::sign_in(base, &practice.slug, "doctor", PASSWORD)
                .await
                .map_err(|status| format!("sign-in: {status}"))
                .unwrap();
            one_more(&self.sign_ins);
        }
    }

    /// One message for each practice in turn, so many that each stays below a hundred.
    async fn post(&self, sender: &Sender, practices: &[Practice]) {
        while !self.done.load(Relaxed) {
            let count = self.posts.get();
            let answer = sender.send(&message(&practices[count % PRACTICES], count / PRACTICES)).await.unwrap();
            assert_eq!(answer.status, StatusCode::ACCEPTED.as_u16(), "{}", answer.text);
            one_more(&self.posts);
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
}

fn message(practice: &Practice, number: usize) -> Vec<u8> {
    let text: String = numbered(number).into_iter().map(char::from).collect();
    text.replace("123456700", &practice.bsnr).chars().map(|c| u8::try_from(c).unwrap()).collect()
}

/// Practices with a doctor each.
async fn open(platform: &Platform) -> Vec<Practice> {
    let mut practices = Vec::new();
    for n in 0..PRACTICES {
        let (slug, bsnr) = (format!("p{n}"), format!("10000000{n}"));
        let tenant = platform.practice(&slug, "Praxis", &bsnr).await.unwrap();
        platform.user(&slug, "doctor", "Dr. Test", "doctor", PASSWORD).await.unwrap();
        practices.push(Practice { slug, bsnr, tenant });
    }
    practices
}

/// Everybody at version 1, as the release before left them.
async fn take_back(superuser: &Client) {
    let tenants = superuser.query("SELECT tenant FROM control.ledger", &[]).await.unwrap();
    for tenant in tenants.iter().map(|row| row.get::<_, &str>(0)) {
        let back = format!(
            "SET search_path = {tenant}; {UNDO}; DELETE FROM refinery_schema_history WHERE version = 2; UPDATE schema_stamp SET version = 1;
             UPDATE control.ledger SET version = 1, chain_checksum = 'older' WHERE tenant = '{tenant}'; RESET search_path"
        );
        superuser.batch_execute(&back).await.unwrap();
    }
}

#[tokio::test]
async fn nobody_notices_that_a_wave_passes_through_the_fleet() {
    let name = "served_wave";
    let platform = Platform::create(postgres().await, &scratch().await.unwrap().join(name), name).await.unwrap();
    let superuser = postgres().await.connect(name).await.unwrap();
    let practices = open(&platform).await;
    take_back(&superuser).await;
    let source = platform.source("laboratory").await.unwrap();
    let server = platform.serve().await.unwrap();
    let worker = platform.work(&[]).await.unwrap();
    let sender = platform.sender(&server, &source).unwrap();
    let mut doctors = Vec::new();
    for practice in &practices {
        doctors.push(User::sign_in(&server.base, &practice.slug, "doctor", PASSWORD).await.unwrap());
    }

    let traffic = Traffic::default();
    let wave = async {
        let arguments =
            ["up", "--wave", "canary=1,50%,rest", "--pause-between", "1s", "--workers", "2", "--retries", "20"];
        let run = platform.program("labor-migrator").unwrap().args(arguments).run().await.unwrap();
        traffic.done.store(true, Relaxed);
        run
    };
    let (run, ..) = tokio::join!(
        wave,
        traffic.read(&doctors),
        traffic.sign_in(&server.base, &practices),
        traffic.post(&sender, &practices)
    );
    assert!(run.status.success(), "{}{}", run.stdout, run.stderr);
    let (reads, sign_ins, posts) = (traffic.reads.get(), traffic.sign_ins.get(), traffic.posts.get());
    assert!(reads > 2 * PRACTICES && sign_ins > PRACTICES && posts > 2 * PRACTICES, "{reads} {sign_ins} {posts}");
    platform.until_idle(postgres().await, LIMIT).await.unwrap();

    let number = async |sql: &str| superuser.query_one(sql, &[]).await.unwrap().get::<_, i64>(0);
    assert_eq!(number("SELECT count(*) FROM control.ledger WHERE version <> 2").await, 0);
    assert_eq!(number("SELECT count(*) FROM pgmq.q_dead_messages").await, 0);
    for (at, practice) in practices.iter().enumerate() {
        let wanted = i64::try_from((posts + PRACTICES - 1 - at) / PRACTICES).unwrap();
        for rows in ["raw_messages WHERE state = 'processed'", "reports", "audit WHERE action = 'message.process'"] {
            let found = number(&format!("SELECT count(*) FROM {}.{rows}", practice.tenant)).await;
            assert_eq!(found, wanted, "{}: {rows}", practice.slug);
        }
    }
    let log = std::fs::read_to_string(worker.log()).unwrap() + &server.running.said();
    assert!(!log.contains("ERROR"), "{log}");
    drop((worker, server));
}
