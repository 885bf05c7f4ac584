//! Runs the lists of attacks against an installation, and compares what came of each with what was expected.
//! Must stay true: an attack commits, so that what it could change stays changed and is noticed; afterwards the other practice's rows are as
//! they were, and nothing that came back bears its mark: no column of any row, and no word of an error.
use labor_catalog::ClaimRole;
use tokio::sync::{Mutex, MutexGuard, OnceCell};
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::attack::{Attack, Expect, Kind, Pair, Seen, Way};
use crate::matrix::subject;
use crate::world::{Practice, World, attacked, bind, connect, managed, state, world};
use crate::{
    attacks_left_behind, attacks_on_higher_roles, attacks_on_the_other, attacks_on_the_server, attacks_stacked,
};

/// All lists, in the order of docs/isolation.md.
pub(crate) fn kinds() -> impl Iterator<Item = &'static Kind> {
    [
        attacks_on_the_other::ATTACKS,
        attacks_on_the_server::ATTACKS,
        attacks_on_higher_roles::ATTACKS,
        attacks_stacked::ATTACKS,
        attacks_left_behind::ATTACKS,
    ]
    .into_iter()
    .flatten()
}

/// What came of all attacks on one installation.
pub(crate) struct Outcome {
    /// In the order of [`kinds`].
    pub(crate) told: Vec<String>,
    pub(crate) faults: Vec<String>,
}

/// One at a time: an attack or a mistake may change a role for a moment, which others would take for something left behind.
static TURN: Mutex<()> = Mutex::const_new(());

/// For tests that look at the whole of a server on which attacks are tried.
pub(crate) async fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().await
}
static ON_HARDENED: OnceCell<Outcome> = OnceCell::const_new();
static ON_MANAGED: OnceCell<Outcome> = OnceCell::const_new();

/// All attacks on a server that was hardened, tried once for all tests.
pub(crate) async fn on_hardened() -> &'static Outcome {
    ON_HARDENED.get_or_init(async || try_all(attacked().await, false).await).await
}

/// All attacks on a server whose system objects nobody may change.
pub(crate) async fn on_managed() -> &'static Outcome {
    ON_MANAGED.get_or_init(async || try_all(managed().await, true).await).await
}

/// The columns of each row.
type Rows = Vec<Vec<String>>;

/// One statement over the extended protocol: rows as text, or the number of rows changed.
async fn one(client: &Client, sql: &str) -> Result<Rows, tokio_postgres::Error> {
    let statement = client.prepare(sql).await?;
    if statement.columns().is_empty() {
        let changed = client.execute(&statement, &[]).await?;
        return Ok(if changed == 0 { Vec::new() } else { vec![vec![format!("{changed} changed")]] });
    }
    let rows = client.query(&statement, &[]).await?;
    Ok(rows.iter().map(|row| (0..row.len()).map(|column| cell(row, column)).collect()).collect())
}

fn cell(row: &tokio_postgres::Row, column: usize) -> String {
    let text = row.try_get::<_, Option<String>>(column).map(Option::unwrap_or_default);
    text.or_else(|_| row.try_get::<_, i64>(column).map(|n| n.to_string()))
        .or_else(|_| row.try_get::<_, i32>(column).map(|n| n.to_string()))
        .or_else(|_| row.try_get::<_, bool>(column).map(|b| b.to_string()))
        .unwrap_or_else(|_| {
            row.columns().get(column).map_or_else(String::new, |column| format!("a {}", column.type_()))
        })
}

/// Several statements over the simple protocol: what the last one gave.
#[expect(clippy::disallowed_methods, reason = "only this way takes several statements and tells what they gave")]
async fn several(client: &Client, sql: &str) -> Result<Rows, tokio_postgres::Error> {
    let (mut last, mut rows) = (Vec::new(), Vec::new());
    for message in client.simple_query(sql).await? {
        match message {
            SimpleQueryMessage::Row(row) => {
                rows.push((0..row.len()).map(|column| row.get(column).unwrap_or_default().to_owned()).collect());
            }
            SimpleQueryMessage::CommandComplete(changed) if rows.is_empty() && changed > 0 => {
                last = vec![vec![format!("{changed} changed")]];
            }
            SimpleQueryMessage::CommandComplete(_) => last = std::mem::take(&mut rows),
            _ => {}
        }
    }
    Ok(last)
}

fn claim(world: &World, practice: &Practice, role: ClaimRole) -> String {
    world.claim(&practice.name, &subject(&practice.seeds, role), role)
}

/// In a transaction with a genuine claim.
async fn with_claim(
    client: &Client,
    claim: &str,
    attack: impl AsyncFnOnce(&Client) -> Result<Rows, tokio_postgres::Error>,
) -> Result<Rows, tokio_postgres::Error> {
    client.batch_execute("BEGIN").await?;
    // Where the path was bent, the name of the function's schema is still found.
    bind(client, claim).await;
    let result = attack(client).await;
    let committed = client.batch_execute("COMMIT").await;
    result.and_then(|rows| committed.map(|()| rows))
}

/// All that the server says with an error, as a client shows it.
fn refused(error: &tokio_postgres::Error) -> Seen {
    let text = error.as_db_error().map_or_else(
        || error.to_string(),
        |db| {
            let more = [db.detail(), db.hint(), db.where_(), db.table(), db.column(), db.constraint()];
            more.into_iter().flatten().fold(db.message().to_owned(), |text, more| text + "\n" + more)
        },
    );
    Seen::Refused { state: state(error), text }
}

/// Why what a row presumes was not so. Where system objects cannot be changed more can be left behind than on a hardened server.
fn presumed(attack: &Attack, managed: bool, left: &Result<Rows, tokio_postgres::Error>) -> Option<Seen> {
    match (left, attack.in_vain) {
        (Ok(_), None) => None,
        (_, Some(_)) if managed => None,
        (Err(error), Some(expected)) if state(error) == expected => None,
        (Err(error), _) => Some(Seen::Untried(format!("what was to be left is refused with {}", state(error)))),
        (Ok(_), Some(_)) => Some(Seen::Untried("what was to be refused was left".to_owned())),
    }
}

/// What the isolation check does not say about a mistake: of those that both barriers don't stop, `why` ends with what it has to find.
async fn unfound(superuser: &Client, pair: &Pair<'_>, attack: &Attack) -> Option<Seen> {
    let mut kinds = Vec::new();
    for practice in [pair.a, pair.b] {
        let findings = labor_migrator::isolation::check(superuser, &practice.name).await.unwrap();
        kinds.extend(findings.into_iter().filter(|finding| !finding.is_of_the_server()).map(|finding| finding.kind));
    }
    let named = attack.why.rsplit_once(": ").filter(|_| attack.expect == Expect::Breach);
    let missing: Vec<&str> = named
        .into_iter()
        .flat_map(|(_, names)| names.split(", "))
        .filter(|name| !kinds.iter().any(|kind| kind == name))
        .collect();
    let found = !kinds.is_empty() && missing.is_empty();
    (!found).then(|| Seen::Untried(format!("the isolation check finds {kinds:?}, and not {missing:?}")))
}

async fn attempt(world: &World, pair: &Pair<'_>, way: Way, attack: &Attack, managed: bool) -> Seen {
    let client = world.login(pair.a).await;
    let (given, sql) = (pair.fill(world, attack.given), pair.fill(world, attack.sql));
    let result = match way {
        Way::Injected(role) => with_claim(&client, &claim(world, pair.a, role), async |c| one(c, &sql).await).await,
        Way::Stacked(role) => with_claim(&client, &claim(world, pair.a, role), async |c| several(c, &sql).await).await,
        Way::Stolen => several(&client, &sql).await,
        Way::LeftBehind(by, next) => {
            let left = with_claim(&client, &claim(world, pair.a, by), async |c| several(c, &given).await).await;
            if let Some(untried) = presumed(attack, managed, &left) {
                return untried;
            }
            with_claim(&client, &claim(world, pair.a, next), async |c| one(c, &sql).await).await
        }
        Way::Mistake => {
            let superuser = world.superuser().await;
            superuser.batch_execute(&given).await.unwrap();
            let admin = claim(world, pair.a, ClaimRole::Admin);
            // Attributes of a role are read when it logs in.
            let client = world.login(pair.a).await;
            let result = with_claim(&client, &admin, async |c| several(c, &sql).await).await;
            drop(client);
            let unfound = unfound(&superuser, pair, attack).await;
            superuser.batch_execute(&pair.fill(world, attack.undo)).await.unwrap();
            if let Some(unfound) = unfound {
                return unfound;
            }
            result
        }
    };
    result.map_or_else(|error| refused(&error), Seen::Rows)
}

/// A digest of every row of the practices, but for the audit of the attacker's own, which attacks may write to.
async fn rows(world: &World, pair: &Pair<'_>) -> String {
    let superuser = world.superuser().await;
    let mut digests = Vec::new();
    for practice in [pair.a, pair.b] {
        for table in labor_catalog::catalogue::tenant_tables() {
            let own_audit = table == "audit" && practice.name == pair.a.name;
            let sql = format!(
                "SELECT '{table}' || count(*) || coalesce(md5(string_agg(r::text, ';' ORDER BY r::text)), '') FROM {}.{table} r",
                practice.name
            );
            if !own_audit {
                digests.push(superuser.query_one(&sql, &[]).await.unwrap().get::<_, String>(0));
            }
        }
    }
    let queued = superuser.query_one("SELECT count(*)::text FROM pgmq.q_messages", &[]).await.unwrap();
    digests.push(queued.get(0));
    digests.join("\n")
}

async fn try_all(world: &World, managed: bool) -> Outcome {
    let _turn = TURN.lock().await;
    let victim = world.login(&world.b).await;
    let b_pid = victim.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
    let pair = Pair { a: &world.a, b: &world.b, b_pid };
    // A mistake is made in practices of their own: other tests look at the world's two meanwhile.
    let (thief, robbed) = (world.another("thief", 80).await, world.another("victim", 81).await);
    let apart = Pair { a: &thief, b: &robbed, b_pid };
    let (before, before_apart) = (rows(world, &pair).await, rows(world, &apart).await);
    let mut outcome = Outcome { told: Vec::new(), faults: Vec::new() };
    for kind in kinds() {
        for attack in kind.attacks {
            let pair = if kind.way == Way::Mistake { &apart } else { &pair };
            let seen = attempt(world, pair, kind.way, attack, managed).await;
            let expect = attack.expected(managed);
            if let Some(fault) = seen.fault(world, pair, expect) {
                let text = format!("{}: {}: {fault}\n    {}\n    {}", kind.name, attack.name, attack.sql, attack.why);
                outcome.faults.push(text);
            }
            outcome.told.push(seen.told(expect));
        }
    }
    if rows(world, &pair).await != before || rows(world, &apart).await != before_apart {
        outcome.faults.push("rows of a practice, or the queue, are not as they were".to_owned());
    }
    outcome.faults.extend(left(world, &[pair.a, pair.b, &thief, &robbed]).await);
    if victim.query_one("SELECT 1", &[]).await.is_err() {
        outcome.faults.push("the other practice's connection was ended".to_owned());
    }
    outcome
}

/// What the isolation check finds afterwards, but for what this server cannot do.
async fn left(world: &World, practices: &[&Practice]) -> Vec<String> {
    let superuser = world.superuser().await;
    let mut left = Vec::new();
    for practice in practices {
        let findings = labor_migrator::isolation::check(&superuser, &practice.name).await.unwrap();
        let ours = findings.iter().filter(|finding| !finding.is_of_the_server());
        left.extend(ours.map(|finding| format!("left behind: {finding:?}")));
    }
    left
}

#[tokio::test]
async fn every_attack_ends_as_its_row_says() {
    let faults = &on_hardened().await.faults;
    assert!(faults.is_empty(), "{} attacks ended otherwise:\n{}", faults.len(), faults.join("\n"));
}

#[tokio::test]
async fn on_a_managed_server_every_attack_ends_as_its_row_says() {
    let faults = &on_managed().await.faults;
    assert!(faults.is_empty(), "{} attacks ended otherwise:\n{}", faults.len(), faults.join("\n"));
}

/// Where system objects cannot be changed some attacks get further, and none of them to a row.
#[test]
fn what_gets_further_on_a_managed_server_is_no_breach() {
    for attack in kinds().flat_map(|kind| kind.attacks) {
        assert!(attack.managed.is_none_or(|expect| expect != Expect::Breach), "{}", attack.name);
    }
}

#[tokio::test]
async fn the_same_attacks_reach_nothing_without_any_claim() {
    let world = world().await;
    let client = world.login(&world.a).await;
    let pair = Pair { a: &world.a, b: &world.b, b_pid: 1 };
    let mut through = Vec::new();
    let injected = kinds().filter(|kind| matches!(kind.way, Way::Injected(_)));
    for attack in injected.flat_map(|kind| kind.attacks) {
        // SET ends with the transaction, so each attack has one of its own.
        client.batch_execute("BEGIN").await.unwrap();
        let result = one(&client, &pair.fill(world, attack.sql)).await;
        client.batch_execute("ROLLBACK").await.unwrap();
        let seen = result.map_or_else(|error| refused(&error), Seen::Rows);
        if seen.says(&world.a.seeds.mark) || seen.says(&world.b.seeds.mark) {
            through.push(attack.name);
        }
    }
    assert!(through.is_empty(), "{through:?}");
}

#[tokio::test]
async fn a_practices_login_opens_neither_the_other_practices_login_nor_a_database_of_the_servers_own() {
    let world = world().await;
    let password = world.master.tenant_password(&world.a.name);
    let as_b = world.server.url_as(&world.b.name.role(), &password, crate::world::DATABASE);
    assert_eq!(state(&connect(&as_b).await.err().unwrap()), "28P01", "B's login took A's password");
    for made_with_the_server in ["postgres", "template1"] {
        let url = world.url_of(&world.a.name, made_with_the_server);
        assert_eq!(state(&connect(&url).await.err().unwrap()), "42501", "{made_with_the_server} is open");
    }
}
