//! Megabytes a second of the readers, on one core, and of the Node stack's parser on the same files.
use std::path::Path;
use std::time::{Duration, Instant};

use labor_demo::Failure;

use crate::Plan;
use crate::findings::{Findings, Topic, ratios};
use crate::grown;
use crate::node::Node;

const MEGABYTE: usize = 1_000_000;
/// Each file is read again and again for this long.
const LENGTH: Duration = Duration::from_secs(1);

/// A file and the reader that it is for.
struct File {
    name: &'static str,
    bytes: Vec<u8>,
    read: fn(&[u8]) -> bool,
    /// Node's parser knows LDT only.
    ldt: bool,
}

pub(crate) async fn measure(
    folder: &Path,
    plan: &Plan,
    node: Option<&Node>,
    findings: &mut Findings,
) -> Result<(), Failure> {
    for file in files()? {
        let path = folder.join("parsed");
        std::fs::write(&path, &file.bytes)?;
        let (mut labor, mut other) = (Vec::new(), Vec::new());
        let (bytes, read, length) = (std::sync::Arc::new(file.bytes), file.read, plan.length.min(LENGTH));
        for _ in 0..plan.rounds {
            let bytes = std::sync::Arc::clone(&bytes);
            labor.push(tokio::task::spawn_blocking(move || speed(&bytes, read, length)).await??);
            if let Some(node) = node.filter(|_| file.ldt) {
                other.push(node.speed(&path, length).await?);
            }
        }
        std::fs::remove_file(&path)?;
        findings.add(Topic::Parser, file.name, "MB/s", &labor);
        if !other.is_empty() {
            let way = format!("{}: the Node stack's parser", file.name);
            findings.with(Topic::Parser, way, "MB/s", (&other, ratios(&labor, &other)));
        }
    }
    Ok(())
}

fn files() -> Result<Vec<File>, Failure> {
    let ldt = |name, bytes| File { name, bytes, read: |bytes| ldt::read(bytes).is_ok(), ldt: true };
    let hl7 = |name, bytes| File { name, bytes, read: |bytes| hl7::read(bytes).is_ok(), ldt: false };
    Ok(vec![
        ldt("LDT 2, chemistry, one message", grown::chemistry()?.next()),
        ldt("LDT 2, chemistry, 1 MB", grown::ldt2(MEGABYTE)?),
        ldt("LDT 3, chemistry, 1 MB", grown::ldt3(MEGABYTE)?),
        ldt("LDT 3, one PDF, 1 MB", grown::pdf("0000000001", MEGABYTE)?),
        // One of a megabyte is refused: it has more fields than a result can have.
        hl7("HL7, chemistry, 100 kB", grown::hl7(MEGABYTE / 10)?),
        hl7("HL7, one PDF, 1 MB", grown::hl7_pdf(MEGABYTE)?),
    ])
}

fn speed(bytes: &[u8], read: fn(&[u8]) -> bool, length: Duration) -> Result<f64, Failure> {
    let (began, mut times) = (Instant::now(), 0_u32);
    while times == 0 || began.elapsed() < length {
        if !read(bytes) {
            return Err("a reader refuses its file".into());
        }
        times += 1;
    }
    let megabytes = f64::from(u32::try_from(bytes.len())?) / 1e6;
    Ok(megabytes * f64::from(times) / began.elapsed().as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_read_by_its_reader() {
        for file in files().unwrap() {
            assert!((file.read)(&file.bytes), "{}", file.name);
        }
    }
}
