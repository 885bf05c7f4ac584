//! What the migrator says: errors for machines, and which practice is meant.
use labor_testing::{Finished, Platform, postgres, scratch};
use serde_json::Value;

async fn platform(name: &str) -> Platform {
    let platform = Platform::create(postgres().await, &scratch().await.unwrap().join(name), name).await.unwrap();
    platform.practice("p1", "Praxis am Tor", "100000001").await.unwrap();
    platform
}

async fn run(platform: &Platform, arguments: &[&str]) -> Finished {
    platform.program("labor-migrator").unwrap().args(arguments.iter().copied()).run().await.unwrap()
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).map_err(|_| line.to_owned()).unwrap()).collect()
}

#[tokio::test]
async fn as_json_an_error_is_one_object_on_standard_error() {
    let platform = platform("said_error").await;
    let nowhere = platform.folder().join("nowhere").display().to_string();
    for (arguments, code, kind, detail) in [
        (&["--json", "up", "--tenant", "nobody"][..], 1, "unknown_tenant", ("tenant", Value::from("nobody"))),
        (&["--json", "up", "--to", "99"], 1, "invalid", ("none", Value::Null)),
        (&["--json", "--db", &nowhere, "lint"], 1, "unreadable", ("none", Value::Null)),
        (
            &["--json", "--database-url", "postgres://labor_migrator:x@127.0.0.1:1/none", "status"],
            1,
            "connect",
            ("none", Value::Null),
        ),
    ] {
        let ended = run(&platform, arguments).await;
        assert_eq!((ended.status.code(), ended.stdout.as_str()), (Some(code), ""), "{arguments:?}: {}", ended.stderr);
        let said = lines(&ended.stderr);
        let error = &said[0]["error"];
        assert_eq!((said.len(), &error["kind"], &error[detail.0]), (1, &kind.into(), &detail.1), "{}", ended.stderr);
        let message = error["message"].as_str().unwrap();
        let text: Vec<&str> = arguments.iter().copied().filter(|argument| *argument != "--json").collect();
        let plain = run(&platform, &text).await;
        assert_eq!((plain.status.code(), plain.stderr), (Some(code), format!("labor-migrator: {message}\n")));
    }
}

#[tokio::test]
async fn a_practice_is_named_by_its_sign_in_name_too_and_never_by_the_displayed_one() {
    let platform = platform("said_names").await;
    let client = postgres().await.connect("said_names").await.unwrap();
    assert!(run(&platform, &["pool", "--keep", "1"]).await.status.success());
    let name = async |which: &str| -> String {
        let sql = format!("SELECT name FROM control.tenants WHERE {which}");
        client.query_one(&sql, &[]).await.unwrap().get(0)
    };
    let (p1, spare) = (name("slug = 'p1'").await, name("state = 'spare'").await);
    let older = "UPDATE control.ledger SET chain_checksum = 'older'";
    let slug = |lines: &[Value], tenant: &str| {
        let line = lines.iter().find(|line| line["tenant"] == tenant).unwrap_or_else(|| panic!("{tenant}: {lines:?}"));
        line.get("slug").and_then(Value::as_str).map(str::to_owned)
    };
    let as_json = async |arguments: &[&str]| {
        let ended = run(&platform, &[&["--json"], arguments].concat()).await;
        assert!(!ended.stdout.contains("Praxis am Tor"), "{}", ended.stdout);
        ended.stdout
    };
    let as_text = async |arguments: &[&str], verb: &str| {
        let ended = run(&platform, arguments).await.stdout;
        for line in [format!("{p1} (p1){verb}"), format!("{spare}{verb}")] {
            assert!(ended.lines().any(|said| said.starts_with(&line)), "{line:?} is not in: {ended}");
        }
    };
    let same = |lines: &[Value]| {
        assert_eq!((slug(lines, &p1).as_deref(), slug(lines, &spare)), (Some("p1"), None), "{lines:?}");
    };

    client.batch_execute(older).await.unwrap();
    same(&lines(&as_json(&["up", "--first", &spare, "--first", "p1"]).await));
    client.batch_execute(older).await.unwrap();
    as_text(&["up"], " migrated in ").await;
    let status: Value = serde_json::from_str(&as_json(&["status", "--all"]).await).unwrap();
    same(status["tenants"].as_array().unwrap());
    for tenant in [&p1, &spare] {
        client.batch_execute(&format!("ALTER TABLE {tenant}.users ADD COLUMN by_hand text")).await.unwrap();
    }
    same(&lines(&as_json(&["verify"]).await));
    as_text(&["verify"], ": drift: ").await;
    let found: Value = serde_json::from_str(&as_json(&["check"]).await).unwrap();
    same(found.as_array().unwrap());
    as_text(&["check"], " drift ").await;
}
