//! What `lint` finds: `up` refuses files with errors as long as they can still be corrected.
use super::Fleet;
use crate::chain::Chain;

const UNSAID: &str = "-- Why: a test.\n-- Locks: reports.\n-- Previous release: does not notice.\n\
                    -- Kind: transaction\n-- Phase: expand\nALTER TABLE reports ADD COLUMN seen_at timestamptz;\n";

#[tokio::test]
async fn files_with_lint_errors_are_refused_until_somebody_has_them() {
    let fleet = Fleet::copy("waves_linted").await;
    let chain = Chain::copy(&fleet.files().await).with(("V3__seen", UNSAID));
    let run = async |arguments: &[&str]| fleet.ran(chain.migrator(&fleet.platform, arguments)).await;
    let text = run(&["up"]).await;
    assert_eq!(text.code, Some(6), "{}", text.text);
    let lint = run(&["lint", "V3__seen.sql"]).await;
    let (findings, last) = lint.text.trim_end().rsplit_once('\n').unwrap();
    let judged = format!("1 file in {}: 1 error(s), 1 warning(s)", chain.folder().join("migrations/tenant").display());
    assert_eq!(last, judged);
    assert!(
        lint.code == Some(6) && text.text.starts_with(findings),
        "{} is not what lint says: {}",
        text.text,
        lint.text
    );
    assert!(text.text.contains("--allow-lint-errors"), "{}", text.text);
    let json = run(&["--json", "up"]).await;
    assert_eq!((json.code, json.lines.len()), (Some(6), 0), "{}", json.text);
    let error: serde_json::Value = serde_json::from_str(json.text.lines().last().unwrap()).unwrap();
    let found = &error["error"]["findings"][0];
    assert_eq!((&error["error"]["kind"], &found["file"]), (&"lint".into(), &"V3__seen.sql".into()), "{}", json.text);
    assert_eq!(run(&["--json", "up", "--to", "2"]).await.code, Some(0), "what is not to be run is no reason");
    assert_eq!(fleet.versions().await, "intake 2, p1 2, p2 2, p3 2, p4 2");
    assert_eq!(fleet.number("SELECT count(*) FROM control.runs WHERE command = 'up'").await, 0);

    let excepted = UNSAID.replace("ALTER", "-- squawk-ignore comment-missing -- a test\nALTER");
    let other = Fleet::copy("waves_linted_excepted").await;
    let with_exception = Chain::copy(&other.files().await).with(("V3__seen", &excepted));
    let ran = other.ran(with_exception.migrator(&other.platform, &["up"])).await;
    assert_eq!(ran.code, Some(0), "{}", ran.text);

    assert_eq!(run(&["up", "--allow-lint-errors", "--tenant", "p1"]).await.code, Some(0));
    let rest = run(&["up"]).await;
    assert_eq!(rest.code, Some(0), "p1 has it, so it can't be corrected: {}", rest.text);
    fleet.is_whole(3).await;
}
