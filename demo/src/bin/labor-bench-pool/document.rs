//! Tables for the terminal, and the pools' part of docs/benchmarks.md.
use comfy_table::presets::{ASCII_MARKDOWN, UTF8_HORIZONTAL_ONLY};
use comfy_table::{Table, TableStyle};

use crate::Report;
use crate::findings::{Findings, Topic};

const TEMPLATE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/bench/pool.md"));

/// Everything for the terminal.
pub(crate) fn terminal(report: &Report) -> String {
    let mut text = format!("\n{}\n", machine(report));
    for topic in present(&report.findings) {
        text += &format!("\n{}\n{}\n", topic.title(), table(&report.findings, topic, UTF8_HORIZONTAL_ONLY));
    }
    text + &format!("\n{}\n", wishes(&report.findings, UTF8_HORIZONTAL_ONLY))
}

/// The part of the document.
pub(crate) fn markdown(report: &Report) -> String {
    let mut tables = String::new();
    for topic in present(&report.findings) {
        tables += &format!("### {}\n\n{}\n\n", topic.title(), table(&report.findings, topic, ASCII_MARKDOWN));
    }
    TEMPLATE
        .replace("{date}", &report.date)
        .replace("{command}", &report.command)
        .replace("{machine}", &machine(report))
        .replace("{tenants}", &report.tenants.to_string())
        .replace("{seconds}", &report.seconds.to_string())
        .replace("{rounds}", &report.rounds.to_string())
        .replace("{connections}", &report.connections.to_string())
        .replace("{wishes}", &wishes(&report.findings, ASCII_MARKDOWN).to_string())
        .replace("{tables}", tables.trim_end())
}

fn present(findings: &Findings) -> impl Iterator<Item = Topic> {
    Topic::ALL.into_iter().filter(|topic| findings.lines.iter().any(|line| line.topic == *topic))
}

fn machine(report: &Report) -> String {
    report.machine.line(&report.postgres, report.debug_build)
}

fn table(findings: &Findings, topic: Topic, style: TableStyle) -> Table {
    let mut table = Table::new();
    table.load_style(style);
    table.set_header(["", "median (least–most)", topic.ratio()]);
    for line in findings.lines.iter().filter(|line| line.topic == topic) {
        let digits = if line.spread.median < 100.0 { 2 } else { 0 };
        let ratio = line.ratio.map_or_else(String::new, |ratio| ratio.text(2));
        table.add_row([line.way.clone(), format!("{} {}", line.spread.text(digits), line.unit), ratio]);
    }
    table
}

fn wishes(findings: &Findings, style: TableStyle) -> Table {
    let mut table = Table::new();
    table.load_style(style);
    table.set_header(["wanted", "found", ""]);
    for wish in &findings.wishes {
        let met = if wish.met { "met" } else { "**missed**" };
        table.add_row([wish.text.to_owned(), wish.found.clone(), met.to_owned()]);
    }
    table
}
