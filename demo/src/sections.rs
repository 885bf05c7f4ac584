//! docs/benchmarks.md is written by two programs. Each replaces its own part; what the other one wrote stays.
use std::path::{Path, PathBuf};

/// Where the part of the migrator begins; it goes to the end.
const MIGRATOR: &str = "\n<!-- Below: written by `make bench-migrator` -->\n";

/// The document in this checkout.
#[must_use]
pub fn benchmarks() -> PathBuf {
    let here = Path::new("docs");
    let docs =
        if here.is_dir() { here.to_owned() } else { Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(here) };
    docs.join("benchmarks.md")
}

/// The document with another part about the API.
#[must_use]
pub fn with_api(document: &str, part: &str) -> String {
    match document.split_once(MIGRATOR) {
        Some((_, migrator)) => format!("{part}{MIGRATOR}{migrator}"),
        None => part.to_owned(),
    }
}

/// The document with another part about the migrator.
#[must_use]
pub fn with_migrator(document: &str, part: &str) -> String {
    let api = document.split_once(MIGRATOR).map_or(document, |(api, _)| api);
    format!("{api}{MIGRATOR}{part}")
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
    }
}
