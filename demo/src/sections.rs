//! docs/benchmarks.md is written by six programs. Each replaces its own part; what the others wrote stays.
use std::path::{Path, PathBuf};

/// Where the part of the migrator begins, and behind it those of the pools, of messages on their way in, of backups and of what comes back.
const MIGRATOR: &str = "\n<!-- Below: written by `make bench-migrator` -->\n";
const POOL: &str = "\n<!-- Below: written by `make bench-pool` -->\n";
const INGEST: &str = "\n<!-- Below: written by `make bench-ingest` -->\n";
const BACKUP: &str = "\n<!-- Below: written by `make bench-backup` -->\n";
const RECOVERY: &str = "\n<!-- Below: written by `make bench-recovery` -->\n";

/// The document in this checkout.
#[must_use]
pub fn benchmarks() -> PathBuf {
    let here = Path::new("docs");
    let docs =
        if here.is_dir() { here.to_owned() } else { Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(here) };
    docs.join("benchmarks.md")
}

/// The document, taken apart: what the API costs, and the parts behind it if they are there.
struct Parts<'a> {
    api: &'a str,
    migrator: Option<&'a str>,
    pool: Option<&'a str>,
    ingest: Option<&'a str>,
    backup: Option<&'a str>,
    recovery: Option<&'a str>,
}

impl<'a> Parts<'a> {
    fn of(document: &'a str) -> Self {
        let (rest, recovery) = split(document, RECOVERY);
        let (rest, backup) = split(rest, BACKUP);
        let (rest, ingest) = split(rest, INGEST);
        let (rest, pool) = split(rest, POOL);
        let (api, migrator) = split(rest, MIGRATOR);
        Self { api, migrator, pool, ingest, backup, recovery }
    }

    fn joined(&self) -> String {
        let mut text = self.api.to_owned();
        let parts = [
            (MIGRATOR, self.migrator),
            (POOL, self.pool),
            (INGEST, self.ingest),
            (BACKUP, self.backup),
            (RECOVERY, self.recovery),
        ];
        for (marker, part) in parts {
            if let Some(part) = part {
                text += marker;
                text += part;
            }
        }
        text
    }
}

fn split<'a>(document: &'a str, marker: &str) -> (&'a str, Option<&'a str>) {
    document.split_once(marker).map_or((document, None), |(before, behind)| (before, Some(behind)))
}

/// The document with another part about the API.
#[must_use]
pub fn with_api(document: &str, part: &str) -> String {
    Parts { api: part, ..Parts::of(document) }.joined()
}

/// The document with another part about the migrator.
#[must_use]
pub fn with_migrator(document: &str, part: &str) -> String {
    Parts { migrator: Some(part), ..Parts::of(document) }.joined()
}

/// The document with another part about the pools.
#[must_use]
pub fn with_pool(document: &str, part: &str) -> String {
    Parts { pool: Some(part), ..Parts::of(document) }.joined()
}

/// The document with another part about messages on their way in.
#[must_use]
pub fn with_ingest(document: &str, part: &str) -> String {
    Parts { ingest: Some(part), ..Parts::of(document) }.joined()
}

/// The document with another part about backups.
#[must_use]
pub fn with_backup(document: &str, part: &str) -> String {
    Parts { backup: Some(part), ..Parts::of(document) }.joined()
}

/// The document with another part about what comes back.
#[must_use]
pub fn with_recovery(document: &str, part: &str) -> String {
    Parts { recovery: Some(part), ..Parts::of(document) }.joined()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_replaces_its_own_part() {
        let both = with_migrator("api 1\n", "migrator 1\n");
        assert_eq!(with_migrator("api 1\n", "migrator 2\n"), with_migrator(&both, "migrator 2\n"));
        assert_eq!(with_api(&both, "api 2\n"), with_migrator("api 2\n", "migrator 1\n"));
        assert_eq!(with_api("api 1\n", "api 2\n"), "api 2\n");
        let all = with_pool(&both, "pool 1\n");
        assert_eq!(with_pool(&all, "pool 2\n"), with_pool(&both, "pool 2\n"));
        assert_eq!(with_migrator(&with_pool("api 1\n", "pool 1\n"), "migrator 1\n"), all);
        assert_eq!(with_api(&all, "api 1\n"), all);
        let four = with_ingest(&all, "ingest 1\n");
        assert!(four.starts_with(&all) && four.ends_with("ingest 1\n"));
        assert_eq!(with_ingest(&four, "ingest 2\n"), with_ingest(&all, "ingest 2\n"));
        assert_eq!(with_pool(&with_ingest(&both, "ingest 1\n"), "pool 1\n"), four);
        assert_eq!(with_migrator(&with_api(&four, "api 1\n"), "migrator 1\n"), four);
        let five = with_backup(&four, "backup 1\n");
        assert!(five.starts_with(&four) && five.ends_with("backup 1\n"));
        assert_eq!(with_ingest(&five, "ingest 1\n"), five);
        assert_eq!(with_backup(&five, "backup 2\n"), with_backup(&four, "backup 2\n"));
        let six = with_recovery(&five, "recovery 1\n");
        assert!(six.starts_with(&five) && six.ends_with("recovery 1\n"));
        assert_eq!(with_backup(&six, "backup 1\n"), six);
        assert_eq!(with_recovery(&six, "recovery 2\n"), with_recovery(&five, "recovery 2\n"));
    }
}
