//! `restore --over` and `restore back`, killed at every statement that they send: whatever the moment, nothing is lost, and the same command
//! ends where one without a fault ends.
use std::os::unix::process::ExitStatusExt as _;
use std::time::Duration;

use labor_testing::{Fault, Finished, Wire, postgres, until};
use uuid::Uuid;

use crate::over::{NAME, accept, backed_up_and_changed, patients, restore_over, state, waits};
use crate::place::Place;

/// The program with these words, its database behind a proxy that makes a fault, and how many statements it sent; once the server knows that
/// it is gone.
async fn run(place: &Place, words: &[&str], fault: Fault) -> (Finished, u64) {
    let wire = Wire::start(("127.0.0.1", postgres().await.port()), fault).await.unwrap();
    let url = wire.url(place.settings.restore_url.as_ref().unwrap()).unwrap();
    // The server has no TLS; a program that would use it first reads the system's certificates.
    let name = format!("killed-{}", place.tenant);
    let url = format!("{url}?sslmode=disable&application_name={name}");
    let program = place.victim();
    let program =
        program.env("LABOR_RESTORE_URL", url).env("LABOR_MASTER_SECRET_FILE", place.secret_file()).args(words);
    let running = program.begin().unwrap();
    wire.victim(running.pid());
    let ended = running.end().await.unwrap();
    let sent = wire.statements();
    drop(wire);
    let sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1";
    until("the end of its sessions", Duration::from_secs(60), async || {
        let count: i64 = place.database.query_one(sessions, &[&name]).await.unwrap().get(0);
        Ok(if count == 0 { Ok(()) } else { Err(format!("{count} sessions")) })
    })
    .await
    .unwrap();
    (ended, sent)
}

/// Which schema stands in the practice's place.
async fn schema(place: &Place) -> u32 {
    let schema = "SELECT oid FROM pg_namespace WHERE nspname = $1";
    place.database.query_one(schema, &[&place.tenant.as_str()]).await.unwrap().get(0)
}

/// Kills the command at each statement and looks what it left. What has taken the place is gone on with by the same command, each time. As
/// long as it only shut the practice, the command is run again now and then; else the practice is opened as it was, for the next kill.
/// `prepare` makes what the command needs, `look` says what must hold at its end.
async fn at_every_statement(place: &Place, words: &[&str], prepare: impl AsyncFn() -> Uuid, look: impl AsyncFn(Uuid)) {
    let (mut message, mut before) = (prepare().await, schema(place).await);
    for at in 1.. {
        let (killed, sent) = run(place, words, Fault::Kill { at }).await;
        // Where it was accepted, or taken over: a practice is never without a schema, and that never without the message.
        let there = format!("SELECT count(*) FROM {}.raw_messages WHERE id = $1", place.tenant);
        let count: i64 = place.database.query_one(&there, &[&message]).await.unwrap().get(0);
        assert_eq!(count, 1, "killed at {at}");
        let (through, replaced) = (killed.status.success(), schema(place).await != before);
        assert!(through || killed.status.signal() == Some(9), "killed at {at}: {}", killed.stderr);
        let open = state(place).await == "active";
        if !through && !replaced && !open && at % 10 != 0 {
            place.migrator().resume(&place.tenant).await.unwrap();
        }
        if !through && !replaced && (open || at % 10 != 0) {
            continue;
        }
        if !through {
            let (again, _) = run(place, words, Fault::None).await;
            assert!(again.status.success(), "killed at {at}, run again: {}", again.stderr);
        }
        assert!(state(place).await == "active" && schema(place).await != before, "killed at {at}");
        place.log_in().await.unwrap();
        look(message).await;
        if through {
            assert!(sent > 20 && sent < at, "the command did not go through the proxy: {sent} statements");
            return;
        }
        (message, before) = (prepare().await, schema(place).await);
    }
}

#[tokio::test]
async fn a_restore_over_a_practice_ends_the_same_wherever_it_was_killed() {
    let (place, manifest, _) = backed_up_and_changed(2).await;
    let (backup, tenant) = (place.backup(), &place.tenant);
    let words = ["restore", "--over", tenant.as_str(), "--backup", manifest.backup.as_str(), "--yes", NAME];
    restore_over(&place, &manifest).await.unwrap();
    let prepare = async || {
        backup.restore_confirm(tenant, NAME).await.unwrap();
        place.database.batch_execute(&format!("UPDATE {tenant}.patients SET family_name = 'later'")).await.unwrap();
        accept(&place, tenant).await
    };
    let look = async |message| {
        assert_eq!(patients(&place, tenant).await, 2);
        assert!(waits(&place, message).await);
    };
    Box::pin(at_every_statement(&place, &words, prepare, look)).await;
    assert!(place.migrator().check(tenant).await.unwrap().is_empty());
}

#[tokio::test]
async fn the_way_back_ends_the_same_wherever_it_was_killed() {
    let (place, manifest, _) = backed_up_and_changed(2).await;
    let tenant = &place.tenant;
    restore_over(&place, &manifest).await.unwrap();
    let words = ["restore", "back", tenant.as_str(), "--yes", NAME];
    let before = std::cell::Cell::new(0);
    let prepare = async || {
        before.set(patients(&place, tenant).await);
        accept(&place, tenant).await
    };
    // Each round exchanges the two once: those with other names, and those of the backup.
    let look = async |message| {
        assert_eq!(patients(&place, tenant).await, 2 - before.get());
        assert!(waits(&place, message).await);
    };
    Box::pin(at_every_statement(&place, &words, prepare, look)).await;
    assert!(place.migrator().check(tenant).await.unwrap().is_empty());
}
