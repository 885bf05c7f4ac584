//! Processor time from /proc, for the question where the time of a request goes when everybody shares the cores.
use std::ops::Sub;

use serde::Serialize;

/// Unit of the times in /proc on every Linux (`USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;

/// Seconds of processor time.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Cpu {
    /// This process, or the pgbench that it started.
    pub client: f64,
    /// What is measured: its processes without Postgres.
    pub stack: f64,
    /// Postgres with all its processes.
    pub postgres: f64,
}

/// Times of one process: its own, and those of its children that ended.
struct Times {
    parent: u32,
    own: f64,
    ended_children: f64,
}

impl Cpu {
    /// Used up to now. What a process used is its own until it ends, then its parent's `ended_children`: nothing gets lost.
    #[must_use]
    pub fn now(stack: &[u32], postmaster: u32) -> Self {
        let client = times("self").map_or(0.0, |t| t.own + t.ended_children);
        let own = |pid: u32| times(&pid.to_string());
        let mut postgres = own(postmaster).map_or(0.0, |t| t.own + t.ended_children);
        for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            let name = entry.file_name();
            let pid = name.to_str().filter(|name| name.bytes().all(|b| b.is_ascii_digit()));
            postgres += pid.and_then(times).filter(|t| t.parent == postmaster).map_or(0.0, |t| t.own);
        }
        let stack = stack.iter().filter_map(|pid| own(*pid)).map(|t| t.own).sum();
        Self { client, stack, postgres }
    }

    /// Microseconds for each of `count` things.
    #[must_use]
    pub fn micros_per(self, count: f64) -> Self {
        let each = |seconds: f64| seconds * 1e6 / count.max(1.0);
        Self { client: each(self.client), stack: each(self.stack), postgres: each(self.postgres) }
    }
}

impl Sub for Cpu {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            client: self.client - earlier.client,
            stack: self.stack - earlier.stack,
            postgres: self.postgres - earlier.postgres,
        }
    }
}

fn times(pid: &str) -> Option<Times> {
    parse(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// proc(5): after the name in brackets come state, parent, …, and as 12th to 15th utime, stime, cutime, cstime.
fn parse(stat: &str) -> Option<Times> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let seconds = |n: usize| fields.get(n)?.parse::<f64>().ok().map(|ticks| ticks / TICKS_PER_SECOND);
    Some(Times {
        parent: fields.get(1)?.parse().ok()?,
        own: seconds(11)? + seconds(12)?,
        ended_children: seconds(13)? + seconds(14)?,
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn times_are_read_behind_a_name_with_brackets_and_blanks() {
        let times = super::parse("7 (a ) b) S 42 7 7 0 -1 4194304 1 0 0 0 150 50 300 100 20 0 1 0 9").unwrap();
        assert_eq!(times.parent, 42);
        assert!((times.own - 2.0).abs() < 1e-9 && (times.ended_children - 4.0).abs() < 1e-9);
    }
}
