//! A practice whose audit is sealed, for the tests of that.
use std::path::{Path, PathBuf};
use std::process::Command;

use chrono::{DateTime, Utc};
use labor_backup::{AuditFault, AuditFindings, AuditHead, PublicKey, Sealed, Sealer, SigningKey};
use uuid::Uuid;

use crate::place::Place;

/// A key pair that OpenSSL made; its files.
pub(crate) fn key_pair(folder: &Path, name: &str) -> (PathBuf, PathBuf) {
    let (private, public) = (folder.join(name), folder.join(format!("{name}.pub")));
    let openssl = |arguments: &[&str]| {
        let done = Command::new("openssl").args(arguments).current_dir(folder).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    openssl(&["genpkey", "-algorithm", "ed25519", "-out", name]);
    openssl(&["pkey", "-in", name, "-pubout", "-out", &format!("{name}.pub")]);
    (private, public)
}

/// A practice, and the key that its audit is sealed with.
pub(crate) struct Audit {
    pub(crate) place: Place,
    pub(crate) private: PathBuf,
    pub(crate) public: PathBuf,
}

impl Audit {
    pub(crate) async fn new() -> Self {
        let place = Place::with_patients(1).await;
        let (private, public) = key_pair(place.folder(), "audit-key");
        Self { place, private, public }
    }

    /// With so many rows, which are sealed.
    pub(crate) async fn sealed(rows: usize) -> Self {
        let audit = Self::new().await;
        audit.write(rows).await;
        audit.seal(rows as u64, 1).await;
        audit
    }

    pub(crate) fn key(&self) -> SigningKey {
        SigningKey::open(&self.private).unwrap()
    }

    /// One that knows nothing yet.
    pub(crate) fn sealer(&self) -> Sealer {
        Sealer::new(self.place.backup(), self.key(), Vec::new(), 2)
    }

    /// Such a sealer finds so many new rows, and makes the seal with this number.
    pub(crate) async fn seal(&self, rows: u64, number: u64) -> AuditHead {
        let run = self.sealer().pass(Some(&self.place.tenant)).await.unwrap();
        head_of(&run.tenants[&self.place.tenant], rows, number)
    }

    /// Rows as they are written by whoever does something; their ids, in the order of their times. With what is written in more than one way in JSON, and
    /// half of the ids random, as some of them are.
    pub(crate) async fn write(&self, rows: usize) -> Vec<Uuid> {
        let mut ids: Vec<_> = (0..rows).map(|_| Uuid::now_v7()).collect();
        for id in ids.iter_mut().step_by(2) {
            *id = self.database_uuid().await;
        }
        for id in &ids {
            self.add(*id, "clock_timestamp()").await;
        }
        ids
    }

    async fn database_uuid(&self) -> Uuid {
        self.place.database.query_one("SELECT gen_random_uuid()", &[]).await.unwrap().get(0)
    }

    /// A row that says this time.
    pub(crate) async fn add(&self, id: Uuid, at: &str) {
        self.sql(&format!(
            "INSERT INTO audit (id, at, actor, actor_role, action, object_kind, object_id, outcome, request_id)
             VALUES ('{id}', {at}, E'anna\\n\"ü/\u{7f}\u{1F9EA}\u{2028}\\b', 'doctor', 'report.read', 'reports', NULL, 'success', '{id}')"
        ))
        .await;
    }

    pub(crate) async fn sql(&self, statement: &str) {
        let statement = statement.replace("audit", &format!("{}.audit", self.place.tenant));
        self.place.database.batch_execute(&statement).await.unwrap();
    }

    pub(crate) async fn verify(&self) -> AuditFindings {
        self.verify_with(None).await
    }

    pub(crate) async fn verify_with(&self, expected: Option<AuditHead>) -> AuditFindings {
        self.verify_until(expected, None).await
    }

    pub(crate) async fn verify_until(
        &self,
        expected: Option<AuditHead>,
        until: Option<DateTime<Utc>>,
    ) -> AuditFindings {
        let keys = [PublicKey::open(&self.public).unwrap()];
        self.place.backup().verify_audit(&self.place.tenant, &keys, expected, until).await.unwrap()
    }

    /// The object of a seal.
    pub(crate) fn object(&self, number: u64) -> String {
        format!("audit/{}/{number:012}.seal", self.place.tenant)
    }

    pub(crate) async fn text(&self, number: u64) -> String {
        String::from_utf8(self.place.object(&self.object(number)).await).unwrap()
    }

    /// The same in a bucket that can lock, and so keeps versions.
    pub(crate) async fn lockable() -> Self {
        let mut audit = Self::new().await;
        let bucket = format!("l{}", Uuid::now_v7().simple());
        audit.place.s3.create_bucket().bucket(&bucket).object_lock_enabled_for_bucket(true).send().await.unwrap();
        audit.place.settings.store.bucket = bucket;
        audit
    }

    pub(crate) async fn remove(&self, number: u64) {
        let remove = self.place.s3.delete_object().bucket(self.place.bucket()).key(self.object(number));
        remove.send().await.unwrap();
    }

    /// How many lines all seals have for rows.
    pub(crate) async fn lines(&self, seals: u64) -> usize {
        let mut lines = 0;
        for number in 1..=seals {
            lines += self.text(number).await.lines().count() - 2;
        }
        lines
    }
}

pub(crate) fn head_of(sealed: &Sealed, expected: u64, number: u64) -> AuditHead {
    let made = if let Sealed::Sealed { rows, head } = sealed { Ok((*rows, head.clone())) } else { Err(sealed) };
    let (rows, head) = made.unwrap();
    assert_eq!((rows, head.number), (expected, number));
    head
}

/// What the only fault says.
pub(crate) fn only(findings: &AuditFindings) -> &AuditFault {
    assert_eq!((findings.faults_found, findings.faults.len()), (1, 1), "{findings:?}");
    &findings.faults[0]
}
