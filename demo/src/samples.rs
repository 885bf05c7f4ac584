//! The sample messages: synthetic, invented people, kept with the reader that they test.
use std::io;
use std::path::{Path, PathBuf};

/// BSNR that most samples are for.
pub const FIRST_PRACTICE: &str = "123456700";
/// BSNR of the second practice in the package for two.
pub const SECOND_PRACTICE: &str = "222222200";

/// A sample message.
#[derive(Debug, Clone)]
pub struct Sample {
    /// File name.
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// All readable samples, in the order of their names.
///
/// # Errors
/// When the folder can't be read: the demo runs from a checkout.
pub fn all() -> io::Result<Vec<Sample>> {
    let mut samples = Vec::new();
    for entry in std::fs::read_dir(folder())? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "ldt") {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            samples.push(Sample { name, bytes: std::fs::read(&path)? });
        }
    }
    samples.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(samples)
}

/// One readable sample.
///
/// # Errors
/// When it is not there.
pub fn named(name: &str) -> io::Result<Sample> {
    Ok(Sample { name: name.to_owned(), bytes: std::fs::read(folder().join(name))? })
}

/// One readable sample of HL7.
///
/// # Errors
/// When it is not there.
pub fn hl7(name: &str) -> io::Result<String> {
    std::fs::read_to_string(here("formats/hl7/tests/fixtures/good").join(name))
}

fn folder() -> PathBuf {
    here("formats/ldt/tests/fixtures/good")
}

fn here(folder: &str) -> PathBuf {
    let beside = Path::new(folder);
    if beside.is_dir() { beside.to_owned() } else { Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(beside) }
}
