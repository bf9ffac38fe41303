//! Durations and sizes as people write them: `30s`, `7d`, `8MiB`. A bare number is refused, because nobody
//! can see what it means; so are fractions, because the next smaller unit says the same.

/// Units of time, each a whole number of milliseconds.
const DURATIONS: [(&str, i64); 6] =
    [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000), ("w", 604_800_000)];
/// Units of size, each a whole number of bytes.
const SIZES: [(&str, i64); 5] =
    [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];

/// What a number with a unit measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quantity {
    /// Milliseconds.
    Duration,
    /// Bytes.
    Size,
}

impl Quantity {
    /// Reads a text such as `30s` or `8MiB`.
    ///
    /// # Errors
    /// Says what would have been right.
    pub(crate) fn read(self, text: &str) -> Result<i64, String> {
        let digits = text.find(|next: char| !next.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let unit = unit.trim_start();
        let known = self.units().iter().find(|(name, _)| *name == unit);
        // Nothing needs no unit.
        let factor = match known {
            Some((_, factor)) => *factor,
            None if unit.is_empty() && number == "0" => 1,
            None => return Err(self.expected()),
        };
        let number: i64 = number.parse().map_err(|_| self.expected())?;
        number.checked_mul(factor).ok_or_else(|| self.expected())
    }

    /// Shows a number in the largest unit that it is a whole number of.
    pub(crate) fn show(self, number: i64) -> String {
        let zero = [("s", 1), ("B", 1)];
        let units = self.units().iter().rev().filter(|(name, _)| *name != "w");
        let whole = units.filter(|(_, factor)| number % factor == 0).map(|(name, factor)| (*name, *factor));
        let mut units =
            whole.filter(|_| number != 0).chain(zero.into_iter().skip(usize::from(self == Quantity::Size)));
        let (name, factor) = units.next().unwrap_or(("B", 1));
        format!("{}{name}", number / factor)
    }

    fn units(self) -> &'static [(&'static str, i64)] {
        match self {
            Quantity::Duration => &DURATIONS,
            Quantity::Size => &SIZES,
        }
    }

    fn expected(self) -> String {
        match self {
            Quantity::Duration => {
                "write a whole number and a unit of ms, s, m, h, d or w, such as 30s".into()
            }
            Quantity::Size => {
                "write a whole number and a unit of B, KiB, MiB, GiB or TiB, such as 8MiB".into()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Quantity::{Duration, Size};

    #[test]
    fn quantities_are_read_exactly_and_shown_in_their_largest_unit() {
        let durations =
            [("100ms", 100), ("30s", 30_000), ("90 m", 5_400_000), ("13w", 7_862_400_000), ("0", 0)];
        for (text, expected) in durations {
            assert_eq!(Duration.read(text), Ok(expected), "{text}");
        }
        assert_eq!(Size.read("8MiB"), Ok(8_388_608));
        for text in ["", "5", "s", "-1s", "1.5h", "5 min", "99999999999999999999s", "9999999999999w", "8MB"] {
            assert!(Duration.read(text).is_err(), "{text}");
            assert!(Size.read(text).is_err(), "{text}");
        }
        let shown = [0, 100, 5_400_000, 604_800_000].map(|number| Duration.show(number));
        assert_eq!(shown, ["0s", "100ms", "90m", "7d"]);
        assert_eq!(
            [0, 1_000, 65_536, 1 << 40].map(|number| Size.show(number)),
            ["0B", "1000B", "64KiB", "1TiB"]
        );
    }
}
