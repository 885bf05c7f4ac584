//! Claims that were not signed for this connection: each is refused before a row is seen.
use std::collections::BTreeSet;

use aws_lc_rs::hmac;
use labor_catalog::{ClaimRole, SignedClaim};

use crate::seed::Row;
use crate::world::{World, bind, state, superuser, world};

struct Forgery {
    name: &'static str,
    token: fn(&World) -> String,
}

/// A genuine claim of a patient of practice A, to be tampered with.
fn genuine(world: &World) -> String {
    world.claim(&world.a.name, &world.a.seeds.id(Row::UserOne).to_string(), ClaimRole::Patient)
}

/// The genuine claim with one of its six parts replaced.
fn edited(world: &World, part: usize, by: &str) -> String {
    let token = genuine(world);
    let mut parts: Vec<&str> = token.split('.').collect();
    parts[part] = by;
    parts.join(".")
}

/// A claim that is signed as the key of this number would sign it.
fn signed(world: &World, key_id: u32, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, &world.master.claim_key(key_id));
    format!("{body}.{}", hex::encode(hmac::sign(&key, body.as_bytes())))
}

const RETIRED_KEY: u32 = 77;
const LONG: &str = "4102444800";

fn flipped(world: &World) -> String {
    let mut token = genuine(world);
    let last = token.pop().unwrap();
    token.push(if last == '0' { '1' } else { '0' });
    token
}

fn without_signature(world: &World) -> String {
    let token = genuine(world);
    token[..token.len() - 65].to_owned()
}

#[rustfmt::skip]
const FORGERIES: &[Forgery] = &[
    Forgery { name: "no claim", token: |_| String::new() },
    Forgery { name: "a space", token: |_| " ".into() },
    Forgery { name: "garbage", token: |_| "Robert'); DROP TABLE reports;--".into() },
    Forgery { name: "five dots", token: |_| ".....".into() },
    Forgery { name: "B's claim on A's connection", token: |w| w.claim(&w.b.name, &w.b.seeds.id(Row::Admin).to_string(), ClaimRole::Admin) },
    Forgery { name: "B's service claim on A's connection", token: |w| w.claim(&w.b.name, "worker", ClaimRole::Worker) },
    Forgery { name: "expired a second ago", token: |w| {
        let now = u64::try_from(chrono::Utc::now().timestamp()).unwrap();
        SignedClaim::sign_until(&w.claim_key(), &w.a.name, "x", ClaimRole::Admin, now - 1).as_str().to_owned()
    } },
    Forgery { name: "expired long ago", token: |w| SignedClaim::sign_until(&w.claim_key(), &w.a.name, "x", ClaimRole::Admin, 0).as_str().to_owned() },
    Forgery { name: "an edited key id", token: |w| edited(w, 0, "2") },
    Forgery { name: "an unknown key", token: |w| signed(w, 99, &format!("99.{}.x.admin.{LONG}", w.a.name)) },
    Forgery { name: "a retired key", token: |w| signed(w, RETIRED_KEY, &format!("{RETIRED_KEY}.{}.x.admin.{LONG}", w.a.name)) },
    Forgery { name: "a key id too large for a number", token: |w| edited(w, 0, "99999999999999999999") },
    Forgery { name: "a negative key id", token: |w| edited(w, 0, "-1") },
    Forgery { name: "a key id with a space", token: |w| edited(w, 0, " 1") },
    Forgery { name: "an edited tenant", token: |w| edited(w, 1, w.b.name.as_str()) },
    Forgery { name: "an edited subject", token: |w| edited(w, 2, &w.a.seeds.id(Row::UserTwo).to_string()) },
    Forgery { name: "an edited role", token: |w| edited(w, 3, "admin") },
    Forgery { name: "an edited expiry", token: |w| edited(w, 4, LONG) },
    Forgery { name: "an expiry too large for a number", token: |w| signed(w, 1, &format!("1.{}.x.admin.99999999999999999999", w.a.name)) },
    Forgery { name: "an expiry that is none", token: |w| signed(w, 1, &format!("1.{}.x.admin.never", w.a.name)) },
    Forgery { name: "an empty expiry", token: |w| signed(w, 1, &format!("1.{}.x.admin.", w.a.name)) },
    Forgery { name: "a flipped bit of the signature", token: flipped },
    Forgery { name: "a truncated signature", token: |w| { let t = genuine(w); t[..t.len() - 2].to_owned() } },
    Forgery { name: "a longer signature", token: |w| genuine(w) + "00" },
    Forgery { name: "an empty signature", token: |w| without_signature(w) + "." },
    Forgery { name: "no signature", token: without_signature },
    Forgery { name: "a signature of zeros", token: |w| edited(w, 5, &"0".repeat(64)) },
    Forgery { name: "a signature that is not hexadecimal", token: |w| edited(w, 5, &"g".repeat(64)) },
    Forgery { name: "a signature in upper case", token: |w| { let t = genuine(w); edited(w, 5, &t[t.len() - 64..].to_uppercase()) } },
    Forgery { name: "a plain hash instead of an HMAC", token: |w| {
        let body = format!("1.{}.x.admin.{LONG}", w.a.name);
        format!("{body}.{}", hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, body.as_bytes())))
    } },
    Forgery { name: "a part too many", token: |w| signed(w, 1, &format!("1.{}.x.admin.{LONG}.x", w.a.name)) },
    Forgery { name: "a part too few", token: |w| signed(w, 1, &format!("1.{}.admin.{LONG}", w.a.name)) },
    Forgery { name: "two claims in a row", token: |w| format!("{}.{}", genuine(w), genuine(w)) },
    Forgery { name: "a line break at the end", token: |w| genuine(w) + "\n" },
    Forgery { name: "another practice's name with the same beginning", token: |w| signed(w, 1, &format!("1.{}_app.x.admin.{LONG}", w.a.name)) },
    Forgery { name: "no tenant at all", token: |w| signed(w, 1, &format!("1..x.admin.{LONG}")) },
];

const STATEMENTS: [&str; 4] = [
    "SELECT count(*) FROM reports",
    "INSERT INTO audit (id, action, object_kind, outcome) VALUES (gen_random_uuid(), 'x', 'x', 'success')",
    "INSERT INTO audit (id, actor, actor_role, action, object_kind, outcome) VALUES (gen_random_uuid(), 'x', 'admin', 'x', 'x', 'success')",
    "UPDATE reports SET released_at = now()",
];

async fn write_retired_key(world: &World) {
    let pads = world.master.claim_key_pads(RETIRED_KEY);
    superuser()
        .await
        .execute(
            "INSERT INTO guard.claim_keys (key_id, inner_pad, outer_pad, not_after) VALUES (77, $1, $2, now() - interval '1 s')
             ON CONFLICT DO NOTHING",
            &[&&pads.inner[..], &&pads.outer[..]],
        )
        .await
        .unwrap();
}

/// What came of each forgery: its name, and the different answers to all statements.
pub(crate) async fn tried() -> Vec<(&'static str, String)> {
    let world = world().await;
    write_retired_key(world).await;
    let client = world.login(&world.a).await;
    let mut tried = Vec::new();
    for forgery in FORGERIES {
        let mut answers = BTreeSet::new();
        for sql in STATEMENTS {
            client.batch_execute("BEGIN").await.unwrap();
            bind(&client, &(forgery.token)(world)).await;
            let result = client.execute(sql, &[]).await;
            client.batch_execute("ROLLBACK").await.unwrap();
            answers.insert(result.map_or_else(|error| format!("refused, {}", state(&error)), |_| "**works**".into()));
        }
        tried.push((forgery.name, answers.into_iter().collect::<Vec<_>>().join("; ")));
    }
    tried
}

#[tokio::test]
async fn a_claim_that_was_not_signed_for_this_connection_opens_nothing() {
    let mut tried = tried().await;
    tried.retain(|(_, answer)| answer != "refused, 28000");
    assert!(tried.is_empty(), "{tried:?}");
}

#[tokio::test]
async fn a_genuine_claim_opens_and_a_signed_role_that_nobody_knows_sees_nothing() {
    let world = world().await;
    let client = world.login(&world.a).await;
    let known = signed(world, 1, &format!("1.{}.x.doctor.{LONG}", world.a.name));
    let unknown = signed(world, 1, &format!("1.{}.x.superuser.{LONG}", world.a.name));
    for (token, reports) in [(known, 5_i64), (unknown, 0)] {
        client.batch_execute("BEGIN").await.unwrap();
        bind(&client, &token).await;
        let row = client.query_one("SELECT count(*) FROM reports", &[]).await.unwrap();
        client.batch_execute("ROLLBACK").await.unwrap();
        assert_eq!(row.get::<_, i64>(0), reports);
    }
}

#[tokio::test]
async fn a_claim_ends_with_its_transaction_even_when_that_failed() {
    let world = world().await;
    let client = world.login(&world.a).await;
    for end in ["COMMIT", "ROLLBACK"] {
        for fails in [false, true] {
            client.batch_execute("BEGIN").await.unwrap();
            bind(&client, &genuine(world)).await;
            if fails {
                client.query("SELECT 1 / 0", &[]).await.unwrap_err();
            }
            client.batch_execute(end).await.unwrap();
            let row = client.query_one("SELECT coalesce(current_setting('labor.claim', true), '')", &[]).await.unwrap();
            assert_eq!(row.get::<_, &str>(0), "", "{end}, after a failure: {fails}");
            let error = client.query("SELECT FROM reports", &[]).await.unwrap_err();
            assert_eq!(state(&error), "28000");
        }
    }
}

#[tokio::test]
async fn a_claim_that_expires_during_a_transaction_ends_there() {
    let world = world().await;
    let client = world.login(&world.a).await;
    let now = u64::try_from(chrono::Utc::now().timestamp()).unwrap();
    let claim = SignedClaim::sign_until(&world.claim_key(), &world.a.name, "x", ClaimRole::Doctor, now + 1);
    client.batch_execute("BEGIN").await.unwrap();
    bind(&client, claim.as_str()).await;
    let limit = std::time::Duration::from_secs(5);
    let ended = labor_testing::until("the end of the claim", limit, async || {
        Ok(client
            .query("SELECT FROM reports", &[])
            .await
            .map_or_else(|error| Ok(state(&error)), |_| Err("it opens".to_owned())))
    });
    assert_eq!(ended.await.unwrap(), "28000");
}
