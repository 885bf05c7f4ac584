//! What is stored and what it would be, for whoever asks to see it: patient data, in a file that its owner alone can read.
//! Must stay true: it is a new file, and nothing of it is printed.
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use labor_db::results::compare::Difference;
use serde_json::json;

use super::plan::{Line, private_file, unwritten};
use crate::admin::AdminError;

/// The file.
pub(super) struct Values {
    file: File,
    path: PathBuf,
}

impl Values {
    pub(super) fn create(path: &Path) -> Result<Self, AdminError> {
        Ok(Self { file: private_file(path)?, path: path.to_owned() })
    }

    /// A line for each difference.
    pub(super) fn add(&mut self, line: &Line, differences: &[(usize, Difference)]) -> Result<(), AdminError> {
        for (record, Difference { field, stored, now }) in differences {
            let text =
                json!({ "message": line.message, "record": record, "field": field, "stored": stored, "now": now });
            writeln!(self.file, "{text}").map_err(|error| unwritten(&self.path, &error))?;
        }
        Ok(())
    }
}
