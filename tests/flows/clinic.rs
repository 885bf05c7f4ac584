//! Two practices, a laboratory, a server and a worker: what most tests begin with.
use std::path::Path;
use std::time::Duration;

use labor_testing::{Answer, Platform, Running, Sender, Server, Source, postgres, scratch};
use reqwest::StatusCode;
use serde_json::{Value, json};

pub(crate) const PASSWORD: &str = "a password for tests";
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// Everything that runs.
pub(crate) struct Clinic {
    pub(crate) platform: Platform,
    pub(crate) server: Server,
    pub(crate) source: Source,
    pub(crate) sender: Sender,
    /// Opaque names: practice `a` (BSNR 123456700) and practice `b` (BSNR 222222200).
    pub(crate) tenants: [String; 2],
    pub(crate) worker: Option<Running>,
}

/// A signed-in user.
pub(crate) struct User {
    base: String,
    token: String,
    http: reqwest::Client,
}

/// A platform with two practices and a doctor each, served, without a worker.
pub(crate) async fn without_worker(name: &str) -> Clinic {
    let folder = scratch().await.unwrap().join(name);
    let platform = Platform::create(postgres().await, &folder, name).await.unwrap();
    let a = platform.practice("a", "Praxis A", "123456700").await.unwrap();
    let b = platform.practice("b", "Praxis B", "222222200").await.unwrap();
    for practice in ["a", "b"] {
        platform.user(practice, "doctor", "Dr. Test", "doctor", PASSWORD).await.unwrap();
    }
    let source = platform.source("laboratory").await.unwrap();
    let server = platform.serve().await.unwrap();
    let sender = platform.sender(&server, &source).unwrap();
    Clinic { platform, server, source, sender, tenants: [a, b], worker: None }
}

/// The same with a worker.
pub(crate) async fn clinic(name: &str) -> Clinic {
    let mut clinic = without_worker(name).await;
    clinic.worker = Some(clinic.platform.work(&[]).await.unwrap());
    clinic
}

impl Clinic {
    /// Posts a sample, which must be accepted.
    pub(crate) async fn post(&self, bytes: &[u8]) -> Answer {
        let answer = self.sender.send(bytes).await.unwrap();
        assert_eq!(answer.status, 202, "{}", answer.text);
        answer
    }

    pub(crate) async fn until_idle(&self) {
        self.platform.until_idle(postgres().await, LIMIT).await.unwrap();
    }

    pub(crate) async fn doctor(&self, practice: &str) -> User {
        User::sign_in(&self.server.base, practice, "doctor", PASSWORD).await.unwrap()
    }

    /// One number from SQL, as the superuser.
    pub(crate) async fn count(&self, sql: &str) -> i64 {
        let client = postgres().await.connect(self.platform.database()).await.unwrap();
        client.query_one(sql, &[]).await.unwrap().get(0)
    }

    /// Runs SQL as the superuser.
    pub(crate) async fn execute(&self, sql: &str) {
        let client = postgres().await.connect(self.platform.database()).await.unwrap();
        client.batch_execute(sql).await.unwrap();
    }
}

impl User {
    /// Signs in; the status when refused.
    pub(crate) async fn sign_in(
        base: &str,
        practice: &str,
        username: &str,
        password: &str,
    ) -> Result<Self, StatusCode> {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let body = json!({ "practice": practice, "username": username, "password": password });
        let answer = http.post(format!("{base}/v1/sign-in")).json(&body).send().await.unwrap();
        let status = answer.status();
        let token: Value = answer.json().await.unwrap();
        if status != StatusCode::OK {
            return Err(status);
        }
        Ok(Self { base: base.to_owned(), token: token["access_token"].as_str().unwrap().to_owned(), http })
    }

    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    pub(crate) async fn get(&self, path: &str) -> reqwest::Response {
        self.http.get(format!("{}{path}", self.base)).bearer_auth(&self.token).send().await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> reqwest::Response {
        self.http.post(format!("{}{path}", self.base)).bearer_auth(&self.token).json(body).send().await.unwrap()
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> reqwest::Response {
        self.http.put(format!("{}{path}", self.base)).bearer_auth(&self.token).json(body).send().await.unwrap()
    }

    pub(crate) async fn json(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        answer.json().await.unwrap()
    }

    /// All current reports.
    pub(crate) async fn reports(&self) -> Vec<Value> {
        self.json("/v1/reports?limit=200").await["items"].as_array().unwrap().clone()
    }
}

/// A sample message of the `ldt` package.
pub(crate) fn sample(name: &str) -> Vec<u8> {
    std::fs::read(fixtures("good").join(name)).unwrap()
}

/// All samples of a folder (`good` or `broken`), in the order of their names.
pub(crate) fn samples(folder: &str) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(fixtures(folder)).unwrap();
    let mut files: Vec<_> =
        entries.map(|entry| entry.unwrap().path()).filter(|p| p.extension().is_some_and(|e| e == "ldt")).collect();
    files.sort();
    assert!(!files.is_empty());
    files.iter().map(|p| (p.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(p).unwrap())).collect()
}

fn fixtures(folder: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("formats/ldt/tests/fixtures").join(folder)
}
