//! Statistics of rounds.

use serde::Serialize;

/// Median and quartiles of measurements.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    /// The first quartile.
    pub(crate) lower: f64,
    /// The third quartile.
    pub(crate) upper: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// Of at least one value.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        // Between two values, as far as the quarter lies between their places.
        let quarter = |quarters: usize| {
            let place = (values.len().checked_sub(1)? * quarters) as f64 / 4.0;
            let (low, high) = (values.get(place.floor() as usize)?, values.get(place.ceil() as usize)?);
            Some(low + (high - low) * place.fract())
        };
        Some(Self {
            median: quarter(2)?,
            lower: quarter(1)?,
            upper: quarter(3)?,
            min: quarter(0)?,
            max: quarter(4)?,
        })
    }

    /// Returns the interquartile range relative to the median.
    pub(crate) fn width(&self) -> f64 {
        (self.upper - self.lower) / self.median
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_lie_between_values() {
        assert_eq!(Spread::of([]), None);
        let spread = Spread::of([4.0, 1.0, 2.0, 3.0]).unwrap();
        assert_eq!(spread, Spread { median: 2.5, lower: 1.75, upper: 3.25, min: 1.0, max: 4.0 });
        assert_eq!(
            Spread::of([7.0]).map(|spread| (spread.min, spread.median, spread.max)),
            Some((7.0, 7.0, 7.0))
        );
    }
}
