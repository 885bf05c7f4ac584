//! Servers and browsers that a run left behind in a folder. They are recognised by their command line, which names the folder; a process
//! id read from a file proves nothing, since the number may belong to a stranger by now.

use std::{fs, os::unix::fs::FileTypeExt, path::Path, time::Duration};

use rustix::process::{Pid, Signal};

use crate::{Result, wait::until};

/// The file in a server's folder that lists the sockets it has elsewhere.
pub(crate) const SOCKETS: &str = "sockets";
/// A browser is nobody's child once its driver is gone, and goes on writing its profile for a while.
const SERVERS: [&str; 8] =
    ["postgres", "initdb", "weed", "bao", "chromedriver", "chromium", "chrome", "chrome_crashpad_handler"];

/// A process as `/proc` shows it.
struct Process {
    pid: Pid,
    arguments: Vec<String>,
}

impl Process {
    fn is_server(&self) -> bool {
        let name = self.arguments.first().and_then(|path| path.rsplit('/').next()).unwrap_or_default();
        SERVERS.contains(&name)
    }

    fn is_postgres(&self) -> bool {
        self.arguments.first().is_some_and(|name| name.ends_with("postgres"))
    }

    fn names(&self, folder: &str) -> bool {
        self.arguments.iter().any(|argument| {
            let path = argument.split_once('=').map_or(argument.as_str(), |(_, value)| value);
            path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }
}

/// Stops every server whose command line names `folder` or something in it: Postgres with an immediate shutdown, the others with
/// signal 9; waits until they are gone, and removes the sockets that they had elsewhere.
pub(crate) async fn stop(folder: &Path) -> Result<()> {
    let name = folder.to_string_lossy().into_owned();
    end_all(&name, |process| process.is_server() && process.names(&name)).await?;
    remove_sockets_below(folder, 3);
    Ok(())
}

/// Servers' folders lie at most three levels down; what they keep there themselves need not be walked.
fn remove_sockets_below(folder: &Path, levels: u8) {
    remove_sockets(folder);
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| levels > 0 && entry.file_name() != "data") {
        remove_sockets_below(&entry.path(), levels - 1);
    }
}

/// Removes the sockets that a stopped server of this folder had in /tmp.
pub(crate) fn remove_sockets(folder: &Path) {
    let list = folder.join(SOCKETS);
    for socket in fs::read_to_string(&list).unwrap_or_default().lines() {
        let is_socket = fs::symlink_metadata(socket).is_ok_and(|meta| meta.file_type().is_socket());
        if is_socket && socket.starts_with("/tmp/seaweedfs-") {
            let _ = fs::remove_file(socket);
        }
    }
    let _ = fs::remove_file(list);
}

/// Ends the children of a cluster whose postmaster is gone. They carry the cluster's name in their title.
pub(crate) async fn stop_backends(cluster: &str) -> Result<()> {
    let title = format!("postgres: {cluster}: ");
    end_all(&title, |process| process.arguments.first().is_some_and(|name| name.starts_with(&title))).await
}

/// Sends signal 9 to the children of a cluster.
pub(crate) fn kill_backends(cluster: &str) {
    signal_backends(cluster, Signal::KILL);
}

/// Sends a signal to the children of a cluster.
pub(crate) fn signal_backends(cluster: &str, signal: Signal) {
    let title = format!("postgres: {cluster}: ");
    for process in processes() {
        if process.arguments.first().is_some_and(|name| name.starts_with(&title)) {
            let _ = rustix::process::kill_process(process.pid, signal);
        }
    }
}

async fn end_all(whose: &str, ours: impl Fn(&Process) -> bool) -> Result<()> {
    for process in processes().iter().filter(|process| ours(process)) {
        let signal = if process.is_postgres() { Signal::QUIT } else { Signal::KILL };
        let _ = rustix::process::kill_process(process.pid, signal);
    }
    let mut patience = 400;
    until(&format!("the end of the servers left in {whose}"), Duration::from_secs(20), async || {
        let left: Vec<Process> = processes().into_iter().filter(&ours).collect();
        patience -= 1;
        if patience < 0 {
            for process in &left {
                let _ = rustix::process::kill_process(process.pid, Signal::KILL);
            }
        }
        let pids: Vec<String> = left.iter().map(|process| process.pid.as_raw_nonzero().to_string()).collect();
        Ok(if pids.is_empty() { Ok(()) } else { Err(format!("still running: {}", pids.join(", "))) })
    })
    .await
}

fn processes() -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| {
            let name = entry.ok()?.file_name();
            let pid = Pid::from_raw(name.to_str()?.parse().ok()?)?;
            let line = fs::read(Path::new("/proc").join(&name).join("cmdline")).ok()?;
            let arguments =
                line.split(|byte| *byte == 0).map(|part| String::from_utf8_lossy(part).into_owned()).collect();
            Some(Process { pid, arguments })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(arguments: &[&str]) -> Process {
        Process { pid: Pid::INIT, arguments: arguments.iter().map(ToString::to_string).collect() }
    }

    #[test]
    fn a_server_is_ours_only_if_its_command_line_names_exactly_our_folder() {
        let postgres = process(&["/usr/lib/postgresql/15/bin/postgres", "-D", "/x/.labor/test-1/postgres/data"]);
        assert!(postgres.is_server() && postgres.names("/x/.labor/test-1"));
        assert!(!postgres.names("/x/.labor/test-10") && !postgres.names("/x/.labor/test"));
        assert!(process(&["weed", "server", "-dir=/x/.labor/test-1/s3/data"]).names("/x/.labor/test-1"));
        assert!(!process(&["vim", "/x/.labor/test-1/postgres.log"]).is_server());
        let browser = process(&["/usr/lib/chromium/chromium", "--user-data-dir=/x/.labor/test-1/browser-4444/profile"]);
        assert!(browser.is_server() && browser.names("/x/.labor/test-1"));
    }
}
