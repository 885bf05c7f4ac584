//! How fast, and in how much memory: `cargo run --release -p ldt --example throughput [MEGABYTES]`.
//!
//! Each shape is read at half and at full size, in a process of its own, so that its peak memory is its own. Linear work
//! takes twice as long for twice the bytes. Hostile shapes are refused or read; either way they may not take longer.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool")]

use std::process::{Command, ExitCode};
use std::time::Instant;

#[path = "throughput/shapes.rs"]
mod shapes;

const MEGABYTE: usize = 1_000_000;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [make, shape, bytes, path] if make == "make" => {
            return make_file(shape, bytes.parse().unwrap_or(MEGABYTE), path);
        }
        [read, path] if read == "read" => return read_file(path),
        _ => {}
    }
    let full = arguments.first().and_then(|text| text.parse().ok()).unwrap_or(25) * MEGABYTE;
    println!(
        "{:<26} {:>8} {:>9} {:>8} {:>8} {:>7} {:>7}  outcome",
        "shape", "MB", "lines", "ms", "MB/s", "x half", "peak MB"
    );
    let Ok(program) = std::env::current_exe() else { return ExitCode::FAILURE };
    for (name, _) in shapes::ALL {
        let path = std::env::temp_dir().join(format!("ldt-throughput-{}", std::process::id()));
        let run = |bytes: usize| {
            Command::new(&program).args(["make", name, &bytes.to_string()]).arg(&path).status()?;
            Command::new(&program).arg("read").arg(&path).output()
        };
        let (Ok(half), Ok(whole)) = (run(full / 2), run(full)) else { return ExitCode::FAILURE };
        let read = |output: &[u8]| String::from_utf8_lossy(output).trim().to_owned();
        let fields = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let (half, whole) = (fields(&read(&half.stdout)), fields(&read(&whole.stdout)));
        let ([_, _, half, ..], [bytes, lines, micros, peak, outcome]) = (&half[..], &whole[..]) else {
            eprintln!("{name}: no answer");
            return ExitCode::FAILURE;
        };
        let number = |text: &str| text.parse::<f64>().unwrap_or(f64::NAN);
        let (bytes, millis) = (number(bytes) / 1e6, number(micros) / 1e3);
        println!(
            "{name:<26} {bytes:>8.1} {lines:>9} {millis:>8.0} {:>8.0} {:>7.1} {:>7.0}  {outcome}",
            bytes / millis * 1e3,
            number(micros) / number(half),
            number(peak) / 1e3
        );
    }
    ExitCode::SUCCESS
}

fn make_file(name: &str, bytes: usize, path: &str) -> ExitCode {
    let shape = shapes::ALL.iter().find(|(known, _)| *known == name);
    match shape.map(|(_, make)| std::fs::write(path, make(bytes))) {
        Some(Ok(())) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// Reads one message: bytes, lines, microseconds, peak memory in kilobytes, what came of it.
fn read_file(path: &str) -> ExitCode {
    let Ok(message) = std::fs::read(path) else { return ExitCode::FAILURE };
    let _ = std::fs::remove_file(path);
    let begun = Instant::now();
    let read = ldt::read(&message);
    let (micros, peak) = (begun.elapsed().as_micros(), peak());
    let outcome = match &read {
        Ok(package) => format!("{}-reports", package.reports.len()),
        Err(error) => error.code().to_owned(),
    };
    let lines = message.split(|byte| *byte == b'\n').count();
    println!("{} {lines} {micros} {peak} {outcome}", message.len());
    ExitCode::SUCCESS
}

/// The most memory this process has had, the message included, in kilobytes (Linux only).
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}
