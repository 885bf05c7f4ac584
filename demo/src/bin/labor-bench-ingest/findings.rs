//! What was measured, and whether it is what was wanted.
use labor_demo::spread::Spread;
use serde::Serialize;

/// A table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) enum Topic {
    Accept,
    Rate,
    Cpu,
    Latency,
    Concurrency,
    Parser,
    Memory,
}

/// A line of a table.
#[derive(Debug, Serialize)]
pub(crate) struct Line {
    pub(crate) topic: Topic,
    pub(crate) way: String,
    pub(crate) unit: &'static str,
    pub(crate) spread: Spread,
    /// Of the topic's comparison, made within each round.
    pub(crate) ratio: Option<Spread>,
}

/// What was wanted and what became of it.
#[derive(Debug, Serialize)]
pub(crate) struct Wish {
    pub(crate) text: String,
    pub(crate) found: String,
    pub(crate) met: bool,
}

/// Everything.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Findings {
    pub(crate) lines: Vec<Line>,
    pub(crate) wishes: Vec<Wish>,
    /// What was left out or got another answer, and why.
    pub(crate) remarks: Vec<String>,
}

impl Topic {
    pub(crate) const ALL: [Self; 7] =
        [Self::Accept, Self::Rate, Self::Cpu, Self::Latency, Self::Concurrency, Self::Parser, Self::Memory];

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Accept => "Accepted posts a second, without a worker",
            Self::Rate => "Messages a second, from the first post until the doctor can see the last",
            Self::Cpu => "Processor time of each of these messages",
            Self::Latency => "From a post until the doctor can see it, at a steady rate",
            Self::Concurrency => "Posts that come at once, each over a connection of its own",
            Self::Parser => "Reading, on one core",
            Self::Memory => "Resident memory",
        }
    }

    /// What the last column holds.
    pub(crate) fn ratio(self) -> &'static str {
        match self {
            Self::Accept | Self::Rate | Self::Cpu | Self::Latency | Self::Parser => "Labor / this",
            Self::Concurrency => "longest answer, ms",
            Self::Memory => "this / after the first quarter",
        }
    }
}

impl Findings {
    pub(crate) fn add(&mut self, topic: Topic, way: impl Into<String>, unit: &'static str, samples: &[f64]) {
        self.lines.push(Line { topic, way: way.into(), unit, spread: Spread::of(samples.to_vec()), ratio: None });
    }

    /// With a second figure of each round; its median.
    pub(crate) fn with(
        &mut self,
        topic: Topic,
        way: impl Into<String>,
        unit: &'static str,
        (samples, ratios): (&[f64], Vec<f64>),
    ) -> f64 {
        self.add(topic, way, unit, samples);
        let ratio = Spread::of(ratios);
        if let Some(line) = self.lines.last_mut() {
            line.ratio = Some(ratio);
        }
        ratio.median
    }

    pub(crate) fn at_least(&mut self, text: impl Into<String>, value: f64, limit: f64) {
        self.wishes.push(Wish { text: text.into(), found: format!("{value:.2}"), met: value >= limit });
    }

    pub(crate) fn at_most(&mut self, text: impl Into<String>, value: f64, limit: f64) {
        self.wishes.push(Wish { text: text.into(), found: format!("{value:.2}"), met: value <= limit });
    }

    pub(crate) fn remark(&mut self, text: impl Into<String>) {
        self.remarks.push(text.into());
    }
}

/// Pair by pair.
pub(crate) fn ratios(samples: &[f64], by: &[f64]) -> Vec<f64> {
    samples.iter().zip(by).map(|(a, b)| a / b).collect()
}
