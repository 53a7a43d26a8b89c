//! Percentiles of a handful of figures.

/// Figures in ascending order.
#[derive(Clone, Debug, Default)]
pub struct Distribution {
    sorted: Vec<f64>,
}

impl FromIterator<f64> for Distribution {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        let mut sorted: Vec<f64> = values.into_iter().filter(|value| !value.is_nan()).collect();
        sorted.sort_by(f64::total_cmp);
        Self { sorted }
    }
}

impl Distribution {
    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.sorted.len()
    }

    /// The value that `percent` of the figures do not exceed, straight between its neighbours; `None` of nothing.
    #[must_use]
    pub fn percentile(&self, percent: f64) -> Option<f64> {
        let last = self.sorted.len().checked_sub(1)?;
        #[expect(clippy::cast_precision_loss, reason = "no run has 2^52 samples")]
        let rank = last as f64 * percent.clamp(0.0, 100.0) / 100.0;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 0 and last"
        )]
        let below = rank as usize;
        let above = (below + 1).min(last);
        Some(self.sorted[below] + (self.sorted[above] - self.sorted[below]) * rank.fract())
    }

    /// The largest.
    #[must_use]
    pub fn max(&self) -> Option<f64> {
        self.sorted.last().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::Distribution;

    #[test]
    fn percentiles_lie_between_neighbours() {
        let figures: Distribution = [4.0, 1.0, 3.0, 2.0].into_iter().collect();
        assert_eq!(figures.percentile(0.0), Some(1.0));
        assert_eq!(figures.percentile(50.0), Some(2.5));
        assert_eq!(figures.percentile(100.0), Some(4.0));
        assert_eq!(figures.max(), Some(4.0));
    }

    #[test]
    fn nothing_has_no_percentiles() {
        let nothing: Distribution = [f64::NAN].into_iter().collect();
        assert_eq!((nothing.count(), nothing.percentile(50.0), nothing.max()), (0, None, None));
    }
}
