//! Baseline: schemas that came from elsewhere become tenants when they are what the files make, and stay as they are when they are not.
use labor_testing::{Finished, Platform, Program, postgres, scratch};
use serde_json::Value;
use tokio_postgres::Client;

const NEW: &str = "t_newnewnewnew";

/// A platform of one practice, and its name.
async fn platform(name: &str) -> (Platform, Client, String) {
    let platform = Platform::create(postgres().await, &scratch().await.unwrap().join(name), name).await.unwrap();
    let practice = platform.practice("p1", "Praxis", "100000001").await.unwrap();
    (platform, postgres().await.connect(name).await.unwrap(), practice)
}

async fn baseline(platform: &Platform, arguments: &[&str]) -> Finished {
    let program = platform.program("labor-migrator").unwrap().args(["--json", "baseline", NEW, "--slug", "new"]);
    program.args(["--name", "Neue Praxis"]).args(arguments.iter().copied()).run().await.unwrap()
}

async fn refused(platform: &Platform, client: &Client, arguments: &[&str], reason: &str) {
    let before = state(client).await;
    let run = baseline(platform, arguments).await;
    assert_eq!(run.status.code(), Some(1), "{}{}", run.stdout, run.stderr);
    assert!(run.stderr.contains(reason), "{}", run.stderr);
    assert_eq!(state(client).await, before, "something was changed");
}

async fn state(client: &Client) -> String {
    let sql = "SELECT concat((SELECT string_agg(t::text, ';') FROM control.tenants t), (SELECT count(*) FROM control.runs),
                      (SELECT count(*) FROM pg_policies WHERE schemaname = $1), (SELECT count(*) FROM pg_roles WHERE rolname = $1 || '_app'))";
    client.query_one(sql, &[&NEW]).await.unwrap().get(0)
}

async fn adopted(platform: &Platform, arguments: &[&str]) -> Value {
    let run = baseline(platform, arguments).await;
    assert!(run.status.success(), "{}", run.stderr);
    for command in ["verify", "check", "up"] {
        let run = platform.program("labor-migrator").unwrap().args([command]).run().await.unwrap();
        assert!(run.status.success(), "{command}: {}{}", run.stdout, run.stderr);
    }
    serde_json::from_str(&run.stdout).unwrap()
}

/// As refinery's own program leaves it: tables and a history, no row rules, no stamp.
async fn by_refinery(client: &Client, practice: &str, new: &str) {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("db/migrations/tenant");
    let mut sql =
        format!("CREATE SCHEMA {new} AUTHORIZATION labor_owner; SET ROLE labor_owner; SET search_path = {new};");
    for file in ["V1__practice.sql", "V2__reader_version.sql"] {
        sql += &std::fs::read_to_string(folder.join(file)).unwrap();
    }
    sql += &format!(
        "CREATE TABLE refinery_schema_history (version INT4 PRIMARY KEY, name VARCHAR(255), applied_on VARCHAR(255), checksum VARCHAR(255));
         RESET ROLE; INSERT INTO refinery_schema_history SELECT * FROM {practice}.refinery_schema_history; RESET search_path"
    );
    client.batch_execute(&sql).await.unwrap();
}

/// Roles belong to the cluster; the other tests of this file use the same name.
async fn forget_role(client: &Client) {
    client.batch_execute(&format!("DROP SCHEMA {NEW} CASCADE; DROP ROLE {NEW}_app")).await.unwrap();
}

#[tokio::test]
async fn schemas_from_elsewhere_are_adopted() {
    let (platform, client, practice) = platform("baseline").await;
    by_refinery(&client, &practice, NEW).await;
    for (harm, arguments, reason, mend) in [
        ("ADD COLUMN more text", [].as_slice(), "+ column users 0009 more text", "DROP COLUMN more"),
        ("OWNER TO labor_guard", &[], "users (labor_guard)", "OWNER TO labor_owner"),
        ("SET (fillfactor = 100)", &["--version", "1"], "at version 2 by its history, not at 1", "RESET (fillfactor)"),
        ("SET (fillfactor = 100)", &["--bsnr", "100000001"], "- table users", "RESET (fillfactor)"),
        ("RESET (fillfactor)", &["--bsnr", "100000001"], "100000001 belongs to a tenant already", "RESET (fillfactor)"),
    ] {
        client.batch_execute(&format!("ALTER TABLE {NEW}.users {harm}")).await.unwrap();
        refused(&platform, &client, arguments, reason).await;
        client.batch_execute(&format!("ALTER TABLE {NEW}.users {mend}")).await.unwrap();
    }
    // Found before the first row is written, which would run it as the owner of everything.
    let trap = "CREATE FUNCTION public.trap(integer) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN RAISE 'the trap was sprung'; END$$";
    let check =
        format!("ALTER TABLE {NEW}.refinery_schema_history ADD CONSTRAINT trap CHECK (public.trap(version)) NOT VALID");
    client.batch_execute(&format!("{trap}; {check}")).await.unwrap();
    refused(&platform, &client, &[], "+ constraint refinery_schema_history trap").await;
    client.batch_execute("DROP FUNCTION public.trap CASCADE").await.unwrap();
    client.batch_execute(&format!("ALTER TABLE {NEW}.refinery_schema_history RENAME TO away")).await.unwrap();
    refused(&platform, &client, &[], "say --version").await;
    client.batch_execute(&format!("ALTER TABLE {NEW}.away RENAME TO refinery_schema_history")).await.unwrap();
    client.batch_execute(&format!("INSERT INTO {NEW}.schema_stamp VALUES (true, 't_gonegonegone', 2, '');
        INSERT INTO control.tenants (name, slug, display_name, state) VALUES ('t_gonegonegone', 'gone', 'deleted', 'deleted')")).await.unwrap();
    refused(&platform, &client, &[], "holds data of t_gonegonegone, which was deleted").await;
    client.batch_execute(&format!("DELETE FROM {NEW}.schema_stamp")).await.unwrap();
    let made = adopted(&platform, &["--bsnr", "100000002"]).await;
    assert_eq!(
        (&made["version"], &made["version_from"], &made["login_made"]),
        (&2.into(), &"history".into(), &true.into())
    );
    refused(&platform, &client, &[], "is registered already").await;
    let registered = "SELECT concat_ws(' ', t.slug, t.display_name, i.value, l.version, r.command, r.outcome, o.outcome)
                        FROM control.tenants t JOIN control.tenant_identifiers i ON i.tenant = t.name JOIN control.ledger l ON l.tenant = t.name
                        JOIN control.outcomes o ON o.tenant = t.name JOIN control.runs r ON r.id = o.run_id WHERE t.name = $1";
    let row = client.query_one(registered, &[&NEW]).await.unwrap();
    assert_eq!(row.get::<_, &str>(0), "new Neue Praxis 100000002 2 baseline completed migrated");
    forget_role(&client).await;
    drop((platform, client));
    a_dump_is_adopted().await;
}

/// `pg_dump` of another practice under a new name: policies name a role that is not there, the stamp names the other practice.
async fn a_dump_is_adopted() {
    let (platform, client, practice) = platform("baseline_dump").await;
    let bin = postgres().await.home().bin();
    let url = postgres().await.url("baseline_dump");
    let dump =
        Program::at(bin.join("pg_dump")).args(["--no-privileges", "-n", &practice, &url]).output().await.unwrap();
    let dump = dump.replace(&format!("CREATE SCHEMA {practice}"), "CREATE SCHEMA X").replace(&practice, NEW);
    let dump = dump.replace("CREATE SCHEMA X", &format!("CREATE SCHEMA {NEW}"));
    let stamped = format!("UPDATE {NEW}.schema_stamp SET tenant = '{practice}';");
    Program::at(bin.join("psql")).args(["-q", "-d", &url]).input(format!("{dump}\n{stamped}")).output().await.unwrap();
    let unregistered = platform.program("labor-migrator").unwrap().args(["verify"]).run().await.unwrap();
    assert!(
        unregistered.stdout.contains(&format!("{NEW}: restored_copy: a copy of {practice}")),
        "{}",
        unregistered.stdout
    );
    let made = adopted(&platform, &[]).await;
    assert_eq!((&made["version_from"], &made["copy_of"]), (&"stamp".into(), &practice.as_str().into()));
    let sql = "SELECT obj_description($1::text::regnamespace, 'pg_namespace')";
    let comment: String = client.query_one(sql, &[&NEW]).await.unwrap().get(0);
    assert!(comment.contains(&practice), "the deletion of {practice} would pass its copy by: {comment}");
    forget_role(&client).await;
}

#[tokio::test]
async fn without_stamp_and_history_the_version_is_said() {
    let (platform, client, practice) = platform("baseline_bare").await;
    // Another name than in the tests beside this one, whose roles are the cluster's.
    let bare = "t_barebarebare";
    by_refinery(&client, &practice, bare).await;
    let drop = format!("DROP TABLE {bare}.schema_stamp, {bare}.refinery_schema_history");
    client.batch_execute(&drop).await.unwrap();
    let program = platform.program("labor-migrator").unwrap();
    let run = |version: &'static str| {
        program.clone().args(["--json", "baseline", bare, "--slug", "bare", "--name", "Praxis", "--version", version])
    };
    let older = run("1").run().await.unwrap();
    assert!(
        older.stderr.contains("+ column raw_messages") && older.stderr.contains("reader_version"),
        "{}",
        older.stderr
    );
    assert!(run("3").run().await.unwrap().stderr.contains("there is no version 3"));
    let made: Value = serde_json::from_str(&run("2").output().await.unwrap()).unwrap();
    assert_eq!((&made["version"], &made["version_from"]), (&2.into(), &"argument".into()));
    program.clone().args(["verify"]).output().await.unwrap();
}
