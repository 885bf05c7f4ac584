//! Sessions through labor-db's own door: a request that is dropped in the middle, a frozen practice, what errors say.
use std::time::Duration;

use labor_db::messages::{self, NewMessage};
use labor_db::results::{self, NewReport, ReadMessage, Subject};
use labor_db::users::{self, NewUser};
use labor_db::{Claims, Control, DbError, PoolSettings, TenantSession, Tenants, reports};
use labor_testing::{dropped_after, until};
use serde_json::json;
use uuid::Uuid;

use crate::seed::Row;
use crate::world::{Practice, World, bind, connect, superuser, world};

const LIMIT: Duration = Duration::from_secs(10);

fn pools(world: &World, budget: usize, per_tenant: usize) -> Tenants {
    let settings = PoolSettings { budget, per_tenant, wait: Duration::from_secs(3), ..PoolSettings::default() };
    let url = world.platform.setting("LABOR_CONTROL_URL");
    Tenants::new(url, world.master.clone(), settings, Control::connect(url, 2).unwrap()).unwrap()
}

async fn session(tenants: &Tenants, claims: Claims) -> TenantSession {
    tenants.session(claims, Uuid::now_v7()).await.unwrap()
}

/// The next one in the pool's only place. Somebody who signs in, so it sees neither messages nor reports.
async fn the_next_one_sees_nothing(tenants: &Tenants, practice: &Practice, when: &str) {
    let mut next = session(tenants, Claims::sign_in(practice.name.clone(), "nobody")).await;
    let page = reports::list(&mut next, None, 10).await.unwrap();
    assert!(page.items.is_empty(), "{when}: a dropped request's claim was still there");
    assert!(messages::list_set_aside(&mut next).await.unwrap().messages.is_empty(), "{when}");
}

/// Backends of the practice that hold a transaction.
async fn open_transactions(practice: &Practice) -> i64 {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE usename = $1 AND xact_start IS NOT NULL";
    superuser().await.query_one(sql, &[&practice.name.role()]).await.unwrap().get(0)
}

async fn no_transaction_stays(practice: &Practice) {
    until("the end of all transactions", LIMIT, async || {
        let open = open_transactions(practice).await;
        Ok(if open == 0 { Ok(()) } else { Err(format!("{open} open")) })
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_request_dropped_at_any_point_leaves_neither_transaction_nor_claim() {
    let world = world().await;
    let practice = world.another("dropped", 10).await;
    let tenants = pools(world, 1, 1);
    let (mut finished, mut polls) = (0, 0);
    while finished < 3 {
        let when = format!("after {polls} polls");
        let mut working = session(&tenants, Claims::worker(practice.name.clone())).await;
        let listed = dropped_after(polls, reports::list(&mut working, None, 10)).await;
        if let Some(page) = listed {
            assert_eq!(page.unwrap().items.len(), 5);
            finished += 1;
        }
        drop(working);
        the_next_one_sees_nothing(&tenants, &practice, &when).await;
        no_transaction_stays(&practice).await;
        polls += 1;
        assert!(polls < 200, "it never ends");
    }
    assert!(polls > 4, "only {polls} points were tried");
}

#[tokio::test]
async fn a_message_whose_sender_hangs_up_at_any_point_is_stored_wholly_or_not_at_all() {
    let world = world().await;
    let practice = world.another("hangsup", 11).await;
    let tenants = pools(world, 1, 1);
    let superuser = superuser().await;
    let (mut done, mut polls) = (false, 0_u8);
    while !done {
        let mut session = session(&tenants, Claims::receiver(practice.name.clone())).await;
        let message = NewMessage {
            source_id: Uuid::nil(),
            sender_message_id: None,
            content_type: None,
            body: &[polls],
            sha256: messages::sha256(&[polls]),
            received_at: None,
        };
        done = dropped_after(polls.into(), messages::store(&mut session, message))
            .await
            .is_some_and(|stored| stored.is_ok());
        drop(session);
        no_transaction_stays(&practice).await;
        polls += 1;
    }
    let sql = format!(
        "SELECT (SELECT count(*) FROM {0}.raw_messages WHERE source_id = $1),
                (SELECT count(*) FROM {0}.audit WHERE action = 'message.store'),
                (SELECT count(*) FROM pgmq.q_messages WHERE message ->> 'tenant' = '{0}')",
        practice.name
    );
    let row = superuser.query_one(&sql, &[&Uuid::nil()]).await.unwrap();
    let (stored, audited, queued): (i64, i64, i64) = (row.get(0), row.get(1), row.get(2));
    assert!(
        stored >= 1 && stored == audited && stored == queued,
        "{stored} stored, {audited} audited, {queued} queued"
    );
    superuser
        .execute("DELETE FROM pgmq.q_messages WHERE message ->> 'tenant' = $1", &[&practice.name.as_str()])
        .await
        .unwrap();
}

/// Storing results takes several round trips: a worker that is dropped between two of them leaves its transaction open on the
/// connection, which must then not come back from the pool.
#[tokio::test]
async fn a_worker_dropped_between_two_statements_leaves_nothing_open_and_stores_once() {
    let world = world().await;
    let practice = world.another("midway", 57).await;
    let tenants = pools(world, 2, 1);
    let body = b"midway";
    let message = NewMessage {
        source_id: Uuid::nil(),
        sender_message_id: None,
        content_type: None,
        body,
        sha256: messages::sha256(body),
        received_at: None,
    };
    let mut receiver = session(&tenants, Claims::receiver(practice.name.clone())).await;
    let id = messages::store(&mut receiver, message).await.unwrap().id;
    drop(receiver);
    let read =
        ReadMessage { id, format: "LDT2", charset: "Latin9".into(), warnings: json!([]), reports: vec![report()] };
    let (mut done, mut polls) = (false, 0);
    while !done {
        let mut worker = session(&tenants, Claims::worker(practice.name.clone())).await;
        let stored = dropped_after(polls, results::store(&mut worker, &read)).await;
        done = stored.is_some_and(|effect| effect.is_ok());
        drop(worker);
        no_transaction_stays(&practice).await;
        polls += 1;
        assert!(polls < 200, "it never ends");
    }
    assert!(polls > 4, "only {polls} points were tried");
    let count = format!("SELECT count(*) FROM {}.reports WHERE raw_message_id = $1", practice.name);
    assert_eq!(superuser().await.query_one(&count, &[&id]).await.unwrap().get::<_, i64>(0), 1);
}

fn report() -> NewReport {
    NewReport {
        kind: "8201".into(),
        status: "final",
        laboratory: "lab".into(),
        laboratory_name: "lab".into(),
        subject: Subject::default(),
        order_number: None,
        lab_order_number: Some("midway-1".into()),
        report_number: None,
        reported_on: None,
        critical: false,
        critical_whole: false,
        genetic: false,
        doctor_number: None,
        invalidates_earlier: false,
        notes: vec!["text".into()],
        unmapped: Vec::new(),
        observations: Vec::new(),
        documents: Vec::new(),
    }
}

#[tokio::test]
async fn sessions_of_different_people_on_one_connection_each_see_their_own() {
    let world = world().await;
    let tenants = pools(world, 1, 1);
    for _ in 0..3 {
        let mut worker = session(&tenants, Claims::worker(world.a.name.clone())).await;
        assert_eq!(reports::list(&mut worker, None, 10).await.unwrap().items.len(), 5);
        let of_b = world.b.seeds.id(Row::Released);
        assert!(reports::get(&mut worker, of_b).await.unwrap().is_none(), "a report of the other practice");
        drop(worker);
        the_next_one_sees_nothing(&tenants, &world.a, "in turn").await;
        let mut other = session(&tenants, Claims::worker(world.b.name.clone())).await;
        let page = reports::list(&mut other, None, 10).await.unwrap();
        assert!(page.items.iter().all(|report| report.laboratory_name == world.b.seeds.mark));
    }
}

/// What an injected statement left on such a connection could answer the next one's look-up with a password of its own.
#[tokio::test]
async fn a_connection_of_before_sign_in_is_used_once() {
    let world = world().await;
    let practice = world.another("usedonce", 59).await;
    let tenants = pools(world, 4, 2);
    for claims in [Claims::worker(practice.name.clone()), Claims::sign_in(practice.name.clone(), "nobody")] {
        let mut session = session(&tenants, claims).await;
        users::find(&mut session, "nobody").await.unwrap();
    }
    let open = "SELECT count(*) FROM pg_stat_activity WHERE usename = $1";
    until("the worker's connection to be the only one", LIMIT, async || {
        let open: i64 = superuser().await.query_one(open, &[&practice.name.role()]).await.unwrap().get(0);
        Ok(if open == 1 { Ok(()) } else { Err(format!("{open} open")) })
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_frozen_practice_is_refused_at_once_also_on_connections_that_were_open() {
    let world = world().await;
    let practice = world.another("frozen", 12).await;
    let tenants = pools(world, 2, 2);
    let mut open = session(&tenants, Claims::operator(practice.name.clone())).await;
    assert!(reports::list(&mut open, None, 1).await.is_ok());
    let superuser = superuser().await;
    superuser.batch_execute(&format!("ALTER ROLE {} NOLOGIN", practice.name.role())).await.unwrap();
    superuser
        .execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = $1",
            &[&practice.name.role()],
        )
        .await
        .unwrap();
    let lost = reports::list(&mut open, None, 1).await.unwrap_err();
    assert!(matches!(lost, DbError::Unavailable(_) | DbError::Refused(_)), "{lost:?}");
    drop(open);
    for _ in 0..3 {
        let started = std::time::Instant::now();
        let refused = tenants.session(Claims::operator(practice.name.clone()), Uuid::now_v7()).await.err().unwrap();
        assert!(matches!(refused, DbError::Refused(_)), "{refused:?}");
        assert!(started.elapsed() < LIMIT, "it hung");
    }
    assert_eq!(tenants.free(), 2, "refused connections keep their place in the budget");
}

const SECRET: &str = "GEHEIMER-WERT-4711";
const MALFORMED: &str = "MISSRATENER-WERT-4712";
/// Of a superuser's session, whose errors are logged: so the log is the right one.
const LOGGED: &str = "SICHTBARER-WERT-4713";

#[tokio::test]
async fn errors_of_the_door_do_not_repeat_what_was_bound() {
    let world = world().await;
    let tenants = pools(world, 1, 1);
    let mut operator = session(&tenants, Claims::operator(world.a.name.clone())).await;
    let with = |username: &str, hash: &str, patient_id| NewUser {
        username: username.to_owned(),
        password_hash: hash.to_owned(),
        role: labor_catalog::ClaimRole::Doctor,
        display_name: SECRET.to_owned(),
        patient_id,
    };
    for wrong in [
        with(SECRET, "$argon2id$x", None),
        with("lower", SECRET, None),
        with(&format!("{SECRET}\0"), "$argon2id$x", None),
        with("lower", "$argon2id$x", Some(Uuid::nil())),
    ] {
        let error = users::add(&mut operator, &wrong).await.unwrap_err();
        assert!(matches!(error, DbError::Statement { .. }), "{error:?}");
        assert!(!format!("{error} {error:?}").contains(SECRET), "{error:?}");
    }
    let log = std::fs::read_to_string(labor_testing::postgres().await.log()).unwrap();
    assert!(!log.contains(SECRET), "the server's log holds a bound value");
}

#[tokio::test]
async fn errors_about_input_and_constraints_do_not_repeat_values() {
    let world = world().await;
    let client = world.login(&world.a).await;
    let claim = world.claim(&world.a.name, "worker", labor_catalog::ClaimRole::Worker);
    let patient = "INSERT INTO patients (id, identity_key, family_name, given_name, sex, birth_date) VALUES ";
    for (sql, code) in [
        ("SELECT $1::text::integer".to_owned(), "22P02"),
        ("SELECT $1::text::uuid".to_owned(), "22P02"),
        ("SELECT $1::text::date".to_owned(), "22007"),
        ("SELECT $1::text::jsonb".to_owned(), "22P02"),
        (format!("{patient} (gen_random_uuid(), $1, 'x', 'x', 'male', NULL)"), "23514"),
        (format!("{patient} (gen_random_uuid(), repeat('c', 64), $1, 'x', $1, NULL)"), "23514"),
        (format!("{patient} (gen_random_uuid(), repeat('c', 64), NULL, $1, 'male', NULL)"), "23502"),
    ] {
        client.batch_execute("BEGIN").await.unwrap();
        bind(&client, &claim).await;
        let error = client.execute(&sql, &[&MALFORMED]).await.unwrap_err();
        client.batch_execute("ROLLBACK").await.unwrap();
        assert_eq!(crate::world::state(&error), code, "{sql}");
        let error = DbError::from(error);
        assert!(!format!("{error} {error:?}").contains(MALFORMED), "{error:?}");
    }
    // A session may ask for parameters and for details of its own; it gets none of them into the log.
    for setting in ["log_parameter_max_length_on_error = -1", "debug_print_parse = on", "log_min_messages = warning"] {
        let _ = client.batch_execute(&format!("SET {setting}")).await;
        client.execute("SELECT $1::text::uuid", &[&MALFORMED]).await.unwrap_err();
    }
    let migrator = connect(world.platform.setting("LABOR_MIGRATOR_URL")).await.unwrap();
    let backup = connect(world.platform.setting("LABOR_BACKUP_URL")).await.unwrap();
    for (client, value) in [(&migrator, MALFORMED), (&backup, MALFORMED), (&superuser().await, LOGGED)] {
        client.execute("SELECT $1::text::uuid", &[&value]).await.unwrap_err();
    }
    // What is logged is logged without DETAIL and without its statement.
    let superuser = superuser().await;
    superuser.batch_execute("CREATE TEMP TABLE twice (value text CONSTRAINT once_only UNIQUE)").await.unwrap();
    let twice = superuser.execute(&format!("INSERT INTO twice VALUES ('{MALFORMED}'), ('{MALFORMED}')"), &[]).await;
    assert!(twice.unwrap_err().as_db_error().unwrap().detail().unwrap().contains(MALFORMED));
    let log = std::fs::read_to_string(labor_testing::postgres().await.log()).unwrap();
    assert!(log.contains(LOGGED) && log.contains("once_only"), "the errors of a superuser are not in this log");
    assert!(!log.contains(MALFORMED), "the server's log holds a bound value");
}
