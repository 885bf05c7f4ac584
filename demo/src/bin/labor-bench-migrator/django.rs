//! The same work by django-tenants 4, on the same server: a project with as many tables per tenant, its migration by its fastest executor.
//! Must stay true: the first schema is made by django-tenants itself, the others are copies of it with the same history rows.
use std::path::{Path, PathBuf};
use std::time::Duration;

use labor_demo::Failure;
use tokio::process::Command;

use crate::children;
use crate::findings::{Findings, Scenario};
use crate::quick;
use crate::stage::Stage;

const PACKAGES: [&str; 3] = ["Django==5.2.*", "django-tenants==4.*", "psycopg[binary]==3.*"];
const INSTALL_LIMIT: Duration = Duration::from_secs(180);
/// The slowest contender may not hold up the others' document.
const RUN_LIMIT: Duration = Duration::from_secs(600);
const DATABASE: &str = "django";

const FILES: [(&str, &str); 5] = [
    ("project.py", include_str!("../../../bench/django/project.py")),
    ("manage.py", include_str!("../../../bench/django/manage.py")),
    ("fleet/models.py", include_str!("../../../bench/django/fleet.py")),
    ("practice/models.py", include_str!("../../../bench/django/practice.py")),
    ("clone.sql", include_str!("../../../bench/django/clone.sql")),
];
const COLUMN: &str = include_str!("../../../bench/django/column.py");

/// Runs it; the versions.
pub(crate) async fn race(stage: &Stage, labor: &[f64], findings: &mut Findings) -> Result<Vec<String>, Failure> {
    let project = stage.folder.join("django");
    let python = install(&project).await?;
    let django = Django { stage, project, python };
    django.prepare().await?;
    let n = stage.tenants;
    let idle = django.manage(&["migrate_schemas", "--tenant", "--executor=multiprocessing"]).await? / 1e3;
    let labor_idle = stage.migrator(&stage.db).args(["up"]).run(None).await?.milliseconds / 1e3;
    std::fs::write(django.project.join("practice/migrations/0002_column.py"), COLUMN)?;
    let column = django.manage(&["migrate_schemas", "--tenant", "--executor=multiprocessing"]).await? / 1e3;
    django.verify().await?;
    // Both as programs, from their start to their end.
    let way = "labor-migrator up with nothing to do";
    findings.against(Scenario::Django, way, n, "s", (&[labor_idle], &[labor_idle]));
    findings.against(Scenario::Django, "migrate_schemas with nothing to do", n, "s", (&[idle], &[labor_idle]));
    let labor = median_of(labor);
    if labor.is_empty() {
        findings.add(Scenario::Django, "migrate_schemas: a column and an index", n, "s", &[column]);
    } else {
        findings.against(Scenario::Django, "labor-migrator up: a column and an index", n, "s", (&labor, &labor));
        findings.against(Scenario::Django, "migrate_schemas: a column and an index", n, "s", (&[column], &labor));
    }
    stage.postgres.drop_database(DATABASE).await?;
    let pip = django.python.with_file_name("pip").display().to_string();
    let said = quick::version(&pip, &["freeze"]).await?;
    let named = said.lines().filter(|line| line.starts_with("Django==") || line.starts_with("django-tenants=="));
    Ok(named.map(|line| line.replace("==", " ")).collect())
}

/// The median alone, because django-tenants runs once.
fn median_of(labor: &[f64]) -> Vec<f64> {
    if labor.is_empty() { Vec::new() } else { vec![labor_demo::spread::Spread::of(labor.to_vec()).median] }
}

struct Django<'a> {
    stage: &'a Stage,
    project: PathBuf,
    python: PathBuf,
}

impl Django<'_> {
    async fn prepare(&self) -> Result<(), Failure> {
        for (name, text) in FILES {
            let path = self.project.join(name);
            std::fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
            std::fs::write(path, text)?;
        }
        for app in ["fleet", "practice"] {
            std::fs::create_dir_all(self.project.join(app).join("migrations"))?;
            for module in ["__init__.py", "migrations/__init__.py"] {
                std::fs::write(self.project.join(app).join(module), "")?;
            }
        }
        self.stage.postgres.drop_database(DATABASE).await?;
        self.stage.postgres.create_database(DATABASE).await?;
        self.manage(&["makemigrations", "fleet", "practice"]).await?;
        self.manage(&["migrate_schemas", "--shared"]).await?;
        self.manage(&["first"]).await?;
        let client = self.stage.postgres.connect(DATABASE).await?;
        client.batch_execute(FILES[4].1).await?;
        for n in 2..=self.stage.tenants {
            client.batch_execute(&format!("SELECT copy_first('t{n:05}')")).await?;
        }
        client.batch_execute("VACUUM (ANALYZE)").await?;
        Ok(client.batch_execute("CHECKPOINT").await?)
    }

    async fn verify(&self) -> Result<(), Failure> {
        let sql = "SELECT count(*) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
                    WHERE a.attname = 'bench_n' AND c.relkind = 'r'";
        let client = self.stage.postgres.connect(DATABASE).await?;
        let count: i64 = client.query_one(sql, &[]).await?.get(0);
        if u64::try_from(count)? == self.stage.tenants {
            return Ok(());
        }
        Err(format!("only {count} schemas have the column").into())
    }

    /// Milliseconds.
    async fn manage(&self, arguments: &[&str]) -> Result<f64, Failure> {
        let mut command = Command::new(&self.python);
        command.arg("manage.py").args(arguments).current_dir(&self.project);
        command.env("PGPORT", self.stage.postgres.port().to_string());
        command.env("PGPASSWORD", self.stage.postgres.password());
        Ok(children::run(command, "", RUN_LIMIT, None).await?.milliseconds)
    }
}

/// A virtual environment in the benchmark's folder.
async fn install(project: &Path) -> Result<PathBuf, Failure> {
    let venv = project.join("venv");
    std::fs::create_dir_all(project)?;
    let mut make = Command::new("python3");
    make.args(["-m", "venv"]).arg(&venv);
    children::run(make, "", INSTALL_LIMIT, None).await?;
    let mut pip = Command::new(venv.join("bin/pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check"]).args(PACKAGES);
    children::run(pip, "", INSTALL_LIMIT, None).await?;
    Ok(venv.join("bin/python"))
}
