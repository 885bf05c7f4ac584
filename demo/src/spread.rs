//! Median and extremes of what was measured several times.
use serde::Serialize;

/// Median and extremes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// Half of the values are above.
    pub median: f64,
    /// The smallest.
    pub least: f64,
    /// The largest.
    pub most: f64,
}

impl Spread {
    /// Of values in any order; of none it is not a number.
    #[must_use]
    pub fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let at = |n: usize| values.get(n).copied().unwrap_or(f64::NAN);
        let last = values.len().saturating_sub(1);
        Self { median: f64::midpoint(at(last / 2), at(last.div_ceil(2))), least: at(0), most: at(last) }
    }

    /// As `1.2 (1.1–1.5)`.
    #[must_use]
    pub fn text(&self, digits: usize) -> String {
        let Self { median, least, most } = self;
        format!("{median:.digits$} ({least:.digits$}–{most:.digits$})")
    }
}

/// So many of a hundred sorted values are at most this; of none it is not a number.
#[must_use]
pub fn percentile(sorted: &[f64], share: usize) -> f64 {
    sorted.get(sorted.len().saturating_sub(1) * share / 100).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_come_from_sorted_values() {
        let sorted: Vec<f64> = (0..=200).map(f64::from).collect();
        let [median, p99, most] = [50, 99, 100].map(|share| percentile(&sorted, share));
        assert!((median - 100.0).abs() < 1e-9 && (p99 - 198.0).abs() < 1e-9 && (most - 200.0).abs() < 1e-9);
        assert!(percentile(&[], 50).is_nan());
    }
}
