//! What was measured, and whether it is what was promised.
use labor_demo::spread::Spread;
use serde::Serialize;

/// A line of a table.
#[derive(Debug, Serialize)]
pub(crate) struct Figure {
    pub(crate) scenario: Scenario,
    pub(crate) way: String,
    pub(crate) tenants: u64,
    pub(crate) unit: &'static str,
    pub(crate) spread: Spread,
    /// Divided by what stands in the scenario's first line, pair by pair.
    pub(crate) ratio: Option<Spread>,
}

/// A table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) enum Scenario {
    Idle,
    Column,
    Birth,
    Drift,
    Memory,
    Django,
}

/// A promise and what became of it.
#[derive(Debug, Serialize)]
pub(crate) struct Verdict {
    pub(crate) promise: String,
    pub(crate) tenants: u64,
    pub(crate) found: String,
    pub(crate) met: bool,
}

/// Everything that was found.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Findings {
    pub(crate) figures: Vec<Figure>,
    pub(crate) verdicts: Vec<Verdict>,
    /// Sentences beside the tables: further ratios, and what was left out, with the reason.
    pub(crate) remarks: Vec<String>,
}

impl Scenario {
    pub(crate) const ALL: [Self; 6] = [Self::Idle, Self::Column, Self::Birth, Self::Drift, Self::Memory, Self::Django];

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Idle => "Nothing to do, and status",
            Self::Column => "A column and an index on every tenant",
            Self::Birth => "A new practice",
            Self::Drift => "Fingerprint of the whole fleet",
            Self::Memory => "Memory while the column is added",
            Self::Django => "django-tenants",
        }
    }

    /// What ratios are made with.
    pub(crate) fn floor(self) -> &'static str {
        match self {
            Self::Column => "this / floor",
            Self::Birth => "this / bare DDL",
            Self::Django => "this / Labor",
            _ => "",
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Column => "column",
            Self::Birth => "birth",
            Self::Drift => "drift",
            Self::Memory => "memory",
            Self::Django => "django",
        }
    }
}

impl Findings {
    pub(crate) fn add(
        &mut self,
        scenario: Scenario,
        way: impl Into<String>,
        tenants: u64,
        unit: &'static str,
        samples: &[f64],
    ) -> Spread {
        let spread = Spread::of(samples.to_vec());
        self.figures.push(Figure { scenario, way: way.into(), tenants, unit, spread, ratio: None });
        spread
    }

    /// As [`Self::add`], with the ratio to a floor that was measured in the same rounds.
    pub(crate) fn against(
        &mut self,
        scenario: Scenario,
        way: impl Into<String>,
        tenants: u64,
        unit: &'static str,
        (samples, floor): (&[f64], &[f64]),
    ) -> Spread {
        self.add(scenario, way, tenants, unit, samples);
        let ratio = Spread::of(samples.iter().zip(floor).map(|(a, b)| a / b).collect());
        if let Some(figure) = self.figures.last_mut() {
            figure.ratio = Some(ratio);
        }
        ratio
    }

    pub(crate) fn promise(&mut self, promise: &str, tenants: u64, value: f64, limit: f64, unit: &str) {
        let found = format!("{value:.2}{unit}");
        self.verdicts.push(Verdict { promise: promise.to_owned(), tenants, found, met: value <= limit });
    }

    /// A ratio that no table has.
    pub(crate) fn ratio(&mut self, what: &str, tenants: u64, (samples, others): (&[f64], &[f64])) {
        let ratio = Spread::of(samples.iter().zip(others).map(|(a, b)| a / b).collect());
        self.remarks.push(format!("With {tenants} tenants: {what}: {} ×.", ratio.text(2)));
    }

    /// A line of a larger fleet against the same line of the smallest one.
    pub(crate) fn growth(&mut self, promise: &str, scenario: Scenario, way: &str, tenants: u64) {
        let of = |figure: &&Figure| figure.scenario == scenario && figure.way == way;
        let mut figures = self.figures.iter().filter(of);
        let (Some(small), Some(large)) = (figures.next(), figures.next_back()) else { return };
        let promise = format!("{promise}: at most 1.2 × that at {}", small.tenants);
        let ratio = large.spread.median / small.spread.median;
        self.promise(&promise, tenants, ratio, 1.2, " ×");
    }
}
