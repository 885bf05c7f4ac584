//! The web server and the worker killed, cut off and left without an answer at every single statement with which they receive a message.
//! Whatever the moment, the laboratory that sends until it is told 202, and the next worker, end where a run without faults ends.
//!
//! What must stay true: each round has a copy of the prepared database and a proxy of its own; what the programs ask on their own account,
//! whether or not there is a message, is no place for a fault, so that a place has the same number in each round.
mod facts;

use std::path::Path;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use labor_testing::{Fault, Platform, Postgres, Sender, Source, Wire, postgres, until};

use crate::clinic::{Clinic, LIMIT, sample, without_worker};

/// Two cores are kept busy, also while a cut worker pauses.
const AT_A_TIME: usize = 4;
/// So often a worker may be delivered an entry: what this test takes away from it does not make it a dead letter.
const WORK: &[&str] = &["--concurrency", "1", "--hidden-seconds", "30", "--attempts", "50"];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Victim {
    /// Killed while it takes the message in.
    Server,
    /// Killed while it works on the message, which is in the queue.
    Worker,
}

struct Loop<'a> {
    name: &'a str,
    victim: Victim,
    message: Vec<u8>,
    postgres: &'static Postgres,
    prepared: Platform,
    source: Source,
}

/// For a practice that is known.
#[tokio::test]
async fn a_message_is_taken_once_wherever_the_server_is_interrupted() {
    everywhere("kill_receive", Victim::Server, &[], "Z01_LDT3_01_final.ldt").await;
}

/// For two practices: to the intake.
#[tokio::test]
async fn a_package_is_taken_once_wherever_the_server_is_interrupted() {
    everywhere("kill_receive_package", Victim::Server, &[], "Z01_LDT3_07_zwei_einsender_ein_paket.ldt").await;
}

/// What is replaced was seen: its reader is told once, too.
#[tokio::test]
async fn a_correction_has_one_effect_wherever_the_worker_is_interrupted() {
    let earlier = ["Z01_LDT3_02_teilbefund.ldt", "Z01_LDT3_01_final.ldt"];
    everywhere("kill_correction", Victim::Worker, &earlier, "Z01_LDT3_03_korrektur_08.ldt").await;
}

/// The intake hands on a part to each practice, and each stores its own.
#[tokio::test]
async fn a_package_has_one_effect_wherever_the_worker_is_interrupted() {
    everywhere("kill_package", Victim::Worker, &[], "Z01_LDT3_07_zwei_einsender_ein_paket.ldt").await;
}

/// What can't be read is set aside.
#[tokio::test]
async fn a_broken_message_is_kept_wherever_the_worker_is_interrupted() {
    everywhere("kill_broken", Victim::Worker, &[], "sha1_wrong.ldt").await;
}

async fn everywhere(name: &str, victim: Victim, earlier: &[&str], message: &str) {
    let loops = Loop::prepare(name, victim, earlier, message).await;
    let (places, clean) = loops.round(Fault::None, "clean").await.unwrap();
    assert!(places.len() > 5 && !clean.is_empty(), "{places:?}: the program does not go through the proxy");
    let last = places.len() as u64;
    let faults: Vec<_> = (1..=last)
        .flat_map(|at| [("kill", Fault::Kill { at }), ("cut", Fault::Cut { at }), ("lost", Fault::CutAfter { at })])
        .collect();
    let rounds = stream::iter(&faults).map(|(kind, fault)| loops.compare(kind, *fault, &places, &clean));
    let outcomes: Vec<Result<(), String>> = rounds.buffer_unordered(AT_A_TIME).collect().await;
    let failures: Vec<String> = outcomes.into_iter().filter_map(Result::err).collect();
    assert!(failures.is_empty(), "{} of {} rounds:\n{}", failures.len(), faults.len(), failures.join("\n\n"));
}

/// What belongs to a message. The rest are the list that gates sessions, the look into the queue and what is asked at the start.
fn counts(text: &str) -> bool {
    let alone = ["WITH RECURSIVE turns", "control.fleet", "pg_catalog.", "pg_type"];
    !text.is_empty() && !alone.iter().any(|word| text.contains(word))
}

impl<'a> Loop<'a> {
    async fn prepare(name: &'a str, victim: Victim, earlier: &[&str], message: &str) -> Self {
        let clinic = without_worker(name).await;
        if !earlier.is_empty() {
            read_them(&clinic, earlier).await;
        }
        let folder = if message.starts_with('Z') { "good" } else { "broken" };
        let message = crate::clinic::samples(folder).into_iter().find(|(known, _)| known == message).unwrap().1;
        if victim == Victim::Worker {
            clinic.post(&message).await;
        }
        // Nobody may be connected to what is copied.
        let Clinic { platform, source, server, .. } = clinic;
        server.running.terminate(LIMIT).await.unwrap();
        alone(postgres().await, name).await;
        Self { name, victim, message, postgres: postgres().await, prepared: platform, source }
    }

    async fn compare(&self, kind: &str, fault: Fault, places: &[String], clean: &str) -> Result<(), String> {
        let at = match fault {
            Fault::Kill { at } | Fault::Cut { at } | Fault::CutAfter { at } => at,
            Fault::None => 0,
        };
        let words: Vec<&str> = places[usize::try_from(at - 1).unwrap()].split_whitespace().collect();
        let place = format!("{kind} {at} at {:.200}", words.join(" "));
        let (_, ended) =
            self.round(fault, &format!("{kind}_{at}")).await.map_err(|error| format!("{place}: {error}"))?;
        if ended == clean {
            return Ok(());
        }
        let only = |these: &str, those: &str, sign: &str| -> String {
            these.lines().filter(|line| !those.lines().any(|l| l == *line)).map(|l| format!("\n  {sign}{l}")).collect()
        };
        Err(format!("{place}: ended otherwise:{}{}", only(&ended, clean, "+"), only(clean, &ended, "-")))
    }

    /// A copy of what was prepared, the program with a fault, and what comes after; the statements and what is there then.
    async fn round(&self, fault: Fault, called: &str) -> Result<(Vec<String>, String), String> {
        let database = format!("{}_{called}", self.name);
        self.postgres.copy_database(self.name, &database).await.unwrap();
        let folder = self.prepared.folder().join(called);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::copy(self.prepared.setting("LABOR_MASTER_SECRET_FILE"), folder.join("master-secret")).unwrap();
        let wire = Wire::start_counting(("127.0.0.1", self.postgres.port()), fault, counts).await.unwrap();
        let ended = match self.victim {
            Victim::Server => self.send(&wire, &folder, &database).await,
            Victim::Worker => self.work(&wire, fault, &folder, &database).await,
        };
        if fault != Fault::None && !wire.done() {
            return Err("the place was never reached".to_owned());
        }
        let statements = wire.log();
        drop(wire);
        let facts = facts::describe(self.postgres, &database).await;
        alone(self.postgres, &database).await;
        self.postgres.drop_database(&database).await.unwrap();
        ended.map(|()| (statements, facts))
    }

    fn platform(&self, folder: &Path, database: &str, wire: Option<&Wire>) -> Platform {
        let platform = Platform::settings_for(self.postgres, folder, database).unwrap();
        // Without TLS, as in the other loop.
        let plain = format!("{}?sslmode=disable", platform.setting("LABOR_CONTROL_URL"));
        let url = wire.map_or_else(|| plain.clone(), |wire| wire.url(&plain).unwrap());
        platform.with([("LABOR_CONTROL_URL".to_owned(), url)])
    }

    /// As a laboratory does: the same message again and again until it is told 202. A killed server is started again.
    async fn send(&self, wire: &Wire, folder: &Path, database: &str) -> Result<(), String> {
        let said = |error: labor_testing::Error| error.to_string();
        let mut server = self.platform(folder, database, Some(wire)).serve().await.map_err(said)?;
        wire.victim(server.running.pid());
        let sent = until("202", LIMIT, async || {
            let sender = Sender::new(&server.base, &self.source.id, self.source.secret.as_bytes())?;
            let answer = sender.send_as("the-same-id", &self.message).await;
            Ok(match answer {
                Ok(answer) if answer.status == 202 => Ok(()),
                Ok(answer) => Err(answer.status.to_string()),
                Err(_) if server.running.exited().is_some() => {
                    server = self.platform(folder, database, None).serve().await?;
                    Err("started again".to_owned())
                }
                Err(error) => Err(error.to_string()),
            })
        });
        sent.await.map_err(said)?;
        server.running.terminate(LIMIT).await.map_err(said)?;
        Ok(())
    }

    /// Until nothing waits. Whoever comes after a dead worker need not wait until its time is over.
    async fn work(&self, wire: &Wire, fault: Fault, folder: &Path, database: &str) -> Result<(), String> {
        let said = |error: labor_testing::Error| error.to_string();
        let mut worker = self.platform(folder, database, Some(wire)).work(WORK).await.map_err(said)?;
        wire.victim(worker.pid());
        if matches!(fault, Fault::Kill { .. }) {
            until("the kill", LIMIT, async || Ok(worker.exited().ok_or_else(|| "it lives".to_owned())))
                .await
                .map_err(said)?;
            worker = self.platform(folder, database, None).work(WORK).await.map_err(said)?;
        }
        let client = self.postgres.connect(database).await.unwrap();
        until("the end of the work", LIMIT, async || {
            if wire.done() {
                let now = "UPDATE pgmq.q_messages SET vt = now() WHERE vt > now() AND NOT message ? 'alert_id'";
                client.batch_execute(now).await.unwrap();
            }
            // Timers of alerts stay for as long as they run.
            let waiting = "SELECT count(*) FROM pgmq.q_messages WHERE NOT message ? 'alert_id'";
            let waiting: i64 = client.query_one(waiting, &[]).await.unwrap().get(0);
            Ok(if waiting == 0 { Ok(()) } else { Err(format!("{waiting} wait: {}", worker.said())) })
        })
        .await
        .map_err(said)?;
        worker.terminate(LIMIT).await.map_err(said)?;
        Ok(())
    }
}

/// Sends, stores and reads what came before.
async fn read_them(clinic: &Clinic, names: &[&str]) {
    let worker = clinic.platform.work(&[]).await.unwrap();
    for name in names {
        clinic.post(&sample(name)).await;
        clinic.until_idle().await;
    }
    let doctor = clinic.doctor("a").await;
    for report in doctor.reports().await {
        doctor.json(&format!("/v1/reports/{}", report["id"].as_str().unwrap())).await;
    }
    worker.terminate(LIMIT).await.unwrap();
}

/// The server notices a broken connection only when it reads or writes next.
async fn alone(postgres: &Postgres, database: &str) {
    let client = postgres.connect("postgres").await.unwrap();
    let count = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1";
    until("the end of the sessions", Duration::from_secs(30), async || {
        let sessions: i64 = client.query_one(count, &[&database]).await.unwrap().get(0);
        Ok(if sessions == 0 { Ok(()) } else { Err(format!("{sessions} sessions")) })
    })
    .await
    .unwrap();
}
