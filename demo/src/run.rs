//! How a program of the benchmarks ends: with its own exit code, and with what went wrong on standard error.
#![expect(clippy::print_stderr, reason = "the programs talk on their standard streams")]
use std::process::ExitCode;

use crate::Failure;

/// Runs the work of a program to its end. Ctrl-C in the middle drops everything: every server ends with this process.
pub async fn to_the_end(program: &str, work: impl Future<Output = Result<(), Failure>>) -> ExitCode {
    let result = tokio::select! {
        result = Box::pin(work) => result,
        _ = tokio::signal::ctrl_c() => Err("stopped".into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{program}: {error}");
            let mut source = error.source();
            while let Some(inner) = source {
                eprintln!("  because: {inner}");
                source = inner.source();
            }
            ExitCode::from(1)
        }
    }
}
