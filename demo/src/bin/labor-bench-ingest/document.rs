//! Tables for the terminal, and the part of docs/benchmarks.md about messages on their way in.
use comfy_table::presets::{ASCII_MARKDOWN, UTF8_HORIZONTAL_ONLY};
use comfy_table::{Table, TableStyle};

use crate::Report;
use crate::findings::{Findings, Topic};

const TEMPLATE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/bench/ingest.md"));

/// Everything for the terminal.
pub(crate) fn terminal(report: &Report) -> String {
    let mut text = format!("\n{}\n", machine(report));
    for topic in present(&report.findings) {
        text += &format!("\n{}\n{}\n", topic.title(), table(&report.findings, topic, UTF8_HORIZONTAL_ONLY));
    }
    text += &format!("\n{}\n", wishes(&report.findings, UTF8_HORIZONTAL_ONLY));
    for remark in &report.findings.remarks {
        text += &format!("{remark}\n");
    }
    text
}

/// The part of the document.
pub(crate) fn markdown(report: &Report) -> String {
    let mut tables = String::new();
    for topic in present(&report.findings) {
        tables += &format!("### {}\n\n{}\n\n", topic.title(), table(&report.findings, topic, ASCII_MARKDOWN));
    }
    for remark in &report.findings.remarks {
        tables += &format!("{remark}\n\n");
    }
    TEMPLATE
        .replace("{date}", &report.date)
        .replace("{command}", &report.command)
        .replace("{machine}", &report.machine.line(&report.postgres, report.debug_build))
        .replace("{versions}", &report.versions)
        .replace("{seconds}", &report.seconds.to_string())
        .replace("{steady}", &(report.seconds * 2).to_string())
        .replace("{rounds}", &report.rounds.to_string())
        .replace("{connections}", &report.connections.to_string())
        .replace("{bytes}", &report.message_bytes.to_string())
        .replace("{messages}", &report.messages.to_string())
        .replace("{wishes}", &wishes(&report.findings, ASCII_MARKDOWN).to_string())
        .replace("{tables}", tables.trim_end())
}

fn present(findings: &Findings) -> impl Iterator<Item = Topic> {
    Topic::ALL.into_iter().filter(|topic| findings.lines.iter().any(|line| line.topic == *topic))
}

fn machine(report: &Report) -> String {
    format!("{}\n{}", report.machine.line(&report.postgres, report.debug_build), report.versions)
}

fn table(findings: &Findings, topic: Topic, style: TableStyle) -> Table {
    let mut table = Table::new();
    table.load_style(style);
    table.set_header(["", "median (least–most)", topic.ratio()]);
    for line in findings.lines.iter().filter(|line| line.topic == topic) {
        let digits = if topic != Topic::Concurrency && line.spread.median < 100.0 { 1 } else { 0 };
        let ratio = line.ratio.map_or_else(String::new, |ratio| ratio.text(if ratio.median < 100.0 { 2 } else { 0 }));
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
        table.add_row([wish.text.clone(), wish.found.clone(), met.to_owned()]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use labor_demo::machine::Machine;

    fn report() -> Report {
        let mut findings = Findings::default();
        findings.with(Topic::Rate, "Labor", "/s", (&[10.0, 30.0], vec![1.0, 1.0]));
        findings.at_least("more than nothing", 1.0, 0.5);
        findings.at_most("less than nothing", 1.0, 0.5);
        findings.remark("Node was left out: not there");
        let machine = Machine {
            cores: 2,
            model: "x".to_owned(),
            memory_gib: 1.0,
            kernel: "6".to_owned(),
            busy_percent: 0.0,
            flush_milliseconds: 1.0,
        };
        Report {
            date: "2026-01-01".to_owned(),
            command: "it".to_owned(),
            debug_build: true,
            machine,
            postgres: "15.1".to_owned(),
            versions: "none".to_owned(),
            seconds: 4,
            rounds: 3,
            connections: 8,
            messages: 20_000,
            message_bytes: 3000,
            findings,
        }
    }

    #[test]
    fn the_document_leaves_no_place_open_and_no_table_without_lines() {
        let text = markdown(&report());
        assert!(!text.contains(['{', '}']), "{text}");
        assert!(text.contains("20.0 (10.0–30.0) /s") && text.contains("**missed**"), "{text}");
        assert!(text.contains(Topic::Rate.title()) && !text.contains(Topic::Parser.title()), "{text}");
        assert!(text.contains("Node was left out"), "{text}");
    }
}
