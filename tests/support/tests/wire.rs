//! The proxy that makes faults: it counts what it should, cuts where it should, and changes nothing else.
#![expect(clippy::unwrap_used, reason = "in the helpers of a test, too, a broken expectation ends it")]

use std::{os::unix::process::ExitStatusExt as _, time::Duration};

use labor_testing::{Fault, Postgres, Program, Wire, postgres, until};
use tokio_postgres::{Client, NoTls};

/// A database of its own with an empty table, a proxy in front of it, and a client through the proxy.
async fn behind(fault: Fault, database: &str) -> (&'static Postgres, Wire) {
    let postgres = postgres().await;
    postgres.create_database(database).await.unwrap();
    let client = postgres.connect(database).await.unwrap();
    client.batch_execute("CREATE TABLE t (n int PRIMARY KEY)").await.unwrap();
    (postgres, Wire::start(("127.0.0.1", postgres.port()), fault).await.unwrap())
}

async fn through(wire: &Wire, url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(&wire.url(url).unwrap(), NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn count(postgres: &Postgres, database: &str) -> i64 {
    let client = postgres.connect(database).await.unwrap();
    client.query_one("SELECT count(*) FROM t", &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn simple_and_extended_statements_are_counted_with_their_texts() {
    let (postgres, wire) = behind(Fault::None, "wire_count").await;
    let client = through(&wire, &postgres.url("wire_count")).await;
    assert_eq!(wire.statements(), 0, "signing in is no statement");
    client.batch_execute("BEGIN; INSERT INTO t VALUES (1)").await.unwrap();
    let insert = client.prepare("INSERT INTO t VALUES ($1)").await.unwrap();
    assert_eq!(wire.statements(), 1, "preparing is none");
    client.execute(&insert, &[&2]).await.unwrap();
    let other = through(&wire, &postgres.url("wire_count")).await;
    other.query_one("SELECT 7", &[]).await.unwrap();
    client.execute(&insert, &[&3]).await.unwrap();
    client.batch_execute("COMMIT").await.unwrap();
    let inserted = "INSERT INTO t VALUES ($1)";
    assert_eq!(wire.log(), ["BEGIN; INSERT INTO t VALUES (1)", inserted, "SELECT 7", inserted, "COMMIT"]);
    assert_eq!(count(postgres, "wire_count").await, 3);
}

#[tokio::test]
async fn what_is_cut_before_has_no_effect_and_a_new_connection_works() {
    let (postgres, wire) = behind(Fault::Cut { at: 3 }, "wire_cut").await;
    let url = postgres.url("wire_cut");
    let (client, other) = (through(&wire, &url).await, through(&wire, &url).await);
    client.batch_execute("INSERT INTO t VALUES (1)").await.unwrap();
    client.execute("INSERT INTO t VALUES (2)", &[]).await.unwrap();
    assert!(!wire.done());
    let error = client.execute("INSERT INTO t VALUES (3)", &[]).await.unwrap_err();
    assert!(error.is_closed(), "{error}");
    assert!(wire.done() && wire.log()[2].ends_with("(3)"));
    other.batch_execute("INSERT INTO t VALUES (4)").await.unwrap_err();
    assert_eq!(count(postgres, "wire_cut").await, 2);
    through(&wire, &url).await.batch_execute("INSERT INTO t VALUES (5)").await.unwrap();
    assert_eq!(count(postgres, "wire_cut").await, 3);
}

#[tokio::test]
async fn a_commit_whose_answer_is_cut_off_has_its_effect() {
    for (extended, database, at) in [(false, "wire_after_simple", 3), (true, "wire_after_extended", 4)] {
        let (postgres, wire) = behind(Fault::CutAfter { at }, database).await;
        let client = through(&wire, &postgres.url(database)).await;
        client.batch_execute("BEGIN").await.unwrap();
        client.execute("INSERT INTO t VALUES (1)", &[]).await.unwrap();
        if extended {
            client.execute("INSERT INTO t VALUES (2)", &[]).await.unwrap();
            client.execute("COMMIT", &[]).await.unwrap_err();
        } else {
            client.batch_execute("COMMIT").await.unwrap_err();
        }
        assert!(wire.done() && wire.log().last().unwrap() == "COMMIT");
        assert_eq!(count(postgres, database).await, if extended { 2 } else { 1 });
    }
}

/// The statements are all under way before the first answer: those before the cut are done, those after it are not.
#[tokio::test]
async fn pipelined_statements_keep_their_order_and_are_cut_at_the_right_one() {
    let (postgres, wire) = behind(Fault::None, "wire_pipeline").await;
    let client = through(&wire, &postgres.url("wire_pipeline")).await;
    let insert = client.prepare("INSERT INTO t SELECT count(*) + $1::int - $1::int FROM t").await.unwrap();
    let all = (0..50).map(|_| client.execute(&insert, &[&1]));
    assert!(futures(all).await.iter().all(Result::is_ok));
    assert_eq!((wire.statements(), count(postgres, "wire_pipeline").await), (50, 50));

    let (postgres, wire) = behind(Fault::Cut { at: 20 }, "wire_pipeline_cut").await;
    let client = through(&wire, &postgres.url("wire_pipeline_cut")).await;
    let insert = client.prepare("INSERT INTO t VALUES ($1)").await.unwrap();
    let numbers: Vec<i32> = (0..50).collect();
    let parameters: Vec<[&(dyn tokio_postgres::types::ToSql + Sync); 1]> = numbers.iter().map(|n| [n as _]).collect();
    let outcomes = futures(parameters.iter().map(|n| client.execute(&insert, n))).await;
    assert!(outcomes[19..].iter().all(Result::is_err), "{outcomes:?}");
    until("the end of the session", Duration::from_secs(10), async || {
        let done = count(postgres, "wire_pipeline_cut").await;
        Ok(if done == 19 { Ok(()) } else { Err(format!("{done} rows")) })
    })
    .await
    .unwrap();
}

/// Polls all at once, in order; the answers in order.
async fn futures<F: Future>(all: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut all: Vec<_> = all.map(|future| Some(Box::pin(future))).collect();
    let mut outcomes: Vec<Option<F::Output>> = all.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, outcome) in all.iter_mut().zip(&mut outcomes) {
            if let Some(std::task::Poll::Ready(value)) = future.as_mut().map(|f| f.as_mut().poll(context)) {
                (*future, *outcome) = (None, Some(value));
            }
        }
        if all.iter().all(Option::is_none) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    outcomes.into_iter().flatten().collect()
}

/// 10 MB in, 10 MB out, as psql does it, and with a statement after it.
#[tokio::test]
async fn a_big_copy_passes_in_both_directions() {
    let (postgres, wire) = behind(Fault::None, "wire_copy").await;
    let psql = Program::at(postgres.home().program("psql")).env("PGPASSWORD", postgres.password());
    let url = url_without_password(&wire.url(&postgres.url("wire_copy")).unwrap());
    let psql = |command: &str| psql.clone().args(["-qAtX", "-v", "ON_ERROR_STOP=1", "-d", url.as_str(), "-c", command]);
    psql("CREATE TABLE big (line text)").output().await.unwrap();
    let line = format!("{}\n", "x".repeat(1023));
    let input = line.repeat(10 * 1024);
    psql("COPY big FROM STDIN").input(input.as_bytes()).output().await.unwrap();
    let out = psql("COPY big TO STDOUT").output().await.unwrap();
    assert!(out == input, "{} bytes came back", out.len());
    let one = format!("SELECT length('{}')", "y".repeat(100_000));
    assert_eq!(psql(&one).output().await.unwrap().trim(), "100000");
    assert_eq!(wire.statements(), 4);
    assert_eq!(wire.log()[3].len(), 4096, "a long text is remembered by its beginning");
}

fn url_without_password(url: &str) -> String {
    let (start, end) = (url.rfind(':').unwrap(), url.find('@').unwrap());
    let colon = url[..end].rfind(':').unwrap();
    assert!(start > end);
    format!("{}{}", &url[..colon], &url[end..])
}

#[tokio::test]
async fn the_victim_is_killed_before_the_boundary_even_when_it_is_named_late() {
    let (postgres, wire) = behind(Fault::Kill { at: 2 }, "wire_kill").await;
    let psql = Program::at(postgres.home().program("psql")).env("PGPASSWORD", postgres.password());
    let url = url_without_password(&wire.url(&postgres.url("wire_kill")).unwrap());
    let commands = ["-c", "INSERT INTO t VALUES (1)", "-c", "INSERT INTO t VALUES (2)"];
    let running = psql.args(["-qAtX", "-d", url.as_str()]).args(commands).begin().unwrap();
    until("the boundary", Duration::from_secs(10), async || {
        Ok(if wire.statements() == 2 { Ok(()) } else { Err(wire.statements().to_string()) })
    })
    .await
    .unwrap();
    assert!(!wire.done(), "nobody is named yet");
    wire.victim(running.pid());
    let ended = running.end().await.unwrap();
    assert_eq!(ended.status.signal(), Some(9), "{ended:?}");
    assert_eq!(count(postgres, "wire_kill").await, 1);
}

#[tokio::test]
async fn a_copied_database_has_the_rights_and_settings_of_its_original() {
    let postgres = postgres().await;
    let client = postgres.connect("postgres").await.unwrap();
    postgres.create_database("copy original").await.unwrap();
    client
        .batch_execute(
            "CREATE ROLE copy_owner; CREATE ROLE \"copy Reader\";
             ALTER DATABASE \"copy original\" OWNER TO copy_owner;
             REVOKE ALL ON DATABASE \"copy original\" FROM PUBLIC;
             GRANT CONNECT ON DATABASE \"copy original\" TO \"copy Reader\" WITH GRANT OPTION;
             ALTER DATABASE \"copy original\" SET search_path = a, \"B c\";
             ALTER DATABASE \"copy original\" SET temp_file_limit = '1GB';
             ALTER ROLE copy_owner IN DATABASE \"copy original\" SET work_mem = '5MB'",
        )
        .await
        .unwrap();
    postgres.copy_database("copy original", "copy of it").await.unwrap();
    let described =
        "SELECT (SELECT array_agg(a::text ORDER BY a::text) FROM unnest(datacl) a)::text || pg_get_userbyid(datdba)
          || (SELECT string_agg(setrole::regrole || setconfig::text, ';' ORDER BY setrole) FROM pg_db_role_setting
               WHERE setdatabase = d.oid) FROM pg_database d WHERE datname = $1";
    let of = async |name: &str| client.query_one(described, &[&name]).await.unwrap().get::<_, String>(0);
    assert_eq!(of("copy of it").await, of("copy original").await);
    let connected = postgres.connect("copy of it").await.unwrap();
    postgres.drop_database("copy of it").await.unwrap();
    postgres.drop_database("copy of it").await.unwrap();
    assert!(connected.query_one("SELECT 1", &[]).await.is_err());
}
