//! `CODES.md` lists every code, each once, and no other.

use ldt::{Error, WarningKind, WriteError};

/// The codes in the first column of the table under a heading.
fn listed(heading: &str) -> Vec<String> {
    let page = include_str!("../../CODES.md");
    let section = page.split("\n## ").find(|section| section.starts_with(heading)).unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    rows.map(|(code, rest)| {
        assert!(rest.matches(" | ").count() == 2 && rest.len() > 30, "{code}: meaning and what to do");
        code.to_owned()
    })
    .collect()
}

#[test]
fn the_page_of_codes_is_complete() {
    let warnings: Vec<&str> = WarningKind::ALL.iter().map(|kind| kind.code()).collect();
    for (heading, codes) in
        [("Errors", Error::CODES.to_vec()), ("Warnings", warnings), ("Writing", WriteError::CODES.to_vec())]
    {
        let mut page = listed(heading);
        let mut enums: Vec<String> = codes.into_iter().map(str::to_owned).collect();
        page.sort();
        enums.sort();
        assert_eq!(page, enums, "{heading}");
        enums.dedup();
        assert_eq!(page.len(), enums.len(), "{heading}: a code is used twice");
    }
}
