//! Keys are changed while everybody is served, as docs/operations.md ("Changing keys") tells it. Nobody outside notices; afterwards
//! nothing that came out of the old secret opens anything.
mod traffic;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use labor_catalog::{ClaimKey, ClaimKeyId, ClaimRole, MasterSecret, SignedClaim, TenantName};
use labor_testing::{Finished, Platform, Sender, Source, postgres, random_hex, scratch, write_private};
use serde_json::Value;
use tokio_postgres::{Client, NoTls};

use crate::clinic::{LIMIT, PASSWORD, User};
use traffic::{PRACTICES, Traffic, message};

async fn migrator(platform: &Platform, arguments: &[&str]) -> Finished {
    platform.program("labor-migrator").unwrap().args(arguments).run().await.unwrap()
}

/// What a command of the migrator says that must succeed.
async fn said(platform: &Platform, arguments: &[&str]) -> Value {
    platform.json("labor-migrator", &[&["--json"], arguments].concat(), "").await.unwrap()
}

/// A command that must be refused, with these words.
async fn refused(platform: &Platform, arguments: &[&str], words: &[&str]) {
    let run = migrator(platform, arguments).await;
    assert_eq!(run.status.code(), Some(1), "{}", run.stdout);
    assert!(words.iter().all(|word| run.stderr.contains(word)), "{words:?}: {}", run.stderr);
}

fn file(platform: &Platform) -> PathBuf {
    platform.setting("LABOR_MASTER_SECRET_FILE").into()
}

fn append(file: &Path, line: &str) {
    writeln!(std::fs::OpenOptions::new().append(true).open(file).unwrap(), "\n{line}").unwrap();
}

/// The eleven minutes that `claim-key` speaks of.
async fn let_time_pass(superuser: &Client) {
    let sql = "UPDATE control.fleet SET former_ends_at = now() - interval '1 second';
               UPDATE guard.claim_keys SET not_after = (SELECT former_ends_at FROM control.fleet) WHERE not_after IS NOT NULL";
    superuser.batch_execute(sql).await.unwrap();
}

async fn one<T: for<'a> tokio_postgres::types::FromSql<'a>>(client: &Client, sql: &str) -> T {
    client.query_one(sql, &[]).await.unwrap().get(0)
}

struct Stage {
    platform: Platform,
    superuser: Client,
    sources: [Source; 2],
    tenant: TenantName,
}

/// Three practices that are served, a suspended one, a spare, a deleted one; few connections, so that new ones are opened all the time.
async fn stage(name: &str) -> Stage {
    let folder = scratch().await.unwrap().join(name);
    let platform = Platform::create(postgres().await, &folder, name).await.unwrap();
    let platform = platform.with([("LABOR_TENANT_CONNECTIONS".to_owned(), "4".to_owned())]);
    let superuser = postgres().await.connect(name).await.unwrap();
    let mut tenants = Vec::new();
    for practice in &PRACTICES {
        tenants.push(platform.practice(practice.slug, "Praxis", practice.bsnr).await.unwrap());
        platform.user(practice.slug, "doctor", "Dr. Test", "doctor", PASSWORD).await.unwrap();
    }
    platform.practice("closed", "Praxis", "100000008").await.unwrap();
    platform.user("closed", "doctor", "Dr. Test", "doctor", PASSWORD).await.unwrap();
    said(&platform, &["suspend", "closed", "--reason", "holiday"]).await;
    said(&platform, &["pool", "--keep", "1"]).await;
    let tombstone = "INSERT INTO control.tenants (name, slug, display_name, state) VALUES ('t_deleted12345', 'gone', 'deleted', 'deleted')";
    superuser.batch_execute(tombstone).await.unwrap();
    let sources = [platform.source("north").await.unwrap(), platform.source("south").await.unwrap()];
    Stage { platform, superuser, sources, tenant: TenantName::parse(&tenants[0]).unwrap() }
}

#[tokio::test]
async fn keys_are_changed_under_load_and_nobody_notices() {
    let stage = stage("rotation").await;
    let platform = &stage.platform;
    let old = MasterSecret::from_hex(&std::fs::read_to_string(file(platform)).unwrap()).unwrap();
    let server = platform.serve().await.unwrap();
    let worker = platform.work(&[]).await.unwrap();
    let senders = stage.sources.each_ref().map(|source| platform.sender(&server, source).unwrap());
    let traffic = Traffic::new(doctors(&server.base).await, senders);
    let stale = User::sign_in(&server.base, "p0", "doctor", PASSWORD).await.unwrap();
    let rotations = async {
        traffic.goes_on().await;
        change_claim_key(&stage, &traffic).await;
        change_secret(&stage, &traffic).await;
        change_sources(&stage, &traffic, &server.base).await;
        finish(&stage, &traffic, &server.base).await;
        traffic.over.set(true);
    };
    tokio::join!(rotations, traffic.go(&server.base));
    platform.until_idle(postgres().await, LIMIT).await.unwrap();
    assert_eq!(one::<i64>(&stage.superuser, "SELECT count(*) FROM pgmq.q_dead_messages").await, 0);
    let log = std::fs::read_to_string(worker.log()).unwrap() + &server.running.said();
    let faults: Vec<_> = log.lines().filter(|line| line.contains("\"ERROR\"") || line.contains("\"WARN\"")).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));

    assert_eq!(stale.get("/v1/reports").await.status(), 401, "a token of the old secret");
    let sender = Sender::new(&server.base, &stage.sources[0].id, stage.sources[0].secret.as_bytes()).unwrap();
    assert_eq!(sender.send(&message("100000000", 1)).await.unwrap().status, 401, "the laboratory's old secret");
    nothing_old_opens_anything(&stage, &old).await;
    said(platform, &["resume", "closed"]).await;
    User::sign_in(&server.base, "closed", "doctor", PASSWORD).await.unwrap();
    said(platform, &["rotate", "claim-key"]).await;
    let keys: String =
        one(&stage.superuser, "SELECT string_agg(key_id::text, ' ' ORDER BY key_id) FROM guard.claim_keys").await;
    assert_eq!(keys, "1001 1002", "what had ended is gone");
    for command in ["check", "verify"] {
        let run = migrator(platform, &[command]).await;
        assert!(run.status.success(), "{}{}", run.stdout, run.stderr);
    }
    drop((worker, server));
}

async fn doctors(base: &str) -> Vec<User> {
    let mut doctors = Vec::new();
    for practice in &PRACTICES {
        doctors.push(User::sign_in(base, practice.slug, "doctor", PASSWORD).await.unwrap());
    }
    doctors
}

async fn change_claim_key(stage: &Stage, traffic: &Traffic) {
    let Stage { platform, superuser, .. } = stage;
    let done = said(platform, &["rotate", "claim-key"]).await;
    assert_eq!((&done["claim_key"], &done["former_claim_key"]), (&2.into(), &1.into()));
    traffic.goes_on().await;
    refused(platform, &["rotate", "claim-key"], &["claim key 1 is accepted until"]).await;
    let_time_pass(superuser).await;
    traffic.goes_on().await;
}

/// Two at once, and a practice that is born meanwhile.
async fn change_secret(stage: &Stage, traffic: &Traffic) {
    let Stage { platform, superuser, .. } = stage;
    refused(
        platform,
        &["rotate", "master"],
        &["holds nothing newer than number 1", "echo \"2:$(openssl rand -hex 32)\""],
    )
    .await;
    refused(platform, &["rotate", "finish"], &["no change of the master secret is under way"]).await;
    append(&file(platform), &format!("2:{}", random_hex(32).unwrap()));
    let (one_run, other, born) = tokio::join!(
        said(platform, &["rotate", "master"]),
        said(platform, &["rotate", "master"]),
        said(platform, &["provision", "born", "--name", "Born"])
    );
    assert_eq!(one_run["begun"].as_bool(), other["begun"].as_bool().map(|begun| !begun));
    assert_eq!(one_run["sources_left"].as_array().unwrap().len(), 2);
    let moved = one_run["logins"].as_u64().unwrap() + other["logins"].as_u64().unwrap();
    assert!((5..=7).contains(&moved), "intake, four practices, and who was born or lay ready before: {moved}");
    let left = "SELECT count(*) FROM control.tenants WHERE secret_number <> 2 AND state <> 'deleted'";
    assert_eq!(one::<i64>(superuser, left).await, 0);
    let shut = "SELECT bool_or(rolcanlogin) FROM pg_roles JOIN control.tenants ON rolname = name || '_app' WHERE state IN ('frozen', 'spare')";
    assert_ne!(one::<Option<bool>>(superuser, shut).await, Some(true), "who was shut stays shut");
    assert!(born["tenant"].is_string());
    traffic.goes_on().await;
    refused(platform, &["rotate", "claim-key"], &["being changed from number 1 to 2"]).await;
    assert_eq!(said(platform, &["rotate", "master"]).await["logins"], 0, "again, nothing is left");
}

/// One laboratory after the other changes over.
async fn change_sources(stage: &Stage, traffic: &Traffic, base: &str) {
    let platform = &stage.platform;
    for (at, source) in stage.sources.iter().enumerate() {
        refused(platform, &["rotate", "finish"], &["labor source rotate ID", &source.id]).await;
        let rotated = platform.json("labor", &["source", "rotate", &source.id], "").await.unwrap();
        traffic.goes_on().await;
        let secret = rotated["secret"].as_str().unwrap();
        *traffic.senders[at].borrow_mut() = Rc::new(Sender::new(base, &source.id, secret.as_bytes()).unwrap());
        traffic.goes_on().await;
    }
}

async fn finish(stage: &Stage, traffic: &Traffic, base: &str) {
    let Stage { platform, superuser, .. } = stage;
    let login = "UPDATE control.tenants SET secret_number = $1 WHERE slug = 'p0'";
    superuser.execute(login, &[&1]).await.unwrap();
    refused(platform, &["rotate", "finish"], &["1 login(s)", "labor-migrator rotate master"]).await;
    superuser.execute(login, &[&2]).await.unwrap();
    let done = said(platform, &["rotate", "finish"]).await;
    assert_eq!(done["sources_changing"].as_array().unwrap().len(), 2);
    assert_eq!(said(platform, &["rotate", "finish"]).await["former_until"], done["former_until"], "again, the same");
    traffic.goes_on().await;
    // Whoever works has got a new token by then.
    *traffic.readers.borrow_mut() = Rc::new(doctors(base).await);
    traffic.goes_on().await;
    // All that the quarter of an hour is for has come to its end.
    let ended = said(platform, &["rotate", "finish", "--now"]).await;
    assert!(ended["former_until"].as_str() < done["former_until"].as_str(), "{ended} {done}");
    traffic.goes_on().await;
    let status = said(platform, &["rotate", "status"]).await;
    assert_eq!(status["next"], "remove the line of number 1 from every file");
    let text = std::fs::read_to_string(file(platform)).unwrap();
    write_private(&file(platform), text.lines().find(|line| line.starts_with("2:")).unwrap()).unwrap();
    traffic.goes_on().await;
    // A process that never knew the old secret.
    let fresh = platform.serve().await.unwrap();
    assert_eq!(doctors(&fresh.base).await.len(), PRACTICES.len());
    assert_eq!(said(platform, &["rotate", "status"]).await["next"], "nothing is under way");
}

async fn nothing_old_opens_anything(stage: &Stage, old: &MasterSecret) {
    let Stage { platform, tenant, .. } = stage;
    let new = labor_catalog::Keyring::parse(&std::fs::read_to_string(file(platform)).unwrap()).unwrap();
    let login = async |secret: &MasterSecret| {
        let url = postgres().await.url_as(&tenant.role(), &secret.tenant_password(tenant), platform.database());
        tokio_postgres::connect(&url, NoTls).await.map(|(client, connection)| {
            tokio::spawn(connection);
            client
        })
    };
    let refused = login(old).await.err().and_then(|error| error.code().cloned());
    assert_eq!(refused.map(|code| code.code().to_owned()).as_deref(), Some("28P01"), "the old password");
    let client = login(new.newest_secret()).await.unwrap();
    for id in [1, 2, 1001] {
        let id = ClaimKeyId::new(id).unwrap();
        let key = new.claim_key(id).unwrap_or_else(|| ClaimKey::new(id, old));
        let claim = SignedClaim::sign(&key, tenant, "x", ClaimRole::Doctor, LIMIT);
        let sql = format!("BEGIN; SELECT set_config('labor.claim', '{}', true); SELECT FROM reports", claim.as_str());
        let opened = client.batch_execute(&sql).await;
        client.batch_execute("ROLLBACK").await.unwrap();
        let code = opened.err().and_then(|error| error.code().map(|code| code.code().to_owned()));
        let wanted = (i32::from(id) != 1001).then(|| "28000".to_owned());
        assert_eq!(code, wanted, "a claim of key {id}");
    }
}

/// A machine whose file was forgotten goes on with what it has, says what is missing, and is whole as soon as the line is there.
#[tokio::test]
async fn a_process_whose_file_lacks_the_new_secret_says_so_and_learns_of_it_by_itself() {
    let name = "rotation_lag";
    let folder = scratch().await.unwrap().join(name);
    let platform = Platform::create(postgres().await, &folder, name).await.unwrap();
    for slug in ["a", "b"] {
        platform.practice(slug, "Praxis", if slug == "a" { "123456700" } else { "222222200" }).await.unwrap();
        platform.user(slug, "doctor", "Dr. Test", "doctor", PASSWORD).await.unwrap();
    }
    let other = folder.join("other");
    std::fs::create_dir_all(&other).unwrap();
    std::fs::copy(file(&platform), other.join("master-secret")).unwrap();
    let behind = Platform::settings_for(postgres().await, &other, name).unwrap();
    let (server, late) = (platform.serve().await.unwrap(), behind.serve().await.unwrap());
    let doctor = User::sign_in(&late.base, "a", "doctor", PASSWORD).await.unwrap();
    doctor.reports().await;
    let line = format!("2:{}", random_hex(32).unwrap());
    append(&file(&platform), &line);
    said(&platform, &["rotate", "master"]).await;
    // Open connections, and claims of the key before.
    labor_testing::until("the warning", LIMIT, async || {
        doctor.reports().await;
        let said = late.running.said();
        Ok(if said.contains("lacks number 2, which the fleet uses now") { Ok(()) } else { Err(said) })
    })
    .await
    .unwrap();
    assert_eq!(
        User::sign_in(&late.base, "b", "doctor", PASSWORD).await.err().unwrap(),
        503,
        "no password opens it here"
    );
    let new = User::sign_in(&server.base, "b", "doctor", PASSWORD).await.unwrap();
    let status = said(&behind, &["rotate", "status"]).await;
    assert!(status["next"].as_str().unwrap().contains("lacks number 2"), "{status}");
    refused(&behind, &["provision", "c", "--name", "C"], &["lacks number 2", "it holds 1"]).await;
    refused(&behind, &["up", "--rules"], &["lacks number 2"]).await;
    append(&file(&behind), &line);
    User::sign_in(&late.base, "b", "doctor", PASSWORD).await.unwrap();
    let moved = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = moved.get(format!("{}/v1/reports", late.base)).bearer_auth(new.token()).send().await.unwrap();
    assert_eq!(answer.status(), 200, "a token that another process signed");
    assert!(!late.running.said().contains(&line[2..]), "a secret in the log");
}

/// Installed anew with a file whose old lines are gone; and a key that nobody of ours wrote is found.
#[tokio::test]
async fn a_database_begins_with_the_newest_secret_and_accepts_no_other_key() {
    let name = "rotation_fresh";
    let folder = scratch().await.unwrap().join(name);
    std::fs::create_dir_all(&folder).unwrap();
    write_private(&folder.join("master-secret"), &format!("# since autumn\n7:{}\n", random_hex(32).unwrap())).unwrap();
    let platform = Platform::create(postgres().await, &folder, name).await.unwrap();
    platform.practice("a", "Praxis", "123456700").await.unwrap();
    platform.user("a", "doctor", "Dr. Test", "doctor", PASSWORD).await.unwrap();
    let server = platform.serve().await.unwrap();
    User::sign_in(&server.base, "a", "doctor", PASSWORD).await.unwrap().reports().await;
    let superuser = postgres().await.connect(name).await.unwrap();
    assert_eq!(one::<i32>(&superuser, "SELECT claim_key FROM control.fleet").await, 6001);
    assert!(migrator(&platform, &["check"]).await.status.success());
    superuser.batch_execute("INSERT INTO guard.claim_keys VALUES (6002, '\\x00', '\\x00', NULL)").await.unwrap();
    let run = migrator(&platform, &["check"]).await;
    assert!(run.status.code() == Some(4) && run.stdout.contains("claim_keys 6002"), "{}{}", run.stdout, run.stderr);
    refused(&platform, &["rotate", "claim-key"], &["this master secret is not the one"]).await;
    assert_eq!(one::<i32>(&superuser, "SELECT claim_key FROM control.fleet").await, 6001);
    superuser.batch_execute("DELETE FROM guard.claim_keys WHERE key_id = 6002").await.unwrap();
    the_key_in_use_is_taken_away(&platform, &superuser).await;
    a_former_key_is_taken_away(&platform, &superuser).await;
}

/// What `check` finds about the keys.
async fn finding(platform: &Platform, words: &str) {
    let run = migrator(platform, &["check"]).await;
    assert!(run.status.code() == Some(4) && run.stdout.contains(words), "{words}: {}{}", run.stdout, run.stderr);
}

/// Or is to be forgotten one day: nothing is built on it, and it can be put back.
async fn the_key_in_use_is_taken_away(platform: &Platform, superuser: &Client) {
    superuser.batch_execute("UPDATE guard.claim_keys SET not_after = now() + interval '1 day'").await.unwrap();
    finding(platform, "claim_keys 6001: ends for the guard at another time").await;
    refused(
        platform,
        &["rotate", "claim-key"],
        &["lets claim key 6001 end at", "SET not_after = NULL WHERE key_id = 6001"],
    )
    .await;
    superuser.batch_execute("DELETE FROM guard.claim_keys").await.unwrap();
    finding(platform, "claim_keys 6001: is used by the fleet and unknown to the guard").await;
    said(platform, &["up"]).await;
    assert!(migrator(platform, &["check"]).await.status.success());
}

/// A rotation under way is finished all the same.
async fn a_former_key_is_taken_away(platform: &Platform, superuser: &Client) {
    append(&file(platform), &format!("8:{}", random_hex(32).unwrap()));
    said(platform, &["rotate", "master"]).await;
    superuser.batch_execute("DELETE FROM guard.claim_keys WHERE key_id = 6001").await.unwrap();
    finding(platform, "claim_keys 6001: is used by the fleet and unknown to the guard").await;
    said(platform, &["rotate", "finish"]).await;
    said(platform, &["rotate", "claim-key"]).await;
    assert!(migrator(platform, &["check"]).await.status.success());
}

/// As `provision` does it: the fleet's row is held until the tenant is there, born with the secret that was read. And the other way
/// round: who holds a tenant is waited for.
#[tokio::test]
async fn a_birth_that_is_under_way_is_waited_for_and_its_login_moved() {
    let name = "rotation_birth";
    let folder = scratch().await.unwrap().join(name);
    let platform = Platform::create(postgres().await, &folder, name).await.unwrap();
    let tenant = platform.practice("a", "Praxis", "123456700").await.unwrap();
    let (birth, superuser) =
        (postgres().await.connect(name).await.unwrap(), postgres().await.connect(name).await.unwrap());
    let (holder, gate) = (postgres().await.connect(name).await.unwrap(), postgres().await.connect(name).await.unwrap());
    holder.batch_execute("BEGIN").await.unwrap();
    // Lets the rotation through only once the tenant is held.
    gate.batch_execute("BEGIN; SELECT FROM control.fleet FOR SHARE").await.unwrap();
    // A tombstone is nobody to the rotation, as one that is not there yet.
    superuser.execute("UPDATE control.tenants SET state = 'deleted' WHERE name = $1", &[&tenant]).await.unwrap();
    birth.batch_execute("BEGIN; SELECT FROM control.fleet FOR SHARE").await.unwrap();
    birth.execute("UPDATE control.tenants SET state = 'active' WHERE name = $1", &[&tenant]).await.unwrap();
    append(&file(&platform), &format!("2:{}", random_hex(32).unwrap()));
    let commit = async {
        let waits = "SELECT count(*) FROM pg_stat_activity
                      WHERE application_name = 'labor-migrator' AND datname = current_database() AND wait_event_type = 'Lock'";
        labor_testing::until("the rotation to wait for the birth", LIMIT, async || {
            Ok(if one::<i64>(&superuser, waits).await > 0 { Ok(()) } else { Err("not yet".to_owned()) })
        })
        .await
        .unwrap();
        assert_eq!(one::<i32>(&superuser, "SELECT claim_key FROM control.fleet").await, 1);
        birth.batch_execute("COMMIT").await.unwrap();
        holder.execute("SELECT FROM control.tenants WHERE name = $1 FOR UPDATE", &[&tenant]).await.unwrap();
        gate.batch_execute("COMMIT").await.unwrap();
        labor_testing::until("the rotation to move on", LIMIT, async || {
            let key: i32 = one(&superuser, "SELECT claim_key FROM control.fleet").await;
            let stuck: i64 = one(&superuser, waits).await;
            Ok(if key == 1001 && stuck > 0 { Ok(()) } else { Err(format!("key {key}")) })
        })
        .await
        .unwrap();
        holder.batch_execute("COMMIT").await.unwrap();
    };
    let (rotated, ()) = tokio::join!(said(&platform, &["rotate", "master"]), commit);
    assert_eq!(rotated["logins"], 2, "the intake, and who was born meanwhile");
    let server = platform.serve().await.unwrap();
    platform.user("a", "doctor", "Dr. Test", "doctor", PASSWORD).await.unwrap();
    User::sign_in(&server.base, "a", "doctor", PASSWORD).await.unwrap();
}
