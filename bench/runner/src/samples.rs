/// A figure's values, one a round.
#[derive(Debug, Clone, Default)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    pub(crate) fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn min(&self) -> Option<f64> {
        self.0.iter().copied().min_by(f64::total_cmp)
    }

    pub(crate) fn max(&self) -> Option<f64> {
        self.0.iter().copied().max_by(f64::total_cmp)
    }

    /// Of an even number of values, the mean of the middle two.
    pub(crate) fn median(&self) -> Option<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len().checked_sub(1)? / 2;
        let upper = sorted.len() / 2;
        Some(f64::midpoint(sorted[middle], sorted[upper]))
    }

    /// Round by round: what disturbs the machine for a while disturbs both.
    pub(crate) fn ratio(&self, baseline: &Self) -> Self {
        Self(self.0.iter().zip(&baseline.0).map(|(value, base)| value / base).collect())
    }
}

impl FromIterator<f64> for Samples {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        let of = |values: &[f64]| values.iter().copied().collect::<Samples>().median();
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[3.0]), Some(3.0));
        assert_eq!(of(&[9.0, 1.0, 5.0]), Some(5.0));
        assert_eq!(of(&[4.0, 1.0, 2.0, 9.0]), Some(3.0));
    }

    #[test]
    fn a_ratio_pairs_the_rounds() {
        let values: Samples = [10.0, 40.0].into_iter().collect();
        let baseline: Samples = [5.0, 10.0].into_iter().collect();
        assert_eq!(values.ratio(&baseline).0, [2.0, 4.0]);
    }
}
