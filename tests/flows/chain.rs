//! A chain of migrations for tests: the repository's own `db`, and files after it, in a folder for `labor-migrator --db`.
//!
//! What must stay true: the folder is a copy, so a test adds, edits and takes away files without touching the repository's; the four
//! versions after the repository's newest are one of each kind, and each needs the one before.
use std::path::{Path, PathBuf};

use labor_testing::{Platform, Program};

/// Adds what an older release doesn't notice: a column, and a table with its row rules.
pub(crate) const V3: (&str, &str) = (
    "V3__search_name",
    "-- Why: a test.
-- Locks: see the statements.
-- Previous release: does not notice.
-- Kind: transaction
-- Phase: expand
ALTER TABLE patients ADD COLUMN search_name text;
COMMENT ON COLUMN patients.search_name IS 'Family name as it is searched for';
CREATE TABLE remarks (
  id         uuid PRIMARY KEY,
  patient_id uuid NOT NULL REFERENCES patients (id)
);
COMMENT ON TABLE  remarks            IS 'Remarks on a patient';
COMMENT ON COLUMN remarks.id         IS 'Primary key';
COMMENT ON COLUMN remarks.patient_id IS 'Which patient';
",
);
/// Its line in the matrix of the row rules.
pub(crate) const REMARKS: &str = "    ['remarks',         'adlpw',   'w',        '',      '' ],\n";
const V4: (&str, &str) = (
    "V4__search_indexes",
    "-- Why: a test.
-- Locks: see the statements.
-- Previous release: does not notice.
-- Kind: concurrent
-- Phase: expand
CREATE INDEX CONCURRENTLY IF NOT EXISTS patients_search_name ON patients (search_name);
CREATE INDEX CONCURRENTLY IF NOT EXISTS remarks_patient_id ON remarks (patient_id);
",
);
const V5: (&str, &str) = (
    "V5__fill_search_name",
    "-- Why: a test.
-- Locks: see the statements.
-- Previous release: does not notice.
-- Kind: backfill
-- Phase: expand
-- Batch: 2
-- Pause: 1 ms
UPDATE patients SET search_name = lower(family_name)
 WHERE id IN (SELECT id FROM patients WHERE search_name IS NULL LIMIT {batch});
",
);
const V6: (&str, &str) = (
    "V6__search_name_filled",
    "-- Why: a test.
-- Locks: see the statements.
-- Previous release: does not notice.
-- Kind: transaction
-- Phase: contract
ALTER TABLE patients ALTER COLUMN search_name SET NOT NULL;
ALTER TABLE patients DROP COLUMN insurance_number;
",
);

const UNDOS: [(&str, &str); 3] = [
    ("V3__search_name.undo", "-- Why: a test.\nDROP TABLE remarks;\nALTER TABLE patients DROP COLUMN search_name;\n"),
    (
        "V4__search_indexes.undo",
        "-- Why: a test.\nDROP INDEX CONCURRENTLY IF EXISTS patients_search_name;\n\
         DROP INDEX CONCURRENTLY IF EXISTS remarks_patient_id;\n",
    ),
    (
        "V5__fill_search_name.undo",
        "-- Why: a test. The rows were empty before.\nUPDATE patients SET search_name = NULL;\n",
    ),
];

/// A folder laid out like the repository's `db`.
#[derive(Debug, Clone)]
pub(crate) struct Chain(PathBuf);

impl Chain {
    /// A copy of the repository's.
    pub(crate) fn copy(into: &Path) -> Self {
        let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("db");
        for folder in ["migrations/tenant", "migrations/control", "rls"] {
            std::fs::create_dir_all(into.join(folder)).unwrap();
            for file in std::fs::read_dir(own.join(folder)).unwrap() {
                let file = file.unwrap();
                std::fs::copy(file.path(), into.join(folder).join(file.file_name())).unwrap();
            }
        }
        Self(into.to_owned())
    }

    /// A copy with the versions 3 to 6.
    pub(crate) fn whole(into: &Path) -> Self {
        let chain = Self::copy(into).with(V3).with_rules(REMARKS);
        [V4, V5, V6].into_iter().fold(chain, Self::with)
    }

    /// A copy with the versions 3 to 5, which are all expand, and their undos.
    pub(crate) fn undoable(into: &Path) -> Self {
        let chain = Self::copy(into).with(V3).with_rules(REMARKS);
        [V4, V5].into_iter().chain(UNDOS).fold(chain, Self::with)
    }

    /// A copy with one more migration of the control schema.
    pub(crate) fn of_control(into: &Path) -> Self {
        let chain = Self::copy(into);
        let control = chain.0.join("migrations/control");
        let next = std::fs::read_dir(&control).unwrap().count() + 1;
        let remark = "-- A test.\nALTER TABLE control.tenants ADD COLUMN remark text;\n";
        std::fs::write(control.join(format!("V{next}__remark.sql")), remark).unwrap();
        chain
    }

    /// Adds or replaces a migration.
    pub(crate) fn with(self, (stem, sql): (&str, &str)) -> Self {
        std::fs::write(self.file(stem), sql).unwrap();
        self
    }

    /// Adds a line to the matrix of the row rules.
    pub(crate) fn with_rules(self, line: &str) -> Self {
        let file = self.0.join("rls/tenant.sql");
        let text = std::fs::read_to_string(&file).unwrap();
        let first = "    ['users',";
        assert!(text.contains(first), "the matrix begins otherwise");
        std::fs::write(file, text.replacen(first, &format!("{line}{first}"), 1)).unwrap();
        self
    }

    /// The file of a migration.
    pub(crate) fn file(&self, stem: &str) -> PathBuf {
        self.0.join(format!("migrations/tenant/{stem}.sql"))
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.0
    }

    /// The migrator with these files.
    pub(crate) fn migrator(&self, platform: &Platform, arguments: &[&str]) -> Program {
        let program = platform.program("labor-migrator").unwrap().args(["--db"]).args([self.folder()]);
        program.args(arguments)
    }
}

/// SQL for a superuser: a few patients in a practice, so many that the backfill needs several batches.
pub(crate) fn patients(tenant: &str, count: usize) -> String {
    format!(
        "INSERT INTO {tenant}.patients (id, identity_key, family_name, given_name)
         SELECT gen_random_uuid(), lpad(n::text, 64, '0'), 'Muster' || n, 'Erika' FROM generate_series(1, {count}) n;"
    )
}
