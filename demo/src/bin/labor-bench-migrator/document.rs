//! Tables for the terminal, and the migrator's part of docs/benchmarks.md.
use comfy_table::presets::{ASCII_MARKDOWN, UTF8_HORIZONTAL_ONLY};
use comfy_table::{Table, TableStyle};

use crate::Report;
use crate::findings::{Findings, Scenario};

const TEMPLATE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/bench/migrator.md"));

/// Everything for the terminal.
pub(crate) fn terminal(report: &Report) -> String {
    let mut text = format!("\n{}\n", machine(report));
    for scenario in present(&report.findings) {
        text += &format!("\n{}\n{}\n", scenario.title(), table(&report.findings, scenario, UTF8_HORIZONTAL_ONLY));
    }
    text += &format!("\n{}\n", verdicts(&report.findings, UTF8_HORIZONTAL_ONLY));
    for remark in &report.findings.remarks {
        text += &format!("{remark}\n");
    }
    text
}

/// The part of the document.
pub(crate) fn markdown(report: &Report) -> String {
    let mut tables = String::new();
    for scenario in present(&report.findings) {
        tables += &format!("### {}\n\n{}\n\n", scenario.title(), table(&report.findings, scenario, ASCII_MARKDOWN));
    }
    for remark in &report.findings.remarks {
        tables += &format!("{remark}\n\n");
    }
    TEMPLATE
        .replace("{date}", &report.date)
        .replace("{command}", &report.command)
        .replace("{machine}", &machine(report))
        .replace("{versions}", &report.versions.join(", "))
        .replace("{settings}", &report.settings)
        .replace("{runs}", &report.runs.to_string())
        .replace("{verdicts}", &verdicts(&report.findings, ASCII_MARKDOWN).to_string())
        .replace("{tables}", tables.trim_end())
}

fn present(findings: &Findings) -> impl Iterator<Item = Scenario> {
    Scenario::ALL.into_iter().filter(|scenario| findings.figures.iter().any(|figure| figure.scenario == *scenario))
}

fn machine(report: &Report) -> String {
    report.machine.line(&report.postgres, report.debug_build)
}

fn table(findings: &Findings, scenario: Scenario, style: TableStyle) -> Table {
    let mut table = Table::new();
    table.load_style(style);
    table.set_header(["", "tenants", "median (least–most)", scenario.floor()]);
    for figure in findings.figures.iter().filter(|figure| figure.scenario == scenario) {
        let digits = if figure.unit == "s" { 2 } else { 1 };
        let ratio = figure.ratio.map_or_else(String::new, |ratio| ratio.text(2));
        let value = format!("{} {}", figure.spread.text(digits), figure.unit);
        table.add_row([figure.way.clone(), figure.tenants.to_string(), value, ratio]);
    }
    table
}

fn verdicts(findings: &Findings, style: TableStyle) -> Table {
    let mut table = Table::new();
    table.load_style(style);
    table.set_header(["wanted", "tenants", "found", ""]);
    for verdict in &findings.verdicts {
        let met = if verdict.met { "met" } else { "**missed**" };
        table.add_row([verdict.promise.clone(), verdict.tenants.to_string(), verdict.found.clone(), met.to_owned()]);
    }
    table
}
