//! `make demo`: the whole of Labor on this machine, from nothing, with the real programs; then it ends. `make up`: it stays.
//! Exit codes: 0 everything was as it must be; 1 something was not.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program talks on its standard streams")]

mod steps;
mod tell;

use std::process::ExitCode;

use clap::Parser;
use labor_testing::DataFolder;

use crate::steps::{Demo, Services};
use crate::tell::Teller;

#[derive(Parser)]
#[command(name = "labor-demo", version, about = "Shows all of Labor on this machine")]
struct Arguments {
    /// Stay up until Ctrl-C.
    #[arg(long)]
    stay: bool,
}

/// Anything that goes wrong ends the demo with its message.
pub(crate) type Failure = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments.stay).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("labor-demo: {error}");
            let mut source = error.source();
            while let Some(inner) = source {
                eprintln!("  because: {inner}");
                source = inner.source();
            }
            ExitCode::from(1)
        }
    }
}

async fn run(stay: bool) -> Result<(), Failure> {
    let teller = Teller::new();
    let folder = DataFolder::claim_empty("demo").await?;
    println!("Labor's demo keeps its data and logs in {}", folder.path().display());
    // Ctrl-C in the middle drops everything: every server ends with this process.
    let (demo, services) = tokio::select! {
        shown = Box::pin(show(&teller, &folder)) => shown?,
        _ = tokio::signal::ctrl_c() => return Err("stopped by Ctrl-C; nothing is left running".into()),
    };
    if stay {
        demo.invite(&services)?;
        tokio::signal::ctrl_c().await?;
        println!();
    }
    demo.stop(&teller, services).await?;
    teller.finished();
    Ok(())
}

async fn show(teller: &Teller, folder: &DataFolder) -> Result<(Demo, Services), Failure> {
    let demo = Demo::start(teller, folder.path()).await?;
    let services = demo.serve(teller).await?;
    let reports = demo.send_and_show(teller, &services).await?;
    demo.keep_apart(teller, &services, &reports).await?;
    demo.back_up(teller).await?;
    demo.status(teller).await?;
    demo.search_for_patient_data(teller, &reports).await?;
    Ok((demo, services))
}
