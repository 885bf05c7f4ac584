//! What was measured, and what follows from it.
use labor_demo::cpu::Cpu;
use labor_demo::spread::{Spread, percentile};
use serde::Serialize;

/// One round of one way.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Sample {
    pub(crate) count: u64,
    pub(crate) per_second: f64,
    /// Processor time of each request or transaction, in microseconds.
    pub(crate) cpu_micros: Cpu,
    /// Of HTTP only.
    pub(crate) latency: Option<Latency>,
}

/// Milliseconds until an answer was there.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Latency {
    pub(crate) median: f64,
    pub(crate) p99: f64,
}

/// All rounds of one way.
#[derive(Debug, Serialize)]
pub(crate) struct Series {
    pub(crate) name: &'static str,
    pub(crate) samples: Vec<Sample>,
}

/// Ways to the same end; the first is Labor's, the others are its floors.
#[derive(Debug, Serialize)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) ways: Vec<Series>,
}

impl Latency {
    /// From sorted times.
    pub(crate) fn of(sorted: &[f64]) -> Option<Self> {
        (!sorted.is_empty()).then(|| Self { median: percentile(sorted, 50), p99: percentile(sorted, 99) })
    }
}

impl Series {
    /// Of one figure.
    pub(crate) fn spread(&self, figure: impl Fn(&Sample) -> f64) -> Spread {
        Spread::of(self.samples.iter().map(figure).collect())
    }
}

impl Case {
    /// Labor's rate divided by a floor's: each round by its own neighbour, so that a slow minute of the machine touches both.
    pub(crate) fn ratio(&self, floor: &Series) -> Spread {
        let labor = self.ways.first().map_or(&[][..], |way| &way.samples);
        Spread::of(labor.iter().zip(&floor.samples).map(|(a, b)| a.per_second / b.per_second).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(rates: &[f64]) -> Series {
        let sample = |rate: &f64| Sample { count: 1, per_second: *rate, cpu_micros: Cpu::default(), latency: None };
        Series { name: "x", samples: rates.iter().map(sample).collect() }
    }

    #[test]
    fn ratios_are_made_pair_by_pair() {
        let case = Case { name: "x", ways: vec![series(&[10.0, 40.0, 30.0]), series(&[20.0, 80.0, 30.0])] };
        assert_eq!(case.ratio(&case.ways[1]), Spread { median: 0.5, least: 0.5, most: 1.0 });
    }

    #[test]
    fn the_median_of_an_even_number_is_in_the_middle() {
        let spread = series(&[4.0, 1.0, 2.0, 3.0]).spread(|sample| sample.per_second);
        assert_eq!(spread, Spread { median: 2.5, least: 1.0, most: 4.0 });
    }

    #[test]
    fn latencies_come_from_sorted_times() {
        let sorted: Vec<f64> = (0..=100).map(f64::from).collect();
        let latency = Latency::of(&sorted).unwrap();
        assert!((latency.median - 50.0).abs() < 1e-9 && (latency.p99 - 99.0).abs() < 1e-9);
        assert!(Latency::of(&[]).is_none());
    }
}
