//! Which tenant is visited next: by a law, from numbers that are the same in every run.

/// How visits are spread over tenants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Law {
    /// Each as often as any other: the worst for a cache.
    Uniform,
    /// The n-th as often as 1/n says (s = 1): a few large practices and many small ones.
    Zipf,
}

/// Chances added up: the tenant that a number between 0 and 1 stands for.
pub(crate) struct Wheel(Vec<f64>);

/// Numbers that look random (xorshift64*); good enough to choose by, and for nothing else.
pub(crate) struct Dice(u64);

impl Law {
    pub(crate) const ALL: [Self; 2] = [Self::Zipf, Self::Uniform];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::Zipf => "Zipf, s = 1",
        }
    }

    /// For so many tenants.
    pub(crate) fn wheel(self, tenants: u32) -> Wheel {
        let weight = |n: u32| if self == Self::Zipf { 1.0 / f64::from(n) } else { 1.0 };
        let total: f64 = (1..=tenants).map(weight).sum();
        let mut sum = 0.0;
        let chance = |n| {
            sum += weight(n) / total;
            sum
        };
        Wheel((1..=tenants).map(chance).collect())
    }
}

impl Wheel {
    /// A tenant's place, from 0.
    pub(crate) fn turn(&self, dice: &mut Dice) -> usize {
        let number = dice.number();
        self.0.partition_point(|sum| *sum < number).min(self.0.len().saturating_sub(1))
    }
}

impl Dice {
    pub(crate) fn new(client: usize) -> Self {
        let mut dice = Self((client as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        dice.number();
        dice
    }

    /// Between 0 and 1.
    pub(crate) fn number(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = u32::try_from(self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32).unwrap_or_default();
        f64::from(high) / f64::from(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visits(law: Law) -> Vec<u32> {
        let (wheel, mut visits) = (law.wheel(100), vec![0; 100]);
        let mut dice = Dice::new(3);
        for _ in 0..100_000 {
            visits[wheel.turn(&mut dice)] += 1;
        }
        visits
    }

    #[test]
    fn each_law_visits_as_it_says() {
        let uniform = visits(Law::Uniform);
        assert!(uniform.iter().all(|n| (850..1150).contains(n)), "{uniform:?}");
        // 1/1 + … + 1/100 is 5.187.
        let zipf = visits(Law::Zipf);
        assert!((18_700..19_900).contains(&zipf[0]) && (1_800..2_060).contains(&zipf[9]), "{zipf:?}");
    }
}
