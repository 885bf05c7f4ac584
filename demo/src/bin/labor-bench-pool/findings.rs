//! What was measured, and whether it is what was wanted.
use labor_demo::spread::Spread;
use serde::Serialize;

/// A table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) enum Topic {
    Read,
    Trip,
    Memory,
    Throughput,
    Fairness,
    Recovery,
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
    pub(crate) text: &'static str,
    pub(crate) found: String,
    pub(crate) met: bool,
}

/// Everything.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Findings {
    pub(crate) lines: Vec<Line>,
    pub(crate) wishes: Vec<Wish>,
}

impl Topic {
    pub(crate) const ALL: [Self; 6] =
        [Self::Read, Self::Trip, Self::Memory, Self::Throughput, Self::Fairness, Self::Recovery];

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Read => "One row of one tenant",
            Self::Trip => "The same at a round trip of 10 ms",
            Self::Memory => "Memory of all backends after visiting every tenant",
            Self::Throughput => "Reads over all tenants",
            Self::Fairness => "One client of a tenant beside 500 clients of another one",
            Self::Recovery => "Until a read is answered, from when the server or the line is back",
        }
    }

    /// What ratios are made with.
    pub(crate) fn ratio(self) -> &'static str {
        match self {
            Self::Read => "Labor / this",
            Self::Trip => "round trips",
            Self::Memory => "this / after as many visits",
            Self::Throughput => "refused",
            Self::Fairness => "this / quiet",
            Self::Recovery => "until all clients are",
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Trip => "trip",
            Self::Memory => "memory",
            Self::Throughput => "throughput",
            Self::Fairness => "fairness",
            Self::Recovery => "recovery",
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
        let ratio = Spread::of(ratios);
        self.lines.push(Line {
            topic,
            way: way.into(),
            unit,
            spread: Spread::of(samples.to_vec()),
            ratio: Some(ratio),
        });
        ratio.median
    }

    pub(crate) fn at_least(&mut self, text: &'static str, value: f64, limit: f64) {
        self.wishes.push(Wish { text, found: format!("{value:.2}"), met: value >= limit });
    }

    pub(crate) fn at_most(&mut self, text: &'static str, value: f64, limit: f64) {
        self.wishes.push(Wish { text, found: format!("{value:.2}"), met: value <= limit });
    }
}

/// Pair by pair.
pub(crate) fn ratios(samples: &[f64], by: &[f64]) -> Vec<f64> {
    samples.iter().zip(by).map(|(a, b)| a / b).collect()
}
