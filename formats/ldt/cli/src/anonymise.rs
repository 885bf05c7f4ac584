//! `labor-ldt anonymise`: a file that says the same about tests, and nothing about whom.
//!
//! What must stay true: a field is kept only if it is listed as harmless (`classes`); everything else is replaced. What
//! was replaced anywhere as a name or number is not left standing anywhere else. The result is a valid file.

mod classes;
mod document;
mod pseudonyms;
mod text;
mod walk;

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use ldt::tree::Tree;

use crate::{Outcome, input};
use pseudonyms::Pseudonyms;

/// A key must not be guessed: whoever has it can look for a known name.
const SHORTEST_KEY: usize = 16;

/// Anonymises one file.
pub(crate) fn command(
    out: &mut impl Write,
    err: &mut impl Write,
    file: &Path,
    output: Option<&Path>,
    key: Option<String>,
) -> io::Result<Outcome> {
    let name = input::name(file);
    let Some(key) = secret(err, key)? else { return Ok(Outcome::Failed) };
    let bytes = match input::read(file) {
        Ok(bytes) => bytes,
        Err(error) => {
            writeln!(err, "labor-ldt: cannot read {name}: {error}")?;
            return Ok(Outcome::Failed);
        }
    };
    let tree = match Tree::read(&bytes) {
        Ok(tree) => tree,
        Err(error) => return input::refused(err, &name, &error),
    };
    let anonymous = match anonymise(tree, &key) {
        Ok(bytes) => bytes,
        Err(error) => {
            writeln!(err, "labor-ldt: {name}: cannot be written [{}]: {error}", error.code())?;
            return Ok(Outcome::Refused);
        }
    };
    match output {
        None => out.write_all(&anonymous)?,
        Some(path) => {
            if let Err(error) = fs::write(path, anonymous) {
                writeln!(err, "labor-ldt: cannot write {}: {error}", path.display())?;
                return Ok(Outcome::Failed);
            }
        }
    }
    Ok(Outcome::Fine)
}

/// The key that was given, or a random one.
fn secret(err: &mut impl Write, key: Option<String>) -> io::Result<Option<Vec<u8>>> {
    match key {
        Some(key) if key.len() < SHORTEST_KEY => {
            writeln!(err, "labor-ldt: the key needs at least {SHORTEST_KEY} characters")?;
            Ok(None)
        }
        Some(key) => Ok(Some(key.into_bytes())),
        None => {
            let mut random = vec![0; 32];
            if getrandom::fill(&mut random).is_err() {
                writeln!(err, "labor-ldt: the system gives no random numbers; pass --key")?;
                return Ok(None);
            }
            Ok(Some(random))
        }
    }
}

/// The anonymous file, in the charset of the original.
fn anonymise(mut tree: Tree, key: &[u8]) -> Result<Vec<u8>, ldt::WriteError> {
    let mut pseudonyms = Pseudonyms::new(key);
    walk::replace(&mut tree, &mut pseudonyms);
    walk::sweep(&mut tree, &pseudonyms);
    tree.write()
}
