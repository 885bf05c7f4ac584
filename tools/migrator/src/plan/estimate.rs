//! About how long it takes: from the real sizes of the tables and an assumed speed.
//! Must stay true: it is told as an estimate. It knows neither the machine nor what else it does; `rehearse --data` measures.
use super::classes::{Found, Sizes};
use super::{Class, FilePlan};
use crate::locks::Effect;

/// Bytes per second that a scan reads, or an index is built from: conservative, a single network disk gives about that.
pub const READ_PER_SECOND: i64 = 100_000_000;
/// Bytes per second that a rewrite writes, with its log and indexes: half of it, because each page is written twice.
pub const WRITE_PER_SECOND: i64 = 50_000_000;
/// Milliseconds of a transaction that changes an empty schema: DDL, proof, stamp and ledger take 15 to 40 on a laptop.
pub const PER_SEGMENT: u64 = 50;

pub(super) struct Work {
    pub(super) bytes: i64,
    pub(super) bytes_largest: i64,
    pub(super) milliseconds: u64,
    pub(super) milliseconds_largest: u64,
}

pub(super) fn of(effects: &[Effect], sizes: &Sizes, class: &Found) -> Work {
    let mut work = Work { bytes: 0, bytes_largest: 0, milliseconds: 0, milliseconds_largest: 0 };
    for effect in effects.iter().filter(|effect| effect.scan || effect.rewrite) {
        let key = (class.version, class.chain.clone(), class.fingerprint.clone(), effect.table.clone());
        let (bytes, largest) = sizes.get(&key).copied().unwrap_or_default();
        work.bytes += bytes;
        work.bytes_largest += largest;
        work.milliseconds += milliseconds(bytes, effect.rewrite);
        work.milliseconds_largest += milliseconds(largest, effect.rewrite);
    }
    work
}

fn milliseconds(bytes: i64, rewrite: bool) -> u64 {
    let write = if rewrite { bytes.saturating_mul(1000) / WRITE_PER_SECOND } else { 0 };
    u64::try_from(bytes.saturating_mul(1000) / READ_PER_SECOND + write).unwrap_or_default()
}

/// All tenants of a class one after the other, and its slowest tenant.
pub(super) fn class(files: &[FilePlan], segments: usize, tenants: i64) -> (u64, u64) {
    let fixed = PER_SEGMENT * u64::try_from(segments).unwrap_or(u64::MAX);
    let statements = || files.iter().flat_map(|file| &file.statements);
    let all: u64 = statements().map(|statement| statement.milliseconds).sum();
    let largest: u64 = statements().map(|statement| statement.milliseconds_largest).sum();
    (all + fixed.saturating_mul(u64::try_from(tenants).unwrap_or_default()), largest + fixed)
}

/// Shared among workers, but never quicker than the slowest tenant.
pub(super) fn total(classes: &[Class], workers: usize) -> u64 {
    let moving = || classes.iter().filter(|class| class.tenants > class.held);
    let sum: u64 = moving().map(|class| class.milliseconds).sum();
    let slowest = moving().map(|class| class.milliseconds_largest).max().unwrap_or_default();
    (sum / u64::try_from(workers.max(1)).unwrap_or(1)).max(slowest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(tenants: i64, held: i64, milliseconds: u64, milliseconds_largest: u64) -> Class {
        Class {
            version: 1,
            chain: String::new(),
            class: String::new(),
            tenants,
            held,
            spare: 0,
            frozen: 0,
            failed: 0,
            rules: false,
            files: Vec::new(),
            milliseconds,
            milliseconds_largest,
        }
    }

    #[test]
    fn the_whole_is_shared_among_workers_and_lasts_as_long_as_the_slowest_tenant() {
        let classes = [class(90, 0, 9_000, 100), class(10, 2, 3_000, 800)];
        assert_eq!(total(&classes, 1), 12_000);
        assert_eq!(total(&classes, 4), 3_000);
        assert_eq!(total(&classes, 64), 800, "one tenant is not shared");
        assert_eq!(total(&classes, 0), 12_000);
        let held = [class(5, 0, 500, 100), class(3, 3, 9_000, 9_000)];
        assert_eq!(total(&held, 1), 500, "who is held is left alone");
        assert_eq!(total(&[], 4), 0);
    }
}
