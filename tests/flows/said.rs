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

#[tokio::test]
async fn what_could_not_be_checked_is_never_said_to_have_no_finding() {
    let platform = platform("said_check").await;
    let nowhere = "postgres://labor_migrator:x@127.0.0.1:1/none";
    for json in [&[][..], &["--json"]] {
        let ended = run(&platform, &[json, &["--database-url", nowhere, "check"]].concat()).await;
        assert_eq!((ended.status.code(), ended.stdout.as_str()), (Some(1), ""), "{}", ended.stderr);
    }
    let whole = run(&platform, &["--json", "check"]).await;
    assert_eq!((whole.status.code(), whole.stdout.as_str()), (Some(0), "[]\n"), "{}", whole.stderr);
}

/// As after a line that clap can't read.
#[tokio::test]
async fn what_the_command_line_lacks_is_told_as_its_fault() {
    let platform = platform("said_missing").await;
    let missing = [("LABOR_MIGRATOR_URL", "--database-url"), ("LABOR_MASTER_SECRET_FILE", "--master-secret-file")];
    for (variable, option) in missing {
        let program = platform.program("labor-migrator").unwrap().without(variable).args(["--json", "status"]);
        let ended = program.run().await.unwrap();
        assert_eq!((ended.status.code(), ended.stdout.as_str()), (Some(2), ""), "{}", ended.stderr);
        let error = &lines(&ended.stderr)[0]["error"];
        assert_eq!(error["kind"], "missing", "{}", ended.stderr);
        assert!(error["message"].as_str().unwrap().contains(option), "{}", ended.stderr);
    }
}

#[tokio::test]
async fn nothing_is_done_as_another_login() {
    let platform = platform("said_login").await;
    let admin = postgres().await.url("said_login");
    for command in
        [&["up"][..], &["plan"], &["status"], &["check"], &["verify"], &["history"], &["pool", "--keep", "1"]]
    {
        let ended = run(&platform, &[&["--json", "--database-url", &admin], command].concat()).await;
        assert_eq!((ended.status.code(), ended.stdout.as_str()), (Some(1), ""), "{command:?}: {}", ended.stderr);
        let error = &lines(&ended.stderr)[0]["error"];
        assert_eq!(error["kind"], "wrong_login", "{command:?}: {}", ended.stderr);
        assert!(error["message"].as_str().unwrap().contains("labor_migrator"), "{}", ended.stderr);
    }
}

#[tokio::test]
async fn no_list_is_cut_unnoticed() {
    let platform = platform("said_lists").await;
    let client = postgres().await.connect("said_lists").await.unwrap();
    assert!(run(&platform, &["pool", "--keep", "24"]).await.status.success());
    let unsettled =
        "UPDATE control.ledger SET chain_checksum = 'older', last_error = 'could not', last_error_at = now()
                      WHERE tenant <> (SELECT name FROM control.tenants WHERE slug = 'p1');
                     UPDATE control.ledger SET chain_checksum = 'older';
                     UPDATE control.ledger SET last_error = NULL, held_at = now(), held_by = 'x', held_reason = 'x'
                      WHERE tenant = (SELECT name FROM control.tenants WHERE kind = 'intake')";
    client.batch_execute(unsettled).await.unwrap();
    let text = run(&platform, &["status"]).await.stdout;
    assert!(text.contains("and 6 more: `labor-migrator status --all`"), "{text}");
    let status: Value = serde_json::from_str(&run(&platform, &["--json", "status"]).await.stdout).unwrap();
    let tenants = status["tenants"].as_array().unwrap();
    assert_eq!((tenants.len(), &status["unlisted"], &status["failed"]), (26, &0.into(), &24.into()), "{status}");
    let of = |tenant: &Value| (tenant["last_error"].is_string(), tenant["held"].is_string());
    assert!(tenants[..24].iter().all(|tenant| of(tenant) == (true, false)), "those that failed come first: {status}");
    assert_eq!((of(&tenants[24]), of(&tenants[25])), ((false, true), (false, false)), "then the held one: {status}");

    let up = run(&platform, &["--json", "up"]).await;
    let id = lines(&up.stdout).last().unwrap()["run"].as_str().unwrap().to_owned();
    let count = async |arguments: &[&str]| {
        let listed: Value = serde_json::from_str(&run(&platform, arguments).await.stdout).unwrap();
        listed.as_array().unwrap().len()
    };
    assert_eq!(count(&["--json", "history", "--run", &id]).await, 25);
    assert_eq!(count(&["--json", "history", "--run", &id, "--limit", "3"]).await, 3);
    client.batch_execute("UPDATE control.outcomes SET outcome = 'failed', error = 'x'").await.unwrap();
    assert_eq!(count(&["--json", "history", "--failed"]).await, 51);
    let of_run = run(&platform, &["history", "--run", &id]).await.stdout;
    assert!(!of_run.contains("older:") && of_run.matches(" up ").count() == 25, "{of_run}");
    let failed = run(&platform, &["history", "--failed"]).await.stdout;
    assert!(failed.contains("and 31 older: --limit lists more"), "{failed}");
    for _ in 0..12 {
        run(&platform, &["hold", "p1", "--reason", "x"]).await;
        run(&platform, &["release", "p1"]).await;
    }
    let runs = run(&platform, &["history"]).await.stdout;
    assert!(runs.contains("and 8 older: --limit lists more"), "{runs}");
}
