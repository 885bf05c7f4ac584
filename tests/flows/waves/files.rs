//! Files that must not be applied: nobody is touched, and the message says where and what.
use super::{Fleet, Ran};
use crate::chain::{Chain, V3};

/// What a refused run must not change.
async fn state(fleet: &Fleet) -> String {
    let sql = "SELECT (SELECT string_agg(l::text, ';' ORDER BY tenant) FROM control.ledger l) || (SELECT count(*) FROM pg_class)
                   || (SELECT count(*) FROM control.migrations) || (SELECT generation FROM control.fleet)";
    fleet.client.query_one(sql, &[]).await.unwrap().get(0)
}

/// The error, as JSON.
fn error_of(ran: &Ran) -> serde_json::Value {
    serde_json::from_str::<serde_json::Value>(ran.text.lines().last().unwrap()).unwrap()["error"].take()
}

/// Refused with exit code 1, and nothing was changed.
async fn refused(fleet: &Fleet, chain: &Chain, arguments: &[&str]) -> Ran {
    refused_with(1, fleet, chain, arguments).await
}

async fn refused_with(code: i32, fleet: &Fleet, chain: &Chain, arguments: &[&str]) -> Ran {
    let before = state(fleet).await;
    let ran = fleet.ran(fleet.up(chain, arguments)).await;
    assert_eq!((ran.code, ran.lines.len()), (Some(code), 0), "{}", ran.text);
    assert_eq!(state(fleet).await, before, "{}", ran.text);
    ran
}

fn says(ran: &Ran, parts: &[&str]) {
    for part in parts {
        assert!(ran.text.contains(part), "{part:?} is not in: {}", ran.text);
    }
}

#[tokio::test]
async fn a_table_without_row_rules_is_refused_before_anybody_is_touched() {
    let fleet = Fleet::copy("waves_rules").await;
    let chain = Chain::copy(&fleet.files().await).with(V3);
    let refused = refused_with(4, &fleet, &chain, &[]).await;
    says(&refused, &["version 3", "remarks", "db/rls/tenant.sql", "no tenant was touched"]);
}

/// It shows on the empty schema, whether a hand or a file did it.
#[tokio::test]
async fn what_lets_all_practices_out_is_found_before_anybody_is_touched() {
    let fleet = Fleet::copy("waves_public").await;
    let column = "-- Kind: transaction\n-- Phase: expand\nALTER TABLE patients ADD COLUMN a text;\nCOMMENT ON COLUMN patients.a IS 'x';\n";
    let chain = Chain::copy(&fleet.files().await).with(("V3__column", column));
    fleet.client.batch_execute("GRANT SELECT ON pg_catalog.pg_statistic TO PUBLIC").await.unwrap();
    says(&refused_with(4, &fleet, &chain, &[]).await, &["pg_statistic", "no tenant was touched", "bootstrap"]);
    let check = fleet.ran(chain.migrator(&fleet.platform, &["check"])).await;
    assert_eq!(check.code, Some(4), "{}", check.text);
    says(&check, &["database relation_reachable pg_statistic"]);
    fleet.client.batch_execute("REVOKE SELECT ON pg_catalog.pg_statistic FROM PUBLIC").await.unwrap();
    let grants = ("V3__grants", "-- Kind: transaction\n-- Phase: expand\nGRANT USAGE ON SCHEMA control TO PUBLIC;\n");
    std::fs::remove_file(chain.file("V3__column")).unwrap();
    let chain = chain.with(grants);
    let weak = refused_with(4, &fleet, &chain, &[]).await;
    says(&weak, &["version 3", "schema_reachable control", "no tenant was touched"]);
    std::fs::remove_file(chain.file("V3__grants")).unwrap();
    assert_eq!(fleet.ran(fleet.up(&chain.with(("V3__column", column)), &[])).await.code, Some(0));
}

#[tokio::test]
async fn a_mistake_in_a_file_is_told_with_file_and_line() {
    let fleet = Fleet::copy("waves_syntax").await;
    let chain = Chain::copy(&fleet.files().await);
    for kind in ["transaction", "concurrent"] {
        let sql = format!("-- Kind: {kind}\n-- Phase: expand\n\nALTER TABLE patients ADD x text y z;\n");
        let chain = chain.clone().with(("V3__mistake", &sql));
        let ran = refused_with(6, &fleet, &chain, &[]).await;
        says(&ran, &["V3__mistake.sql:4", "this is not SQL: it can't be read from ", "nothing was begun"]);
        let error = error_of(&ran);
        assert_eq!((&error["kind"], &error["line"]), (&"lint".into(), &4.into()), "{}", ran.text);
    }
    let empty = "on an empty schema, so that no practice was touched: ";
    let said = "-- Kind: transaction\n\nALTER TABLE pacients\n  ADD COLUMN x text;\n";
    let concurrent = said.replace("transaction", "concurrent").replace("COLUMN", "COLUMN IF NOT EXISTS");
    for (sql, line, place) in [
        (said, 3, format!("{empty}V3__mistake.sql:3: ")),
        (&concurrent, 3, format!("{empty}a new schema: V3__mistake.sql:3: ")),
    ] {
        let chain = chain.clone().with(("V3__mistake", sql));
        let ran = refused(&fleet, &chain, &[]).await;
        says(&ran, &[&place, "pacients", "does not exist"]);
        let error = error_of(&ran);
        assert_eq!(
            (&error["file"], &error["line"], &error["sqlstate"]),
            (&"V3__mistake.sql".into(), &line.into(), &"42P01".into()),
            "{}",
            ran.text
        );
    }
}

#[tokio::test]
async fn edited_missing_and_late_files_are_refused_with_the_difference() {
    let fleet = Fleet::copy("waves_edited").await;
    let column = |name: &str| {
        format!(
            "-- Kind: transaction\n-- Phase: expand\nALTER TABLE patients ADD COLUMN {name} text;\nCOMMENT ON COLUMN patients.{name} IS 'x';\n"
        )
    };
    let chain = Chain::copy(&fleet.files().await).with(("V3__first", &column("a"))).with(("V4__second", &column("b")));
    assert_eq!(fleet.ran(fleet.up(&chain, &[])).await.code, Some(0));

    let chain = chain.with(("V3__first", &column("a").replace(" text;", " text NOT NULL;")));
    let edited = refused_with(5, &fleet, &chain, &[]).await;
    says(
        &edited,
        &[
            "V3__first.sql was edited",
            "-ALTER TABLE patients ADD COLUMN a text;",
            "+ALTER TABLE patients ADD COLUMN a text NOT NULL;",
        ],
    );

    let chain = chain.with(("V3__first", &column("a")));
    std::fs::remove_file(chain.file("V4__second")).unwrap();
    let older = refused_with(3, &fleet, &chain, &[]).await;
    says(&older, &["V4__second.sql was applied", "take the release that has it"]);

    let chain = chain.with(("V4__second", &column("b"))).with(("V4__other", &column("c")));
    says(&refused(&fleet, &chain, &[]).await, &["V4__other.sql", "V4__second.sql", "are both version 4"]);
    // Two branches took the same number, and the other one was applied.
    std::fs::remove_file(chain.file("V4__second")).unwrap();
    let late = refused_with(5, &fleet, &chain, &[]).await;
    says(
        &late,
        &[
            "V4__other.sql was edited after it was applied",
            "V4__second.sql as applied",
            "put the change into a new file",
        ],
    );
    std::fs::rename(chain.file("V4__other"), chain.file("V5__other")).unwrap();
    let chain = chain.with(("V4__second", &column("b")));
    assert_eq!(fleet.ran(fleet.up(&chain, &[])).await.code, Some(0));
    // A fleet of a release that kept no texts has only those that came later.
    fleet.execute("DELETE FROM control.migrations WHERE version < 4").await;
    assert_eq!(fleet.ran(fleet.up(&chain, &["--rules"])).await.code, Some(0));
}

#[tokio::test]
async fn unknown_tenants_and_versions_are_told() {
    let fleet = Fleet::copy("waves_unknown").await;
    let chain = fleet.whole().await;
    says(&refused(&fleet, &chain, &["--tenant", "nobody"]).await, &["there is no tenant nobody"]);
    says(&refused(&fleet, &chain, &["--first", "nobody"]).await, &["there is no tenant nobody"]);
    says(&refused(&fleet, &chain, &["--to", "99"]).await, &["there is no version 99", "from 1 to 6"]);
}

#[tokio::test]
async fn files_that_the_first_tenants_were_born_with_are_kept() {
    let fleet = Fleet::copy("waves_born").await;
    let chain = Chain::copy(&fleet.files().await);
    let file = chain.file("V2__reader_version");
    let text = std::fs::read_to_string(&file).unwrap();
    let edited = chain.with(("V2__reader_version", &format!("{text}-- edited\n")));
    says(&refused_with(5, &fleet, &edited, &[]).await, &["V2__reader_version.sql was edited", "+-- edited"]);
    std::fs::write(file, text.replace('\n', "\r\n")).unwrap();
    let same = fleet.ran(fleet.up(&edited, &["--rules"])).await;
    assert_eq!(
        (same.code, &same.lines.last().unwrap()["migrated"]),
        (Some(0), &5.into()),
        "CRLF is no edit: {}",
        same.text
    );
}

#[tokio::test]
async fn nobody_is_born_from_files_that_were_edited() {
    let fleet = Fleet::copy("waves_born_edited").await;
    let chain = Chain::copy(&fleet.files().await);
    let file = chain.file("V2__reader_version");
    let text = std::fs::read_to_string(&file).unwrap();
    let edited = chain.clone().with(("V2__reader_version", &format!("{text}-- edited\n")));
    let before = state(&fleet).await;
    for arguments in [
        &["provision", "new", "--name", "X"][..],
        &["pool", "--keep", "1"],
        &["baseline", "t_aaaaaaaaaaaa", "--slug", "new", "--name", "X"],
    ] {
        let ran = fleet.ran(edited.migrator(&fleet.platform, &[&["--json"], arguments].concat())).await;
        assert_eq!(ran.code, Some(5), "{arguments:?}: {}", ran.text);
        says(&ran, &["\"edited\"", "V2__reader_version.sql was edited", "+-- edited"]);
        assert_eq!(state(&fleet).await, before, "{arguments:?}");
    }
    std::fs::write(file, text).unwrap();
    let born = fleet.ran(chain.migrator(&fleet.platform, &["provision", "new", "--name", "X"])).await;
    assert_eq!(born.code, Some(0), "{}", born.text);
}

#[tokio::test]
async fn a_commit_never_reaches_the_server() {
    let fleet = Fleet::copy("waves_commit").await;
    let chain = Chain::copy(&fleet.files().await);
    for (undo, sql) in [(false, "COMMIT;"), (false, "SELECT pg_advisory_unlock_all();"), (true, "COMMIT;")] {
        let column = "-- Why: x.\nALTER TABLE patients ADD COLUMN x text;\n";
        let text = if undo { column.to_owned() } else { format!("{column}{sql}\n") };
        let chain =
            chain.clone().with(("V3__commit", &text)).with(("V3__commit.undo", &format!("-- Why: x.\n{sql}\n")));
        let place = if undo { "V3__commit.undo.sql:2" } else { "V3__commit.sql:3" };
        says(&refused_with(6, &fleet, &chain, &[]).await, &[place]);
    }
}
