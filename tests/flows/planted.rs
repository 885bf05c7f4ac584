//! Export / delete, searched from outside: a word is planted wherever a practice's data takes one, the practice is deleted and erased, and
//! the files of the database, of the object store and all logs are searched for it.
//!
//! Must stay true: the search finds the word before the deletion, or it would prove nothing. What a database leaves in the empty space of
//! its own pages until it writes over it (statistics, rows that were written over) is what the certificate says of it; a DBA ends it by
//! rewriting the tables that are named here.
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use labor_testing::{postgres, s3, until};
use tokio_postgres::Client;

use crate::clinic::{Clinic, samples};
use crate::export_delete::{approved, backup, delete, prepared};

const WORD: &str = "pl4nt";
const NOWHERE: [&str; 0] = [];
/// The surname in the sample, and one as long: an LDT line bears its length.
const SURNAME: (&[u8], &[u8]) = (b"M\xfcller", b"pl4ntM");

#[tokio::test]
async fn what_was_planted_everywhere_is_found_nowhere_after_a_deletion() {
    let clinic = prepared("delete_planted").await;
    let tenant = clinic.tenants[0].clone();
    let superuser = postgres().await.connect(clinic.platform.database()).await.unwrap();
    post_planted(&clinic).await;
    let rename = ["rename", "a", "--name", "pl4nt Praxis"];
    assert!(clinic.platform.program("labor-migrator").unwrap().args(rename).run().await.unwrap().status.success());
    let planted = plant(&superuser, &tenant).await;
    assert!(planted.len() > 40, "the word was planted in {planted:?} only");
    assert!(backup(&clinic, &["run", "--tenant", &tenant, "--create-bucket"]).await.status.success());
    superuser.batch_execute("CHECKPOINT").await.unwrap();
    let files = Files::of(&superuser, &clinic).await;
    assert!(!files.database(&superuser).await.is_empty(), "the search finds nothing while all is there");
    assert_eq!(files.elsewhere(), NOWHERE, "a log or an object has it in clear");
    let marker = clinic.platform.folder().join("marker");
    std::fs::write(&marker, WORD).unwrap();
    assert_eq!(files.elsewhere(), [marker.to_str().unwrap()], "the search finds nothing where something is");
    std::fs::remove_file(marker).unwrap();

    let id = approved(&clinic).await;
    let done = delete(&clinic, &id).await;
    assert!(done.status.success(), "{}", done.stderr);
    assert!(!done.stdout.contains(WORD), "the certificate has it: {}", done.stdout);
    let erased = backup(&clinic, &["erase", "--request", &id, "--unsigned"]).await;
    assert!(erased.status.success(), "{}", erased.stderr);
    assert_eq!(rows_with_the_word(&superuser).await, NOWHERE, "a row has it");
    // What somebody's transaction may still see outlives a VACUUM: then the next one takes it.
    until("the end of the last bytes", Duration::from_secs(60), async || {
        superuser.batch_execute("CHECKPOINT").await.unwrap();
        let left = files.database(&superuser).await;
        let named =
            left.iter().all(|relation| ["pg_catalog.pg_statistic", "control.tenants"].contains(&relation.as_str()));
        assert!(named, "bytes are left in {left:?}");
        for relation in &left {
            superuser.batch_execute(&format!("VACUUM FULL {relation}")).await.unwrap();
        }
        Ok(if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) })
    })
    .await
    .unwrap();
    assert_eq!(files.elsewhere(), NOWHERE);
}

async fn post_planted(clinic: &Clinic) {
    let (_, mut sample) = samples("good").into_iter().find(|(name, _)| name.contains("iso88591.")).unwrap();
    let (surname, planted) = SURNAME;
    let at = sample.windows(surname.len()).position(|bytes| bytes == surname).unwrap();
    sample[at..at + planted.len()].copy_from_slice(planted);
    clinic.post(&sample).await;
    clinic.until_idle().await;
}

/// In every column of the practice's tables that has rows and takes it, as values that statistics keep; which these are.
async fn plant(superuser: &Client, tenant: &str) -> Vec<String> {
    let columns = superuser
        .query(
            "SELECT c.relname::text, a.attname::text, a.atttypid::regtype::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
              WHERE c.relnamespace = $1::text::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
                AND a.attgenerated = '' AND a.atttypid IN ('text'::regtype, 'bytea'::regtype, 'jsonb'::regtype)
              ORDER BY 1, 2",
            &[&tenant],
        )
        .await
        .unwrap();
    let mut planted = Vec::new();
    for column in &columns {
        let (table, name, kind): (&str, &str, &str) = (column.get(0), column.get(1), column.get(2));
        let value = match kind {
            "text" => format!("'{WORD}' || left(md5(random()::text), 5)"),
            "bytea" => format!("'{WORD}'::bytea || decode(left(md5(random()::text), 10), 'hex')"),
            _ => format!("jsonb_build_array('{WORD}')"),
        };
        // Each alone: what takes only certain words refuses it.
        let set = format!("UPDATE {tenant}.{table} SET {name} = {value}");
        if superuser.execute(&set, &[]).await.is_ok_and(|rows| rows > 0) {
            planted.push(format!("{table}.{name}"));
        }
        superuser.batch_execute(&format!("ANALYZE {tenant}.{table}")).await.unwrap();
    }
    planted
}

/// Tables of the database in whose rows the word is, by their text.
async fn rows_with_the_word(superuser: &Client) -> Vec<String> {
    let tables = "SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                   WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_toast'";
    let mut found = Vec::new();
    for table in superuser.query(tables, &[]).await.unwrap() {
        let table: String = table.get(0);
        let count = format!("SELECT count(*) FROM {table} t WHERE t::text LIKE '%{WORD}%'");
        if superuser.query_one(&count, &[]).await.unwrap().get::<_, i64>(0) > 0 {
            found.push(table);
        }
    }
    found
}

/// Where to look.
struct Files {
    /// The database's own folder.
    database: String,
    elsewhere: Vec<String>,
}

impl Files {
    async fn of(superuser: &Client, clinic: &Clinic) -> Self {
        let sql = "SELECT current_setting('data_directory'), (SELECT oid FROM pg_database WHERE datname = current_database())";
        let row = superuser.query_one(sql, &[]).await.unwrap();
        let (data, oid): (String, u32) = (row.get(0), row.get(1));
        let s3 = s3().await.log();
        let elsewhere = [
            format!("{data}/global"),
            postgres().await.log().display().to_string(),
            s3.parent().unwrap().display().to_string(),
            clinic.platform.folder().display().to_string(),
        ];
        Self { database: format!("{data}/base/{oid}"), elsewhere: elsewhere.to_vec() }
    }

    /// Relations of the database in whose files the word is, and files that are no relation's any more.
    async fn database(&self, superuser: &Client) -> Vec<String> {
        let mut found = Vec::new();
        for file in with_the_word(&self.database) {
            let name = Path::new(&file).file_name().unwrap().to_str().unwrap().to_owned();
            let number: u32 = name.split(['.', '_']).next().unwrap().parse().unwrap();
            let sql = "SELECT coalesce((SELECT format('%I.%I', nspname, relname) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
                                        WHERE c.oid = pg_filenode_relation(0, $1)), 'file ' || $1)";
            found.push(superuser.query_one(sql, &[&number]).await.unwrap().get(0));
        }
        found.sort();
        found.dedup();
        found
    }

    fn elsewhere(&self) -> Vec<String> {
        self.elsewhere.iter().flat_map(|place| with_the_word(place)).collect()
    }
}

fn with_the_word(place: &str) -> Vec<String> {
    assert!(Path::new(place).exists(), "{place}");
    let found = Command::new("grep").env("LC_ALL", "C").args(["-r", "-l", "-a", "-F", WORD, place]).output().unwrap();
    // A file may go away meanwhile; one that can't be read would prove nothing.
    let told = String::from_utf8(found.stderr).unwrap();
    assert!(told.lines().all(|line| line.ends_with("No such file or directory")), "{told}");
    String::from_utf8(found.stdout).unwrap().lines().map(str::to_owned).collect()
}
