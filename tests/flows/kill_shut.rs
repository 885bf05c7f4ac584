//! A practice that is shut, by a deletion or by `suspend`: the command killed at every statement it sends, and left without an answer
//! wherever something became permanent. Running it again ends where a run without faults ends.
//!
//! What must stay true: each round has a practice of its own, with rows, an open message, a copy and connections, because what is shut or
//! taken away are logins, which belong to the whole server, so that copies of one database would not do.
use std::os::unix::process::ExitStatusExt as _;
use std::time::Duration;

use labor_testing::{Fault, Platform, Postgres, Wire, postgres, scratch, until};
use tokio_postgres::Client;

use crate::chain;
use crate::kill::{place, told, url};

const LIMIT: Duration = Duration::from_secs(60);

/// What shuts the practice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Deletion,
    Suspension,
}

#[tokio::test]
async fn a_deletion_ends_the_same_wherever_it_was_interrupted() {
    let statements =
        every_statement(By::Deletion, "deleted done freeze, disconnect, shut, drop, queue, intake, registry").await;
    assert!(statements > 30, "the command does not go through the proxy");
}

/// Whoever is in stays in until the login is shut and committed, so a run that was killed after that has to be gone on with.
#[tokio::test]
async fn a_suspension_ends_the_same_wherever_it_was_interrupted() {
    let statements = every_statement(By::Suspension, "frozen, login shut, 0 sessions, suspended 1 times").await;
    assert!(statements > 10, "the command does not go through the proxy");
}

/// How many statements there are; `wanted` is in what a run without a fault leaves.
async fn every_statement(by: By, wanted: &str) -> usize {
    let ward = Ward::open(by).await;
    let (statements, clean) = ward.round(0, Fault::None, &[]).await.unwrap();
    assert!(clean.contains(wanted), "{clean}");
    let commits = statements.iter().zip(1..).filter(|(text, _)| text.starts_with("COMMIT"));
    let faults: Vec<Fault> = (1..=statements.len() as u64)
        .map(|at| Fault::Kill { at })
        .chain(commits.map(|(_, at)| Fault::CutAfter { at }))
        .collect();
    let mut failures = Vec::new();
    for (number, fault) in (1..).zip(&faults) {
        match ward.round(number, *fault, &statements).await {
            Ok((_, facts)) if facts == clean => {}
            Ok((_, facts)) => {
                failures.push(format!("{}: ended otherwise than without it:\n{facts}", place(*fault, &statements)))
            }
            Err(error) => failures.push(error),
        }
    }
    assert!(failures.is_empty(), "{} of {} rounds:\n{}", failures.len(), faults.len(), failures.join("\n\n"));
    statements.len()
}

struct Ward {
    by: By,
    postgres: &'static Postgres,
    platform: Platform,
    client: Client,
}

impl Ward {
    async fn open(by: By) -> Self {
        let postgres = postgres().await;
        let database = if by == By::Deletion { "kill_delete" } else { "kill_suspend" };
        let folder = scratch().await.unwrap().join(database);
        let platform = Platform::create(postgres, &folder, database).await.unwrap();
        for operator in ["anna", "bert"] {
            platform.json("labor", &["operator", "add", operator, "--name", operator], "").await.unwrap();
        }
        let client = postgres.connect(database).await.unwrap();
        client.batch_execute("UPDATE control.retention SET years = 0").await.unwrap();
        Self { by, postgres, platform, client }
    }

    /// A practice, the command with a fault, and the command again: the statements of the first, and what is there in the end.
    async fn round(&self, number: u32, fault: Fault, known: &[String]) -> Result<(Vec<String>, String), String> {
        let slug = format!("k{number}");
        let tenant = self.platform.practice(&slug, "Praxis", &format!("2{number:08}")).await.unwrap();
        self.fill(&tenant, number).await;
        let request = if self.by == By::Deletion { self.request(&tenant).await } else { String::new() };
        let arguments = match self.by {
            By::Deletion => vec!["delete", "--request", &request],
            By::Suspension => vec!["suspend", &slug, "--reason", "test"],
        };
        // Ended with the practice.
        let (_user, connection) = tokio_postgres::connect(&self.login(&tenant), tokio_postgres::NoTls).await.unwrap();
        let ended = tokio::spawn(connection);
        let wire = Wire::start_counting(("127.0.0.1", self.postgres.port()), fault, is_counted).await.unwrap();
        let program = self.platform.program("labor-migrator").unwrap().args(arguments).limit(LIMIT);
        let url = url(&self.platform);
        let running = program.clone().env("LABOR_MIGRATOR_URL", wire.url(&url).unwrap()).begin().unwrap();
        wire.victim(running.pid());
        let first = running.end().await.map_err(|error| format!("{}: {error}", place(fault, known)))?;
        let well = match fault {
            Fault::None => first.status.success(),
            Fault::Kill { .. } => first.status.signal() == Some(9),
            _ => wire.done() && (first.status.success() || first.status.code() == Some(1)),
        };
        if !well {
            return Err(format!("{}: {}", place(fault, known), told(&first)));
        }
        self.alone().await;
        if fault != Fault::None {
            let second = program.env("LABOR_MIGRATOR_URL", url).run().await.unwrap();
            if !second.status.success() {
                return Err(format!("{}, run again: {}", place(fault, known), told(&second)));
            }
        }
        let facts = match self.by {
            By::Deletion => self.deleted(&tenant, &request, number).await,
            By::Suspension => self.suspended(&tenant).await,
        };
        let end = tokio::time::timeout(LIMIT, ended).await;
        let end = end.map_err(|_| format!("{}: somebody is still in: {facts}", place(fault, known)))?;
        assert!(end.unwrap().is_err(), "who was in left by himself");
        Ok((wire.log(), facts))
    }

    /// The URL of the practice's own login.
    fn login(&self, tenant: &str) -> String {
        let name = labor_catalog::TenantName::parse(tenant).unwrap();
        let secret = std::fs::read_to_string(self.platform.setting("LABOR_MASTER_SECRET_FILE")).unwrap();
        let password = labor_catalog::MasterSecret::from_hex(&secret).unwrap().tenant_password(&name);
        self.postgres.url_as(&name.role(), &password, self.platform.database())
    }

    /// Rows, an open message in the queue, and a schema that was made from it.
    async fn fill(&self, tenant: &str, number: u32) {
        let name = labor_catalog::TenantName::parse(tenant).unwrap();
        self.client.batch_execute(&chain::patients(name.as_str(), 3)).await.unwrap();
        let copy = format!("t_copy{number:08}");
        let sql = format!(
            "SELECT pgmq.send('messages', jsonb_build_object('tenant', '{tenant}'));
             CREATE SCHEMA {copy} AUTHORIZATION labor_owner;
             COMMENT ON SCHEMA {copy} IS 'labor-migrator rehearsal of {tenant} by x@y';"
        );
        self.client.batch_execute(&sql).await.unwrap();
    }

    /// An approved deletion.
    async fn request(&self, tenant: &str) -> String {
        let add = "INSERT INTO control.requests (id, tenant, kind, reason, grace_days, requested_by, approved_by, approved_at, state)
                   SELECT gen_random_uuid(), $1, 'deletion', 'test', 0, a.id, b.id, now(), 'approved'
                     FROM control.operators a, control.operators b WHERE a.username = 'anna' AND b.username = 'bert' RETURNING id::text";
        self.client.query_one(add, &[&tenant]).await.unwrap().get(0)
    }

    async fn suspended(&self, tenant: &str) -> String {
        let sql = "SELECT format('%s, login %s, %s sessions, suspended %s times', t.state, CASE WHEN r.rolcanlogin THEN 'open' ELSE 'shut' END,
                          (SELECT count(*) FROM pg_stat_activity WHERE usesysid = r.oid),
                          (SELECT count(*) FROM control.runs WHERE command = 'suspend' AND arguments ->> 'tenant' = t.name AND outcome = 'completed'))
                     FROM control.tenants t JOIN pg_roles r ON r.rolname = t.name || '_app' WHERE t.name = $1";
        self.client.query_one(sql, &[&tenant]).await.unwrap().get(0)
    }

    async fn deleted(&self, tenant: &str, request: &str, number: u32) -> String {
        let sql = format!(
            "SELECT concat_ws(' ', t.state, r.state, (SELECT string_agg(s ->> 'step', ', ') FROM jsonb_array_elements(r.steps) s),
                    r.certificate -> 'found_afterwards', t.display_name, t.slug = replace(t.name, '_', '-'),
                    (SELECT count(*) FROM pg_namespace WHERE nspname IN (t.name, 't_copy{number:08}')),
                    (SELECT count(*) FROM pg_roles WHERE rolname LIKE t.name || '%'),
                    (SELECT count(*) FROM control.tenant_identifiers i WHERE i.tenant = t.name),
                    (SELECT count(*) FROM control.ledger l WHERE l.tenant = t.name),
                    (SELECT count(*) FROM pgmq.q_messages WHERE message ->> 'tenant' = t.name))
               FROM control.requests r JOIN control.tenants t ON t.name = r.tenant WHERE r.id = $1::text::uuid AND t.name = $2"
        );
        self.client.query_one(&sql, &[&request, &tenant]).await.unwrap().get(0)
    }

    /// The server notices a broken connection only when it reads or writes next; until then its locks are held.
    async fn alone(&self) {
        let count = "SELECT count(*) FROM pg_stat_activity
                      WHERE datname = current_database() AND pid <> pg_backend_pid() AND usename !~ '^t_[a-z0-9]{12}_app$'";
        until("the end of the broken sessions", LIMIT, async || {
            let sessions: i64 = self.client.query_one(count, &[]).await.unwrap().get(0);
            Ok(if sessions == 0 { Ok(()) } else { Err(format!("{sessions} sessions")) })
        })
        .await
        .unwrap();
    }
}

/// How often it asks whether connections have ended is not the same in each run.
fn is_counted(text: &str) -> bool {
    !text.contains("pg_terminate_backend")
}
