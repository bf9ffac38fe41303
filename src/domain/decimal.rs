//! Numbers in words, as the library would format them. Decisions say a dozen of them, and its way of writing a double,
//! which is exact for any and to any place, takes as long as all else of a decision.

use std::fmt::Write;

use compact_str::CompactString;

/// Below this, a double times a thousand is off by less than a ten-millionth.
const THOUSANDTHS_BELOW: f64 = 1e6;
/// How far a double may be from the nearest whole number, to be sure that this is the nearest of the exact one too.
const CLEARLY: f64 = 0.4999;

/// Writes a number with three places, as `{:.3}` does.
pub(crate) fn push_thousandths(text: &mut CompactString, number: f64) {
    let scaled = number * 1e3;
    let nearest = (scaled + 0.5) as u64;
    let is_sure =
        number.is_sign_positive() && number < THOUSANDTHS_BELOW && (scaled - nearest as f64).abs() < CLEARLY;
    if !is_sure {
        // A text takes all that is written to it.
        let _ = write!(text, "{number:.3}");
        return;
    }
    push_whole(text, nearest / 1_000);
    let places = nearest % 1_000;
    let digits = [places / 100, places / 10 % 10, places % 10].map(|digit| digit as u8 + b'0');
    text.push('.');
    digits.map(char::from).into_iter().for_each(|digit| text.push(digit));
}

/// Writes a whole number.
pub(crate) fn push_whole(text: &mut CompactString, number: u64) {
    if number >= 10 {
        push_whole(text, number / 10);
    }
    text.push(char::from((number % 10) as u8 + b'0'));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn thousandths(number: f64) -> CompactString {
        let mut text = CompactString::default();
        push_thousandths(&mut text, number);
        text
    }

    #[test]
    fn numbers_at_the_edges_are_written_as_the_library_does() {
        for number in [
            0.0,
            -0.0,
            0.0005,
            0.0015,
            0.000_499_999_999_999_999_9,
            0.062_5,
            2.000_5,
            0.999_5,
            9.999_499_999_999_9,
            -1.5,
            1e-300,
            999_999.999_5,
            1e6,
            1e300,
            f64::INFINITY,
            f64::NAN,
        ] {
            assert_eq!(thousandths(number), format!("{number:.3}"));
        }
    }

    proptest! {
        #[test]
        fn any_number_is_written_as_the_library_does(
            number in prop_oneof![any::<f64>(), 0.0..2.0, 0.0..2e6, (0..4_000_u32).prop_map(|n| f64::from(n) / 2e3)],
            whole in any::<u64>(),
        ) {
            prop_assert_eq!(thousandths(number), format!("{number:.3}"));
            let mut text = CompactString::default();
            push_whole(&mut text, whole);
            prop_assert_eq!(text, whole.to_string());
        }
    }
}
