//! No server outlives its supervisor, and what a crashed run left is taken over.
#![expect(clippy::unwrap_used, reason = "in the helpers of a test, too, a broken expectation ends it")]

use std::{env, fs, path::Path, process, time::Duration};

use labor_testing::{Program, Running, until};

const LIMIT: Duration = Duration::from_secs(60);

fn supervisor(data: &Path) -> Program {
    let test = env::current_exe().unwrap();
    let example = test.ancestors().nth(2).unwrap().join("examples/supervisor");
    let named = ["LABOR_CACHE", "XDG_CACHE_HOME", "LABOR_POSTGRES_HOME", "LABOR_POSTGRES_USER", "LABOR_WEED"];
    let passed_on = named.into_iter().filter_map(|name| Some((name, env::var_os(name)?)));
    Program::at(example).envs(passed_on).env("LABOR_DATA", data)
}

/// The process ids of Postgres and SeaweedFS and the folder of a supervisor that is up.
async fn up(running: &Running) -> (Vec<u32>, String) {
    let line = running.wait_for_line("up ", LIMIT).await.unwrap();
    let words: Vec<&str> = line.split(' ').collect();
    (words[1..3].iter().map(|word| word.parse().unwrap()).collect(), words[3].to_owned())
}

fn lives(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

async fn gone(pids: &[u32]) {
    let left = async || {
        let left: Vec<u32> = pids.iter().copied().filter(|pid| lives(*pid)).collect();
        Ok(if left.is_empty() { Ok(()) } else { Err(format!("{left:?} still run")) })
    };
    until("the end of the servers", Duration::from_secs(15), left).await.unwrap();
}

#[tokio::test]
async fn kill_9_of_the_supervisor_ends_its_servers_and_the_folder_serves_again() {
    let data = labor_testing::scratch().await.unwrap().join("death");
    let log = data.with_extension("log");
    let program = supervisor(&data);
    let (one, two) =
        (program.start_with_log(&log).unwrap(), program.start_with_log(&log.with_extension("2.log")).unwrap());
    let ((one_pids, one_folder), (two_pids, two_folder)) = tokio::join!(up(&one), up(&two));
    assert_ne!(one_folder, two_folder, "two side by side share a folder");
    assert!(one_pids.iter().chain(&two_pids).all(|pid| lives(*pid)));

    one.kill9();
    gone(&one_pids).await;
    assert!(two_pids.iter().all(|pid| lives(*pid)), "the other supervisor's servers were ended too");

    let again = program.start_with_log(&log).unwrap();
    let (again_pids, again_folder) = up(&again).await;
    assert_eq!(again_folder, one_folder, "the dead run's folder was not taken over");
    drop((again, two));
    gone(&again_pids).await;
    gone(&two_pids).await;
}

#[tokio::test]
async fn a_server_that_outlived_its_supervisor_is_stopped_by_the_next_start() {
    use labor_testing::{Durability, Postgres};
    let place = labor_testing::scratch().await.unwrap().join("orphan");
    let postgres = Postgres::start_with(&place, Durability::Fast).await.unwrap();
    let program = postgres.home().program("postgres");
    postgres.stop().await.unwrap();
    drop(postgres);

    // Started without the death rule, by the user who owns the data.
    let owner = fs::metadata(place.join("data")).map(|meta| {
        use std::os::unix::fs::MetadataExt;
        (meta.uid(), meta.gid())
    });
    let mut orphan = process::Command::new(program);
    orphan.arg("-D").arg(place.join("data")).stderr(process::Stdio::null()).current_dir("/");
    if let (Ok((uid, gid)), true) = (owner, fs::metadata("/proc/self").is_ok_and(|meta| is_root(&meta))) {
        use std::os::unix::process::CommandExt;
        orphan.uid(uid).gid(gid);
    }
    let mut orphan = orphan.spawn().unwrap();
    until("the orphan's start", LIMIT, async || {
        let ready = fs::read_to_string(place.join("data/postmaster.pid")).unwrap_or_default().contains("ready");
        Ok(if ready { Ok(()) } else { Err("not ready".into()) })
    })
    .await
    .unwrap();
    let waiter = std::thread::spawn(move || orphan.wait());

    let again = Postgres::start_with(&place, Durability::Fast).await.unwrap();
    assert!(waiter.join().unwrap().is_ok());
    again.connect("postgres").await.unwrap().query_one("SELECT 1", &[]).await.unwrap();
}

fn is_root(meta: &fs::Metadata) -> bool {
    std::os::unix::fs::MetadataExt::uid(meta) == 0
}
