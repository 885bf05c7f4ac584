//! Where the SQL of the fleet comes from: the binary itself, or a folder laid out like the repository's `db`.
//! Must stay true: both are read by the same rules, so that what a folder is accepted for also holds once it is in the binary;
//! a file that can't be placed is an error, never left out in silence. Lines end with LF from here on, however a checkout wrote them:
//! every checksum and every text that is kept is of that, so CRLF is no edit.
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use include_dir::{Dir, include_dir};
use labor_catalog::sql;

use crate::MigratorError;
use crate::migration::{Migration, Name};

static TENANT: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../db/migrations/tenant");
static CONTROL: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../db/migrations/control");

/// The SQL files of a release: migrations of the tenants, of the control schema, and the row rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sources {
    tenant: Vec<SqlFile>,
    control: Vec<SqlFile>,
    rules: String,
}

/// A file as it was found, but for the ends of its lines; its name and text are judged later.
#[derive(Debug, Clone, PartialEq, Eq)]
struct SqlFile {
    name: String,
    bytes: Vec<u8>,
}

fn with_lf(text: &str) -> String {
    text.replace("\r\n", "\n")
}

impl Sources {
    /// What was built into this binary.
    #[must_use]
    pub fn embedded() -> Self {
        Self { tenant: embedded(&TENANT), control: embedded(&CONTROL), rules: with_lf(sql::TENANT_RULES) }
    }

    /// A folder laid out like the repository's `db`: `migrations/tenant`, `migrations/control` and `rls/tenant.sql`.
    ///
    /// # Errors
    /// When one of the three is missing or can't be read.
    pub fn folder(db: &Path) -> Result<Self, MigratorError> {
        let rules = db.join("rls/tenant.sql");
        Ok(Self {
            tenant: read_folder(&db.join("migrations/tenant"))?,
            control: read_folder(&db.join("migrations/control"))?,
            rules: with_lf(&std::fs::read_to_string(&rules).map_err(unreadable(&rules))?),
        })
    }

    /// The migrations of a tenant's schema, by version: 1, 2, 3, without a gap.
    ///
    /// # Errors
    /// When a name or a header can't be understood, a version is there twice or missing, or an undo has no migration.
    pub fn tenant_migrations(&self) -> Result<Vec<Migration>, MigratorError> {
        let mut undos = BTreeMap::new();
        let mut forward = Vec::new();
        for file in &self.tenant {
            match file.name.strip_suffix(".undo.sql") {
                Some(stem) => drop(undos.insert(stem, file.text()?)),
                None => forward.push((file.stem()?, file.text()?)),
            }
        }
        let mut migrations = Vec::new();
        for (stem, text) in forward {
            migrations.push(Migration::parse(stem, text, undos.remove(stem))?);
        }
        if let Some(stem) = undos.keys().next() {
            return Err(MigratorError::Invalid(format!(
                "{stem}.undo.sql undoes no migration: there is no {stem}.sql beside it; rename it or take it away"
            )));
        }
        migrations.sort_by_key(|migration| migration.version);
        in_order(migrations.iter().map(|migration| (migration.version, migration.file_name())))?;
        Ok(migrations)
    }

    /// The migrations of the control schema, by version: file name without `.sql`, and text.
    ///
    /// # Errors
    /// When a name can't be understood, or a version is there twice or missing.
    pub fn control_migrations(&self) -> Result<Vec<(String, String)>, MigratorError> {
        let mut migrations = Vec::new();
        for file in &self.control {
            let stem = file.stem()?;
            migrations.push((Name::parse(stem)?.version, stem.to_owned(), file.text()?.to_owned()));
        }
        migrations.sort();
        in_order(migrations.iter().map(|(version, stem, _)| (*version, format!("{stem}.sql"))))?;
        Ok(migrations.into_iter().map(|(_, stem, text)| (stem, text)).collect())
    }

    /// The row rules of a tenant; `{tenant}` stands for its name.
    #[must_use]
    pub fn tenant_rules(&self) -> &str {
        &self.rules
    }
}

impl SqlFile {
    /// What is not UTF-8 is kept as it is, and refused when it is asked for.
    fn new(name: String, bytes: &[u8]) -> Self {
        let bytes = std::str::from_utf8(bytes).map_or_else(|_| bytes.to_vec(), |text| with_lf(text).into_bytes());
        Self { name, bytes }
    }

    fn stem(&self) -> Result<&str, MigratorError> {
        self.name.strip_suffix(".sql").ok_or_else(|| {
            MigratorError::Invalid(format!("{} must end in .sql in small letters: rename it", self.name))
        })
    }

    fn text(&self) -> Result<&str, MigratorError> {
        std::str::from_utf8(&self.bytes)
            .map_err(|_| MigratorError::Invalid(format!("{} is not UTF-8; save it as UTF-8", self.name)))
    }
}

/// The numbers are 1, 2, 3 …: two branches that took the same number, or a file that was lost, are found here.
fn in_order(migrations: impl Iterator<Item = (i32, String)>) -> Result<(), MigratorError> {
    let mut last: Option<(i32, String)> = None;
    for (version, file) in migrations {
        let before = last.as_ref().map_or(0, |(version, _)| *version);
        match &last {
            Some((same, other)) if *same == version => {
                return Err(MigratorError::Invalid(format!(
                    "{other} and {file} are both version {version}; give the younger one the next free number"
                )));
            }
            _ if version != before + 1 => {
                return Err(MigratorError::Invalid(format!(
                    "{file} comes after version {before}: version {} is missing; add it or renumber",
                    before + 1
                )));
            }
            _ => last = Some((version, file)),
        }
    }
    Ok(())
}

fn embedded(folder: &Dir<'_>) -> Vec<SqlFile> {
    folder
        .files()
        .map(|file| SqlFile::new(file.path().display().to_string(), file.contents()))
        .filter(|file| file.name.ends_with(".sql"))
        .collect()
}

/// Only `.sql` files, not those of folders below: that is also what refinery and the binary take.
fn read_folder(folder: &Path) -> Result<Vec<SqlFile>, MigratorError> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable(folder))? {
        let path = entry.map_err(unreadable(folder))?.path();
        // Also .SQL: a name that is nearly right is refused, not passed over.
        let is_sql = |name: &&str| name.to_ascii_lowercase().ends_with(".sql");
        let Some(name) = path.file_name().and_then(|name| name.to_str()).filter(is_sql) else {
            continue;
        };
        files.push(SqlFile::new(name.to_owned(), &std::fs::read(&path).map_err(unreadable(&path))?));
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(files)
}

fn unreadable(path: &Path) -> impl FnOnce(std::io::Error) -> MigratorError {
    let path: PathBuf = path.to_owned();
    move |source| MigratorError::Unreadable { path, source }
}
