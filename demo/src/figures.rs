//! What a benchmark found: lines under topics, and what was wanted; as tables for the terminal and the document.
use comfy_table::presets::{ASCII_MARKDOWN, UTF8_HORIZONTAL_ONLY};
use comfy_table::{Table, TableStyle};
use serde::Serialize;

use crate::spread::Spread;

/// A table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Topic {
    /// In JSON.
    pub name: &'static str,
    /// Above its table.
    pub title: &'static str,
    /// What the last column compares.
    pub ratio: &'static str,
}

/// A line of a table.
#[derive(Debug, Serialize)]
struct Line {
    topic: Topic,
    way: String,
    unit: &'static str,
    spread: Spread,
    ratio: Option<Spread>,
}

/// What was wanted and what became of it.
#[derive(Debug, Serialize)]
struct Wish {
    text: &'static str,
    found: String,
    met: bool,
}

/// Everything.
#[derive(Debug, Default, Serialize)]
pub struct Figures {
    lines: Vec<Line>,
    wishes: Vec<Wish>,
}

impl Figures {
    /// A line; with a second figure for its last column.
    pub fn add(
        &mut self,
        topic: Topic,
        way: impl Into<String>,
        unit: &'static str,
        samples: &[f64],
        ratio: Option<f64>,
    ) {
        let (spread, ratio) = (Spread::of(samples.to_vec()), ratio.map(|ratio| Spread::of(vec![ratio])));
        self.lines.push(Line { topic, way: way.into(), unit, spread, ratio });
    }

    /// The median of a line that was added.
    #[must_use]
    pub fn median(samples: &[f64]) -> f64 {
        Spread::of(samples.to_vec()).median
    }

    /// What was wanted to be at least this.
    pub fn at_least(&mut self, text: &'static str, value: f64, limit: f64) {
        self.wishes.push(Wish { text, found: format!("{value:.2}"), met: value >= limit });
    }

    /// What was wanted to be at most this.
    pub fn at_most(&mut self, text: &'static str, value: f64, limit: f64) {
        self.wishes.push(Wish { text, found: format!("{value:.2}"), met: value <= limit });
    }

    /// For the terminal.
    #[must_use]
    pub fn terminal(&self) -> String {
        let mut text = String::new();
        for topic in self.topics() {
            text += &format!("\n{}\n{}\n", topic.title, self.table(topic, UTF8_HORIZONTAL_ONLY));
        }
        text + &format!("\n{}\n", self.wishes(UTF8_HORIZONTAL_ONLY))
    }

    /// For the document: what was wanted, and the tables.
    #[must_use]
    pub fn markdown(&self) -> (String, String) {
        let tables = self
            .topics()
            .into_iter()
            .map(|topic| format!("### {}\n\n{}", topic.title, self.table(topic, ASCII_MARKDOWN)));
        (self.wishes(ASCII_MARKDOWN).to_string(), tables.collect::<Vec<_>>().join("\n\n"))
    }

    fn topics(&self) -> Vec<Topic> {
        let mut topics: Vec<_> = self.lines.iter().map(|line| line.topic).collect();
        topics.dedup();
        topics
    }

    fn table(&self, topic: Topic, style: TableStyle) -> Table {
        let mut table = Table::new();
        table.load_style(style).set_header(["", "median (least–most)", topic.ratio]);
        for line in self.lines.iter().filter(|line| line.topic == topic) {
            let Spread { median, least, most } = line.spread;
            let digits = if median < 100.0 { 2 } else { 0 };
            let figure = if (most - least).abs() < f64::EPSILON {
                format!("{median:.digits$}")
            } else {
                line.spread.text(digits)
            };
            let ratio = line.ratio.map_or_else(String::new, |ratio| format!("{:.2}", ratio.median));
            table.add_row([line.way.clone(), format!("{figure} {}", line.unit), ratio]);
        }
        table
    }

    fn wishes(&self, style: TableStyle) -> Table {
        let mut table = Table::new();
        table.load_style(style).set_header(["wanted", "found", ""]);
        for wish in &self.wishes {
            let met = if wish.met { "met" } else { "**missed**" };
            table.add_row([wish.text.to_owned(), wish.found.clone(), met.to_owned()]);
        }
        table
    }
}
