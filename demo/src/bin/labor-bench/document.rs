//! Tables for the terminal, and docs/benchmarks.md.
use comfy_table::presets::{ASCII_MARKDOWN, UTF8_HORIZONTAL_ONLY};
use comfy_table::{Table, TableStyle};

use labor_demo::spread::Spread;

use crate::Report;
use crate::figures::{Case, Series};

const TEMPLATE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/bench/benchmarks.md"));

/// Everything for the terminal.
pub(crate) fn terminal(report: &Report) -> String {
    let mut text = format!("\n{}\n", machine(report));
    for case in &report.cases {
        text += &format!("\n{}\n{}\n", case.name, table(case, UTF8_HORIZONTAL_ONLY));
    }
    text
}

/// The document.
pub(crate) fn markdown(report: &Report) -> String {
    let mut text = TEMPLATE
        .replace("{date}", &report.date)
        .replace("{command}", &report.command)
        .replace("{machine}", &machine(report))
        .replace("{cores}", &report.machine.cores.to_string())
        .replace("{values}", &report.values.to_string())
        .replace("{bytes}", &report.message_bytes.to_string())
        .replace("{connections}", &report.connections.to_string())
        .replace("{rounds}", &report.rounds.to_string())
        .replace("{seconds}", &report.seconds.to_string());
    for (n, case) in report.cases.iter().enumerate() {
        text = text.replace(&format!("{{table {}}}", n + 1), &table(case, ASCII_MARKDOWN).to_string());
    }
    text
}

fn machine(report: &Report) -> String {
    report.machine.line(&report.postgres, report.debug_build)
}

fn table(case: &Case, style: TableStyle) -> Table {
    let mut table = Table::new();
    table.load_style(style);
    table.set_header(["", "per second", "Labor / this", "ms: median, p99", "CPU µs each: client + Labor + Postgres"]);
    for (n, way) in case.ways.iter().enumerate() {
        let ratio = if n == 0 { String::new() } else { spread(case.ratio(way), 2) };
        table.add_row([way.name.to_owned(), spread(way.spread(|s| s.per_second), 0), ratio, latency(way), cpu(way)]);
    }
    table
}

fn latency(way: &Series) -> String {
    if way.samples.iter().any(|sample| sample.latency.is_none()) {
        return String::new();
    }
    let of = |p99: bool| way.spread(|s| s.latency.map_or(f64::NAN, |l| if p99 { l.p99 } else { l.median })).median;
    format!("{:.1}, {:.1}", of(false), of(true))
}

fn cpu(way: &Series) -> String {
    let client = way.spread(|s| s.cpu_micros.client).median;
    let labor = way.spread(|s| s.cpu_micros.stack).median;
    let postgres = way.spread(|s| s.cpu_micros.postgres).median;
    format!("{client:.0} + {labor:.0} + {postgres:.0}")
}

/// Median, least and most.
fn spread(spread: Spread, digits: usize) -> String {
    spread.text(digits)
}
