//! How an attack is tried: with the practice's own login, inside a transaction with a genuine claim, over the extended protocol, as
//! SQL injected into a request would run. Afterwards the other practice's rows are as they were, and nothing that came back bears its mark.
use labor_catalog::ClaimRole;
use tokio::sync::Mutex;
use tokio_postgres::Client;

use crate::attacks_on_the_other::ATTACKS as ON_THE_OTHER;
use crate::attacks_on_the_server::ATTACKS as ON_THE_SERVER;
use crate::seed::Row;
use crate::world::{DATABASE, World, bind, connect, state, superuser, world};

/// One attack. In `sql`, `{a}` and `{b}` stand for the two practices' names in the database, `{b_report}` for a report of B,
/// `{b_claim}` for a genuine claim of an administrator of B.
pub(crate) struct Attack {
    pub(crate) name: &'static str,
    pub(crate) sql: &'static str,
    pub(crate) expect: Expect,
    pub(crate) why: &'static str,
}

/// What comes of an attack.
pub(crate) enum Expect {
    /// The server refuses with this SQLSTATE.
    Refused(&'static str),
    /// It runs, and its first column is exactly this: nothing of B, nothing changed.
    Answers(&'static str),
    /// It runs and returns no row or changes none.
    Nothing,
    /// It works, is known to work, and reaches no row of B. `why` says what it is good for. When it stops working, say so here.
    Remains,
}

impl World {
    fn fill(&self, text: &str) -> String {
        let b_claim = self.claim(&self.b.name, &self.b.seeds.id(Row::Admin).to_string(), ClaimRole::Admin);
        text.replace("{b_claim}", &b_claim)
            .replace("{b_report}", &self.b.seeds.id(Row::Released).to_string())
            .replace("{a}", self.a.name.as_str())
            .replace("{b}", self.b.name.as_str())
    }
}

/// What came back: rows as text, or the number of rows changed.
async fn attempt(client: &Client, sql: &str) -> Result<Vec<String>, tokio_postgres::Error> {
    let statement = client.prepare(sql).await?;
    if statement.columns().is_empty() {
        let changed = client.execute(&statement, &[]).await?;
        return Ok(if changed == 0 { Vec::new() } else { vec![format!("{changed} changed")] });
    }
    let rows = client.query(&statement, &[]).await?;
    Ok(rows.iter().map(cell).collect())
}

fn cell(row: &tokio_postgres::Row) -> String {
    let text = row.try_get::<_, Option<String>>(0).map(Option::unwrap_or_default);
    text.or_else(|_| row.try_get::<_, i64>(0).map(|n| n.to_string()))
        .or_else(|_| row.try_get::<_, i32>(0).map(|n| n.to_string()))
        .or_else(|_| row.try_get::<_, bool>(0).map(|b| b.to_string()))
        .unwrap_or_else(|_| format!("a {}", row.columns()[0].type_()))
}

fn fault(world: &World, attack: &Attack, result: &Result<Vec<String>, String>) -> Option<String> {
    let mark = world.b.seeds.mark.as_str();
    if result.as_ref().is_ok_and(|rows| rows.iter().any(|text| text.contains(mark))) {
        return Some("a value of the other practice came back".to_owned());
    }
    let seen = match (&attack.expect, result) {
        (Expect::Refused(code), Err(state)) if state == code => return None,
        (Expect::Answers(answer), Ok(rows)) if rows.first() == Some(&world.fill(answer)) => return None,
        (Expect::Nothing, Ok(rows)) if rows.is_empty() => return None,
        (Expect::Remains, Ok(_)) => return None,
        (_, result) => result,
    };
    Some(format!("{seen:?}"))
}

/// A digest of every row of the other practice.
async fn rows_of_b(superuser: &Client, world: &World) -> String {
    let mut digests = Vec::new();
    for table in labor_catalog::catalogue::tenant_tables() {
        let sql = format!(
            "SELECT '{table}' || count(*) || coalesce(md5(string_agg(r::text, ';' ORDER BY r::text)), '') FROM {}.{table} r",
            world.b.name
        );
        digests.push(superuser.query_one(&sql, &[]).await.unwrap().get::<_, String>(0));
    }
    let queued = superuser.query_one("SELECT count(*)::text FROM pgmq.q_messages", &[]).await.unwrap();
    digests.push(queued.get(0));
    digests.join("\n")
}

/// One list at a time: an attack may change its own login for a moment, which another list would take for something left behind.
static TURN: Mutex<()> = Mutex::const_new(());

/// Commits, so that what an attack could change stays changed and is noticed.
async fn try_all(attacks: &[Attack]) -> Vec<String> {
    let _turn = TURN.lock().await;
    let world = world().await;
    let superuser = superuser().await;
    let before = rows_of_b(&superuser, world).await;
    let claim = world.claim(&world.a.name, &world.a.seeds.id(Row::Admin).to_string(), ClaimRole::Admin);
    let mut faults = Vec::new();
    for attack in attacks {
        let client = world.login(&world.a).await;
        client.batch_execute("BEGIN").await.unwrap();
        bind(&client, &claim).await;
        let mut result = attempt(&client, &world.fill(attack.sql)).await;
        if let Err(error) = client.batch_execute("COMMIT").await {
            result = result.and(Err(error));
        }
        let result = result.map_err(|error| state(&error));
        if let Some(seen) = fault(world, attack, &result) {
            faults.push(format!("{}: {seen}\n    {}\n    {}", attack.name, attack.sql, attack.why));
        }
    }
    if rows_of_b(&superuser, world).await != before {
        faults.push("the other practice's rows, or the queue, are not as they were".to_owned());
    }
    for practice in [&world.a, &world.b] {
        let findings = labor_migrator::isolation::check(&superuser, &practice.name).await.unwrap();
        faults.extend(findings.iter().map(|finding| format!("left behind: {finding:?}")));
    }
    faults
}

#[tokio::test]
async fn no_sql_of_one_practice_reaches_the_rows_of_another() {
    let faults = try_all(ON_THE_OTHER).await;
    assert!(faults.is_empty(), "{} attacks ended otherwise:\n{}", faults.len(), faults.join("\n"));
}

#[tokio::test]
async fn no_sql_of_a_practice_reaches_keys_queue_control_or_the_server() {
    let faults = try_all(ON_THE_SERVER).await;
    assert!(faults.is_empty(), "{} attacks ended otherwise:\n{}", faults.len(), faults.join("\n"));
}

#[tokio::test]
async fn the_same_attacks_reach_nothing_without_any_claim() {
    let world = world().await;
    let client = world.login(&world.a).await;
    let mut through = Vec::new();
    for attack in ON_THE_OTHER.iter().chain(ON_THE_SERVER) {
        // SET ends with the transaction, so each attack has one of its own.
        client.batch_execute("BEGIN").await.unwrap();
        let result = attempt(&client, &world.fill(attack.sql)).await;
        client.batch_execute("ROLLBACK").await.unwrap();
        let marked = |text: &String| text.contains(&world.a.seeds.mark) || text.contains(&world.b.seeds.mark);
        if result.is_ok_and(|rows| rows.iter().any(marked)) {
            through.push(attack.name);
        }
    }
    assert!(through.is_empty(), "{through:?}");
}

#[tokio::test]
async fn a_practices_login_opens_neither_the_other_practices_login_nor_a_database_without_labor() {
    let world = world().await;
    let password = world.master.tenant_password(&world.a.name);
    let as_b = labor_testing::postgres().await.url_as(&world.b.name.role(), &password, DATABASE);
    assert_eq!(state(&connect(&as_b).await.err().unwrap()), "28P01", "B's login took A's password");
    let superuser = superuser().await;
    let exists = superuser.query_opt("SELECT FROM pg_database WHERE datname = 'strange'", &[]).await.unwrap();
    if exists.is_none() {
        superuser.batch_execute("CREATE DATABASE strange TEMPLATE template0").await.unwrap();
    }
    superuser.batch_execute("REVOKE CONNECT ON DATABASE strange FROM PUBLIC").await.unwrap();
    let strange = world.url_of(&world.a.name, "strange").await;
    assert_eq!(state(&connect(&strange).await.err().unwrap()), "42501", "CONNECT is not needed");
}
