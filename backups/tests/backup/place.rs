//! What the tests stand on: one Postgres with a prepared database and one S3 server per test process, a tenant and a bucket per test.
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use age::secrecy::ExposeSecret as _;
use aws_lc_rs::{hkdf, hmac};
use labor_backup::{Backup, KeyServiceSettings, Manifest, Settings, StoreLimits, StoreSettings, TenantName};
use labor_migrator::bootstrap::{ServiceUrls, bootstrap};
use labor_migrator::isolation::weaker::Weaker;
use labor_migrator::provision::{Kind, NewTenant};
use labor_migrator::up::{Stop, UpOptions};
use labor_migrator::{MasterSecret, Migrator};
use labor_testing::{Postgres, Program};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::OnceCell;

/// The database that tests share; a second, equally prepared one has no tenants.
pub(crate) const DATABASE: &str = "labor";
pub(crate) const OTHER: &str = "labor_other";
const PASSWORD: &str = "0123456789abcdef";

static PREPARING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
static PREPARED: OnceCell<String> = OnceCell::const_new();

/// A tenant with rows, and where its backups go.
pub(crate) struct Place {
    pub(crate) tenant: TenantName,
    pub(crate) settings: Settings,
    pub(crate) s3: aws_sdk_s3::Client,
    pub(crate) database: tokio_postgres::Client,
    migrator: Migrator,
    /// The fleet's master secret, in hexadecimal.
    secret: String,
    folder: tempfile::TempDir,
}

pub(crate) async fn url(login: &str, database: &str) -> String {
    url_on(labor_testing::postgres().await, login, database)
}

pub(crate) fn url_on(postgres: &Postgres, login: &str, database: &str) -> String {
    postgres.url_as(login, PASSWORD, database)
}

async fn prepare_shared() -> String {
    let secret = MasterSecret::generate().unwrap();
    for database in [DATABASE, OTHER] {
        Box::pin(prepare(database, &secret)).await;
    }
    secret
}

/// One at a time: `bootstrap` alters the logins, which all databases share.
async fn prepare(database: &str, secret: &str) {
    let _turn = PREPARING.lock().await;
    prepare_with(labor_testing::postgres().await, database, secret).await;
}

/// A database on a server of its own, prepared with the master secret of that fleet.
pub(crate) async fn prepare_on(postgres: &Postgres, database: &str, fleet: &Place) -> Migrator {
    Box::pin(prepare_with(postgres, database, &fleet.secret)).await
}

async fn prepare_with(postgres: &Postgres, database: &str, secret: &str) -> Migrator {
    postgres.create_database(database).await.unwrap();
    let [migrator, control, backup] =
        ["labor_migrator", "labor_control", "labor_backup"].map(|login| url_on(postgres, login, database));
    let urls = ServiceUrls { migrator: &migrator, control: &control, backup: &backup };
    bootstrap(&postgres.url(database), &urls, Weaker::Refused).await.unwrap();
    let migrator = Migrator::new(&migrator, MasterSecret::from_hex(secret).unwrap()).unwrap();
    migrator.up(&UpOptions::default(), &Stop::default(), |_| ()).await.unwrap();
    migrator
}

impl Place {
    /// A tenant with so many patients, and for each of them a message of some KiB that does not compress.
    pub(crate) async fn with_patients(count: i32) -> Self {
        let secret = Box::pin(PREPARED.get_or_init(prepare_shared)).await.clone();
        let place = Box::pin(Self::new(DATABASE, secret)).await;
        fill(&place.database, &place.tenant, count).await;
        place
    }

    /// An empty tenant in a database that has no other.
    pub(crate) async fn alone(database: &str) -> Self {
        Box::pin(PREPARED.get_or_init(prepare_shared)).await;
        let secret = MasterSecret::generate().unwrap();
        Box::pin(prepare(database, &secret)).await;
        Box::pin(Self::new(database, secret)).await
    }

    /// An empty tenant on a server of its own.
    pub(crate) async fn on(postgres: &Postgres, database: &str) -> Self {
        let secret = MasterSecret::generate().unwrap();
        Box::pin(prepare_with(postgres, database, &secret)).await;
        Box::pin(Self::new_on(postgres, database, secret)).await
    }

    /// One more tenant in the same database.
    pub(crate) async fn neighbour(&self, count: i32) -> TenantName {
        let tenant = provision(&self.migrator).await;
        fill(&self.database, &tenant, count).await;
        tenant
    }

    async fn new(database: &str, secret: String) -> Self {
        Box::pin(Self::new_on(labor_testing::postgres().await, database, secret)).await
    }

    async fn new_on(postgres: &Postgres, database: &str, secret: String) -> Self {
        let master = MasterSecret::from_hex(&secret).unwrap();
        let migrator = Migrator::new(&url_on(postgres, "labor_migrator", database), master).unwrap();
        let tenant = provision(&migrator).await;
        let store = labor_testing::s3().await;
        let (s3, bucket) = (store.client(), format!("b{}", uuid::Uuid::now_v7().simple()));
        s3.create_bucket().bucket(&bucket).send().await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings {
            database_url: url_on(postgres, "labor_backup", database),
            schedule_url: None,
            restore_url: Some(url_on(postgres, "labor_migrator", database)),
            keys: folder.path().join("keys"),
            key_service: KeyServiceSettings::Folder,
            program_folder: Some(programs()),
            store: StoreSettings {
                endpoint: Some(store.endpoint()),
                region: store.region().to_owned(),
                bucket,
                access_key: store.access_key().to_owned(),
                secret_key: store.secret_key().to_owned(),
                limits: StoreLimits::default(),
            },
        };
        let database = postgres.connect(database).await.unwrap();
        Self { tenant, settings, s3, database, migrator, secret, folder }
    }

    /// The same, at this version of the schema.
    pub(crate) async fn at_version(version: i32, count: i32) -> Self {
        let place = Self::with_patients(0).await;
        let tenant = &place.tenant;
        let make = labor_testing::tenant_schema_at(tenant.as_str(), version).unwrap();
        place.database.batch_execute(&format!("DROP SCHEMA {tenant} CASCADE; {make}")).await.unwrap();
        fill(&place.database, tenant, count).await;
        let ledger = format!(
            "UPDATE control.ledger SET version = {version}, fingerprint = ({}) WHERE tenant = $1",
            labor_catalog::sql::FINGERPRINT
        );
        place.database.batch_execute("SET search_path = pg_catalog").await.unwrap();
        place.database.execute(&ledger, &[&tenant.as_str()]).await.unwrap();
        place.database.batch_execute("RESET search_path").await.unwrap();
        place
    }

    pub(crate) const fn migrator(&self) -> &Migrator {
        &self.migrator
    }

    /// A file with the fleet's master secret, as programs want it.
    pub(crate) fn secret_file(&self) -> PathBuf {
        let file = self.folder.path().join("master-secret");
        labor_testing::write_private(&file, &self.secret).unwrap();
        file
    }

    /// Logs in as the tenant's own role, with the password that comes out of the master secret.
    pub(crate) async fn log_in(&self) -> Result<tokio_postgres::Client, tokio_postgres::Error> {
        let database: String = self.database.query_one("SELECT current_database()::text", &[]).await.unwrap().get(0);
        self.log_in_on(labor_testing::postgres().await, &database).await
    }

    /// The same on another server.
    pub(crate) async fn log_in_on(
        &self,
        postgres: &Postgres,
        database: &str,
    ) -> Result<tokio_postgres::Client, tokio_postgres::Error> {
        let password = MasterSecret::from_hex(&self.secret).unwrap().tenant_password(&self.tenant);
        let url = postgres.url_as(&self.tenant.role(), &password, database);
        let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }

    pub(crate) fn backup(&self) -> Backup {
        Backup::new(self.settings.clone()).unwrap()
    }

    /// The same, but `pg_dump` is a shell script in which `$REAL` is the real one.
    pub(crate) fn backup_with_pg_dump(&self, script: &str) -> Backup {
        let program = self.folder.path().join("pg_dump");
        let real = programs().join("pg_dump");
        let text = format!(
            "#!/bin/bash\nREAL={}\nif [ \"$1\" = --version ]; then exec $REAL --version; fi\n{script}\n",
            real.display()
        );
        std::fs::write(&program, text).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let program_folder = Some(self.folder.path().to_owned());
        Backup::new(Settings { program_folder, ..self.settings.clone() }).unwrap()
    }

    /// The program, told all of that by its environment.
    pub(crate) fn program(&self) -> tokio::process::Command {
        let Settings { database_url, keys, store, .. } = &self.settings;
        let mut program = tokio::process::Command::new(env!("CARGO_BIN_EXE_labor-backup"));
        program
            .env("LABOR_BACKUP_URL", database_url)
            .env("LABOR_BACKUP_KEYS", keys)
            .env("LABOR_S3_ENDPOINT", store.endpoint.as_deref().unwrap_or_default())
            .env("LABOR_S3_BUCKET", &store.bucket)
            .env("AWS_ACCESS_KEY_ID", &store.access_key)
            .env("AWS_SECRET_ACCESS_KEY", &store.secret_key)
            .stdin(std::process::Stdio::null());
        program
    }

    /// The same, to be killed while it runs.
    pub(crate) fn victim(&self) -> Program {
        let program = self.program();
        let variables =
            program.as_std().get_envs().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())));
        Program::at(env!("CARGO_BIN_EXE_labor-backup").into()).envs(variables)
    }

    pub(crate) fn bucket(&self) -> &str {
        &self.settings.store.bucket
    }

    /// Keys of all objects.
    pub(crate) async fn objects(&self) -> Vec<String> {
        let listed = self.s3.list_objects_v2().bucket(self.bucket()).send().await.unwrap();
        listed.contents().iter().filter_map(|object| object.key().map(str::to_owned)).collect()
    }

    pub(crate) async fn unfinished_uploads(&self) -> usize {
        self.s3.list_multipart_uploads().bucket(self.bucket()).send().await.unwrap().uploads().len()
    }

    pub(crate) async fn object(&self, key: &str) -> Vec<u8> {
        let answer = self.s3.get_object().bucket(self.bucket()).key(key).send().await.unwrap();
        answer.body.collect().await.unwrap().to_vec()
    }

    pub(crate) async fn put(&self, key: &str, bytes: Vec<u8>) {
        self.s3.put_object().bucket(self.bucket()).key(key).body(bytes.into()).send().await.unwrap();
    }

    fn identity_of(&self, tenant: &TenantName) -> age::x25519::Identity {
        let text = std::fs::read_to_string(self.settings.keys.join(format!("{tenant}.age-identity"))).unwrap();
        text.lines().find(|line| !line.starts_with('#')).unwrap().parse().unwrap()
    }

    /// The manifest as its tenant's key would sign it; written out here once more, so that the format can't change by accident.
    pub(crate) fn signed(&self, manifest: &Manifest) -> Manifest {
        self.signed_by(&self.tenant, manifest)
    }

    /// Any document of a tenant's, likewise.
    pub(crate) fn signed_by<T: Serialize + DeserializeOwned>(&self, tenant: &TenantName, document: &T) -> T {
        let mut document = serde_json::to_value(document).unwrap();
        document.as_object_mut().unwrap().remove("mac");
        document.sort_all_objects();
        let secret = self.identity_of(tenant).to_string();
        let key = hkdf::Salt::new(hkdf::HKDF_SHA256, b"labor-backup").extract(secret.expose_secret().as_bytes());
        let key: hmac::Key = key.expand(&[b"manifest mac v1"], hmac::HMAC_SHA256).unwrap().into();
        let mac = hex::encode(hmac::sign(&key, &serde_json::to_vec(&document).unwrap()));
        document["mac"] = mac.into();
        serde_json::from_value(document).unwrap()
    }

    /// The plain text of a stored dump, by age and zstd alone.
    pub(crate) async fn plain(&self, key: &str) -> String {
        let tenant = TenantName::parse(key.split('/').nth(1).unwrap()).unwrap();
        let (sealed, identity) = (self.object(key).await, self.identity_of(&tenant));
        let decrypted = age::Decryptor::new(&sealed[..]).unwrap().decrypt(std::iter::once(&identity as _)).unwrap();
        String::from_utf8(zstd::stream::decode_all(decrypted).unwrap()).unwrap()
    }

    /// Schemas and roles like a tenant's that are neither registered nor kept by a restore.
    pub(crate) async fn strays(&self) -> Vec<String> {
        let known = "SELECT name FROM control.tenants
                     UNION SELECT nspname FROM pg_namespace WHERE obj_description(oid, 'pg_namespace') LIKE 'labor: restored %'";
        let statement = format!(
            "SELECT nspname::text FROM pg_namespace WHERE nspname ~ '^t_' AND nspname NOT IN ({known})
             UNION SELECT rolname::text FROM pg_roles r WHERE rolname ~ '^t_' AND replace(rolname, '_app', '') NOT IN ({known})
                      AND NOT EXISTS (SELECT FROM pg_shdepend d JOIN pg_database b ON b.oid = d.dbid
                                       WHERE d.refobjid = r.oid AND b.datname <> current_database())"
        );
        self.database.query(&statement, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

pub(crate) fn programs() -> PathBuf {
    labor_testing::PostgresHome::find().unwrap().bin().to_owned()
}

async fn provision(migrator: &Migrator) -> TenantName {
    let wanted = NewTenant {
        slug: format!("p{}", uuid::Uuid::now_v7().simple()),
        display_name: "Practice".to_owned(),
        kind: Kind::Practice,
        bsnrs: Vec::new(),
    };
    migrator.provision(&wanted).await.unwrap().tenant
}

/// Rows with everything that could confuse a dump: the tenant's own name, ends of COPY, quotes, line ends.
pub(crate) async fn fill(database: &tokio_postgres::Client, tenant: &TenantName, count: i32) {
    let statements = format!(
        r#"SET search_path = {tenant}, pg_catalog;
          INSERT INTO patients (id, identity_key, family_name, given_name)
          SELECT gen_random_uuid(), encode(sha256(i::text::bytea), 'hex'), E'{tenant}\n\\.\n{tenant}_app ' || i, E'\\N\r\n\t''"COPY x FROM stdin;\n$$'
            FROM generate_series(1, {count}) i;
          INSERT INTO raw_messages (id, source_id, sha256, body)
          SELECT id, id, sha256(body), body
            FROM patients p CROSS JOIN LATERAL (SELECT string_agg(sha256((p.id::text || i)::bytea), '') FROM generate_series(1, 128) i) AS b (body);
          INSERT INTO reports (id, raw_message_id, record_index, patient_id, report_key, version, content_sha256, kind, status, laboratory_name, received_at, confirmed_at, notes)
          SELECT id, id, 0, id, identity_key, 1, sha256(''), '8201', 'final', 'L', now(), now(), ARRAY['a"b', NULL, 'c,d'] FROM patients;
          RESET search_path"#
    );
    database.batch_execute(&statements).await.unwrap();
}
