//! Export / delete, the first: request → second person → a folder in open formats, signed, and proven without Labor.
//! fhir-r4.schema.json is HL7's own JSON schema of FHIR 4.0.1 (<https://hl7.org/fhir/R4/fhir.schema.json.zip>, CC0), without descriptions
//! and without the resources that no Bundle of ours has.
use std::collections::BTreeSet;
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::process::Command;

use futures_util::SinkExt as _;
use labor_testing::Finished;
use serde_json::{Value, json};

use crate::back_up::bucket;
use crate::clinic::{Clinic, clinic, samples};
use crate::export_delete::{backup, labor, prepared, request};
use crate::hl7;

pub(crate) fn openssl(folder: &Path, arguments: &str) {
    let done = Command::new("openssl").args(arguments.split(' ')).current_dir(folder).output().unwrap();
    assert!(done.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&done.stderr));
}

/// A signing key as docs/operations.md makes one, and its public half.
pub(crate) fn keys(folder: &Path) -> (String, String) {
    openssl(folder, "genpkey -algorithm ed25519 -out signing-key.pem");
    openssl(folder, "pkey -in signing-key.pem -pubout -out signing-key.pub");
    let path = |name: &str| folder.join(name).display().to_string();
    (path("signing-key.pem"), path("signing-key.pub"))
}

async fn approve(clinic: &Clinic, id: &str) {
    assert!(labor(clinic, &["request", "approve", id, "--by", "bert"]).await.status.success());
}

/// Carries the request out, with a key; gives the folder and the manifest.
async fn exported(clinic: &Clinic, id: &str, name: &str) -> (PathBuf, Value) {
    let folder = clinic.platform.folder().join(name);
    let (key, _) = keys(clinic.platform.folder());
    let into = folder.display().to_string();
    let done = backup(clinic, &["export", "--request", id, "--into", &into, "--signing-key", &key]).await;
    assert!(done.status.success(), "{}", done.stderr);
    let manifest = serde_json::from_slice(&fs::read(folder.join("manifest.json")).unwrap()).unwrap();
    (folder, manifest)
}

fn text(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap()
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Every Bundle of an export, each valid against HL7's schema.
fn bundles(folder: &Path) -> Vec<(String, Value)> {
    let schema = serde_json::from_str(include_str!("exported/fhir-r4.schema.json")).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    let mut found = Vec::new();
    for entry in fs::read_dir(folder.join("fhir")).unwrap() {
        let path = entry.unwrap().path();
        let bundle: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        // Each resource by itself: "none of the four" would not say what is wrong.
        for entry in bundle["entry"].as_array().into_iter().flatten() {
            let kind = entry["resource"]["resourceType"].as_str().unwrap();
            let faults: Vec<_> = schema.iter_errors(&entry["resource"]).map(|error| error.to_string()).collect();
            assert!(faults.is_empty(), "{kind}: {faults:?} {}", entry["resource"]);
        }
        assert!(schema.is_valid(&bundle), "{}", path.display());
        found.push((path.file_stem().unwrap().to_string_lossy().into_owned(), bundle));
    }
    found
}

fn resources<'b>(bundle: &'b Value, kind: &str) -> Vec<&'b Value> {
    let entries = bundle["entry"].as_array().into_iter().flatten().map(|entry| &entry["resource"]);
    entries.filter(|resource| resource["resourceType"] == kind).collect()
}

/// What another program reads from a table's CSV is what is there: Postgres itself is the reader.
async fn read_back(clinic: &Clinic, folder: &Path, name: &str, rows: i64) {
    let table =
        format!("{}.{}", clinic.tenants[0], name.strip_prefix("tables/").unwrap().strip_suffix(".csv").unwrap());
    let columns = text(folder, name).lines().next().unwrap().to_owned();
    let client = labor_testing::postgres().await.connect(clinic.platform.database()).await.unwrap();
    // Without constraints, so that it is the file that is compared and not what the table would refuse.
    let like = format!("CREATE TEMP TABLE back AS SELECT {columns} FROM {table} LIMIT 0");
    client.batch_execute(&like).await.unwrap();
    let copy = format!("COPY back ({columns}) FROM STDIN (FORMAT csv, HEADER)");
    let mut sink = Box::pin(client.copy_in::<_, Cursor<Vec<u8>>>(&copy).await.unwrap());
    sink.send(Cursor::new(fs::read(folder.join(name)).unwrap())).await.unwrap();
    assert_eq!(i64::try_from(sink.as_mut().finish().await.unwrap()).unwrap(), rows, "{name}");
    let differ =
        format!("SELECT count(*) FROM (SELECT {columns} FROM back EXCEPT SELECT {columns} FROM {table}) AS more");
    assert_eq!(client.query_one(&differ, &[]).await.unwrap().get::<_, i64>(0), 0, "{name}");
}

/// References of a Bundle stay in it, and its documents are there.
fn leads_nowhere_else(folder: &Path, name: &str, bundle: &Value) {
    let own: BTreeSet<_> =
        bundle["entry"].as_array().into_iter().flatten().map(|entry| entry["fullUrl"].as_str().unwrap()).collect();
    for report in resources(bundle, "DiagnosticReport") {
        for result in report["result"].as_array().into_iter().flatten() {
            assert!(own.contains(result["reference"].as_str().unwrap()), "a reference leads out of its Bundle");
        }
        for form in report["presentedForm"].as_array().into_iter().flatten().filter_map(|form| form["url"].as_str()) {
            assert!(folder.join("fhir").join(form).is_file(), "{form}");
        }
        assert_eq!(report["subject"]["reference"].is_null(), name == "nobody");
        assert!(report["subject"]["reference"].as_str().is_none_or(|subject| own.contains(subject)));
    }
}

async fn ask(clinic: &Clinic, kind: &str, patient: &str) -> Finished {
    let what = ["request", "create", kind, "--practice", "a", "--patient", patient];
    let why = ["--reason", "Article 15", "--by", "anna"];
    labor(clinic, &[&what[..], &why[..]].concat()).await
}

fn id_of(asked: &Finished) -> String {
    serde_json::from_str::<Value>(&asked.stdout).unwrap()["request"].as_str().unwrap().to_owned()
}

async fn texts(client: &tokio_postgres::Client, sql: &str) -> Vec<String> {
    client.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn an_export_holds_every_row_in_open_formats() {
    let clinic = prepared("export_done").await;
    let id = request(&clinic, "export").await;
    let refused = backup(&clinic, &["export", "--request", &id, "--into", "unused", "--unsigned"]).await;
    assert!(!refused.status.success(), "an export takes two people too");
    approve(&clinic, &id).await;
    let unsaid = backup(&clinic, &["export", "--request", &id, "--into", "unused"]).await;
    assert!(unsaid.stderr.contains("--signing-key"), "nobody forgets to sign: {}", unsaid.stderr);
    let (folder, manifest) = exported(&clinic, &id, "export").await;

    let tenant = &clinic.tenants[0];
    let mut tables = BTreeSet::new();
    for file in manifest["files"].as_array().unwrap() {
        let name = file["name"].as_str().unwrap();
        let Some(rows) = file["rows"].as_i64() else { continue };
        let (table, format) = name.strip_prefix("tables/").unwrap().split_once('.').unwrap();
        tables.insert(table.to_owned());
        assert_eq!(clinic.count(&format!("SELECT count(*) FROM {tenant}.{table}")).await, rows, "{name}");
        if format == "ndjson" {
            assert_eq!(i64::try_from(lines(&text(&folder, name)).len()).unwrap(), rows, "{name}");
        } else {
            read_back(&clinic, &folder, name, rows).await;
        }
    }
    let known: BTreeSet<_> = labor_catalog::catalogue::TENANT.iter().map(|column| column.table.to_owned()).collect();
    assert_eq!(tables, known, "every table, in both formats");
    let values = text(&folder, "tables/patients.ndjson");
    assert!(values.contains("Müller") && !values.contains("222222200"));
    for name in ["tables/users.ndjson", "tables/users.csv"] {
        assert!(!text(&folder, name).contains("argon2"), "a credential is not exported");
    }
    assert!(manifest["left_out"].to_string().contains("users.password_hash"), "and that is said");
    let originals: Vec<_> =
        fs::read_dir(folder.join("messages")).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect();
    assert!(originals.contains(&samples("good")[0].1), "the messages are there byte for byte");
    let documents: Vec<_> =
        fs::read_dir(folder.join("documents")).unwrap().map(|entry| entry.unwrap().path()).collect();
    let with_content = clinic.count(&format!("SELECT count(*) FROM {tenant}.documents WHERE size_bytes > 0")).await;
    assert!(with_content > 0 && documents.len() == usize::try_from(with_content).unwrap());
    let pdf = documents.iter().find(|path| path.extension().is_some_and(|e| e == "pdf")).unwrap();
    assert!(fs::read(pdf).unwrap().starts_with(b"%PDF"), "what was inside of a message is a file");
}

#[tokio::test]
async fn a_signature_proves_the_export_without_labor_too() {
    let clinic = prepared("export_signed").await;
    let id = request(&clinic, "export").await;
    approve(&clinic, &id).await;
    let (folder, manifest) = exported(&clinic, &id, "export").await;
    let (key, public) =
        (clinic.platform.folder().join("signing-key.pem"), clinic.platform.folder().join("signing-key.pub"));
    let (path, public) = (folder.display().to_string(), public.display().to_string());
    let check = ["check-export", path.as_str(), "--public-key", public.as_str()];
    let proven = backup(&clinic, &check).await;
    assert!(proven.status.success() && proven.stdout.contains("\"valid\""), "{} {}", proven.stdout, proven.stderr);
    let unproven = backup(&clinic, &check[..2]).await;
    assert!(unproven.status.success() && unproven.stdout.contains("\"not_checked\""), "{}", unproven.stdout);
    // As docs/operations.md says it: OpenSSL for the manifest, then every file by the manifest.
    let without_labor =
        format!("pkeyutl -verify -pubin -inkey {public} -rawin -in manifest.json -sigfile manifest.json.sig");
    openssl(&folder, &without_labor);

    // A file that was changed, one more, one less, one that is a link, and each changed back.
    let name = "tables/patients.ndjson";
    let before = text(&folder, name);
    fs::write(folder.join(name), before.replacen("Müller", "Miller", 1)).unwrap();
    assert!(backup(&clinic, &check).await.stderr.contains("patients.ndjson is not what was exported"));
    fs::write(folder.join(name), &before).unwrap();
    fs::write(folder.join("fhir/more.json"), "{}").unwrap();
    assert!(backup(&clinic, &check).await.stderr.contains("fhir/more.json does not belong"));
    fs::rename(folder.join("fhir/more.json"), folder.join("../aside")).unwrap();
    fs::rename(folder.join(name), folder.join("../aside")).unwrap();
    assert!(backup(&clinic, &check).await.stderr.contains("patients.ndjson is missing"));
    std::os::unix::fs::symlink(folder.join("../aside"), folder.join(name)).unwrap();
    assert!(
        backup(&clinic, &check).await.stderr.contains("patients.ndjson is no plain file"),
        "a link is no file of an export"
    );
    fs::remove_file(folder.join(name)).unwrap();
    fs::rename(folder.join("../aside"), folder.join(name)).unwrap();
    assert!(backup(&clinic, &check).await.status.success());

    // Whoever changes file and manifest has no key; the name of a file leads nowhere else.
    let outside = clinic.platform.folder().join("outside");
    fs::write(&outside, "x").unwrap();
    let mut forged = manifest;
    forged["files"][0]["name"] = json!("../outside");
    fs::write(folder.join("manifest.json"), serde_json::to_vec(&forged).unwrap()).unwrap();
    let refused = backup(&clinic, &check).await;
    assert!(refused.status.code() == Some(4) && refused.stderr.contains("owner of this key"), "{}", refused.stderr);
    assert!(backup(&clinic, &check[..2]).await.stderr.contains("../outside is missing"));
    fs::remove_file(folder.join("manifest.json.sig")).unwrap();
    assert!(backup(&clinic, &check).await.stderr.contains("is not signed"));
    // A key that others can read signs nothing.
    fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let into = clinic.platform.folder().join("again").display().to_string();
    let open =
        backup(&clinic, &["export", "--request", &id, "--into", &into, "--signing-key", &key.display().to_string()])
            .await;
    assert!(open.stderr.contains("chmod"), "{}", open.stderr);
}

#[tokio::test]
async fn the_results_are_fhir_as_hl7_publishes_it() {
    let mut clinic = clinic("export_fhir").await;
    clinic.platform = clinic.platform.with(bucket("export_fhir").await);
    for bytes in samples("good")
        .into_iter()
        .map(|(_, bytes)| bytes)
        .chain(hl7::samples("good").into_iter().map(|(_, bytes)| bytes))
    {
        clinic.sender.send(&bytes).await.unwrap();
    }
    clinic.until_idle().await;
    for operator in ["anna", "bert"] {
        clinic.platform.json("labor", &["operator", "add", operator, "--name", operator], "").await.unwrap();
    }
    let id = request(&clinic, "export").await;
    approve(&clinic, &id).await;
    let tenant = clinic.tenants[0].clone();
    // What no sample has, and what FHIR's texts may not hold: an incomplete birth date, a no-break space, a number with its digits.
    clinic
        .execute(&format!(
            "UPDATE {tenant}.patients SET birth_date = NULL, birth_date_text = '1966' WHERE family_name = 'Müller'"
        ))
        .await;
    clinic.execute(&format!("UPDATE {tenant}.observations SET unit = E'mg\\u00a0/ dl', value_number = 5.10, value_text = '5,10' WHERE test_code = 'GLU'")).await;
    let (folder, _) = exported(&clinic, &id, "export").await;
    let bundles = bundles(&folder);
    let patients = clinic.count(&format!("SELECT count(*) FROM {tenant}.patients")).await;
    assert_eq!(bundles.len(), usize::try_from(patients).unwrap() + 1);
    let all = |kind: &str| bundles.iter().map(|(_, bundle)| resources(bundle, kind).len()).sum::<usize>();
    for (kind, rows) in [
        ("Patient", "patients"),
        ("DiagnosticReport", "reports WHERE superseded_by IS NULL"),
        ("Observation", "observations o JOIN {}.reports r ON r.id = o.report_id WHERE r.superseded_by IS NULL"),
    ] {
        let count = clinic.count(&format!("SELECT count(*) FROM {tenant}.{}", rows.replace("{}", &tenant))).await;
        assert!(count > 0);
        assert_eq!(all(kind), usize::try_from(count).unwrap(), "{kind}");
    }
    for (name, bundle) in &bundles {
        leads_nowhere_else(&folder, name, bundle);
    }
    let text: String = bundles.iter().map(|(name, _)| text(&folder, &format!("fhir/{name}.json"))).collect();
    assert!(
        text.contains("\"value\": 5.10") && text.contains("mg / dl"),
        "numbers keep their digits, spaces are FHIR's"
    );
    assert!(text.contains("\"text\": \"≤ "), "a range of one side says which");
    assert!(text.contains("\"birthDate\": \"1966\"") && text.contains("\"presentedForm\""));
}

/// GDPR, Article 15: theirs, and nobody else's.
#[tokio::test]
async fn one_patients_copy_has_nothing_of_another() {
    let clinic = prepared("export_patient").await;
    let tenant = &clinic.tenants[0];
    let client = labor_testing::postgres().await.connect(clinic.platform.database()).await.unwrap();
    let most = format!(
        "SELECT patient_id::text FROM {tenant}.reports WHERE patient_id IS NOT NULL GROUP BY 1 ORDER BY count(*) DESC LIMIT 1"
    );
    let patient: String = client.query_one(&most, &[]).await.unwrap().get(0);
    // What is genetic and not released is no more theirs here than on their own pages.
    let genetic = format!("SELECT min(id::text) FROM {tenant}.reports WHERE patient_id = '{patient}'");
    let genetic: String = client.query_one(&genetic, &[]).await.unwrap().get(0);
    clinic.execute(&format!("UPDATE {tenant}.reports SET genetic = true WHERE id = '{genetic}'")).await;
    let refused = ask(&clinic, "deletion", &patient).await;
    assert!(refused.stderr.contains("whole practice"), "{}", refused.stderr);
    let id = id_of(&ask(&clinic, "copy", &patient).await);
    let listed = labor(&clinic, &["request", "list"]).await.stdout;
    assert!(listed.contains(&patient), "whoever approves sees whose data it is: {listed}");
    approve(&clinic, &id).await;
    let (folder, manifest) = exported(&clinic, &id, "one").await;
    assert_eq!(manifest["patient"], json!(patient));
    assert!(manifest["left_out"].to_string().contains("results of other people"));
    assert!(!folder.join("messages").exists(), "a message can be about several people");
    assert!(
        !folder.join("tables/matches.csv").exists()
            && manifest["left_out"].to_string().contains("matches: what people")
    );
    assert!(manifest["left_out"].to_string().contains(&format!("report {genetic}: genetic")));

    let own = format!("SELECT id::text FROM {tenant}.reports WHERE patient_id = '{patient}' AND NOT genetic");
    let own = texts(&client, &own).await;
    let exported: Vec<_> = lines(&text(&folder, "tables/reports.ndjson"))
        .iter()
        .map(|row| row["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(exported.iter().collect::<BTreeSet<_>>(), own.iter().collect::<BTreeSet<_>>());
    let mut whole = String::new();
    for file in manifest["files"].as_array().unwrap() {
        whole.push_str(&String::from_utf8_lossy(&fs::read(folder.join(file["name"].as_str().unwrap())).unwrap()));
    }
    let others = format!(
        "SELECT id::text FROM {tenant}.patients WHERE id <> '{patient}'
          UNION ALL SELECT id::text FROM {tenant}.reports WHERE patient_id IS DISTINCT FROM '{patient}'
          UNION ALL SELECT o.id::text FROM {tenant}.observations o JOIN {tenant}.reports r ON r.id = o.report_id WHERE r.patient_id IS DISTINCT FROM '{patient}'
          UNION ALL SELECT '{genetic}'
          UNION ALL SELECT p.family_name FROM {tenant}.patients p WHERE p.family_name <> (SELECT family_name FROM {tenant}.patients WHERE id = '{patient}')"
    );
    let others = texts(&client, &others).await;
    assert!(others.len() > 10);
    let leaked: Vec<_> = others.iter().filter(|other| whole.contains(other.as_str())).collect();
    assert!(leaked.is_empty(), "{leaked:?}");
    assert!(lines(&text(&folder, "tables/observations.ndjson")).len() > 1);
    assert_eq!(bundles(&folder).iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), [patient.as_str()]);

    let id = id_of(&ask(&clinic, "copy", &uuid::Uuid::now_v7().to_string()).await);
    approve(&clinic, &id).await;
    let into = clinic.platform.folder().join("none").display().to_string();
    let missing = backup(&clinic, &["export", "--request", &id, "--into", &into, "--unsigned"]).await;
    assert!(missing.status.code() == Some(5) && missing.stderr.contains("no patient"), "{}", missing.stderr);
}
