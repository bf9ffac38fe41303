//! Prices and values: decimal numbers to whole hundredths, rounded half away from zero. A price that is
//! negative, not finite or beyond all reason is refused, not repaired.

use compact_str::CompactString;

use super::field::Field;
use super::fields::Fields;
use super::found::Found;
use super::tree::Tree;
use crate::codec::reject::Reject;
use crate::domain::event::Money;

/// The largest amount, in units of a currency.
const UNITS_MAX: i64 = 10_000_000_000_000;
/// The code for no currency.
const NO_CURRENCY: &str = "XXX";

/// What an event states about its money.
pub(super) struct Stated {
    /// Its value.
    pub(super) value: Option<Money>,
    /// The currency of its prices, where one is stated.
    pub(super) currency: Option<CompactString>,
}

/// Takes `value` and `currency` out of the properties. A `value` that is no number is an error where it must
/// be money: beside a currency, an order or products. Elsewhere, as in `{"filter": "colour", "value":
/// "blue"}`, it is left as a property.
///
/// # Errors
/// `InvalidField`.
pub(super) fn stated(properties: &mut Fields, is_commerce: bool) -> Result<Stated, Reject> {
    let currency = properties.take(Field::Currency).map(code_of).transpose()?;
    let is_number = |value: &Tree<'_>| match value {
        Tree::Number(_) => true,
        Tree::Text(text) => hundredths_of_text(text).is_some(),
        _ => false,
    };
    if !is_commerce && currency.is_none() && !properties.peek(Field::Value).is_some_and(is_number) {
        return Ok(Stated { value: None, currency });
    }
    let value = match properties.take(Field::Value) {
        None => None,
        Some(found) => Some(Money {
            hundredths: hundredths(found)?,
            currency: currency.clone().unwrap_or_else(|| NO_CURRENCY.into()),
        }),
    };
    Ok(Stated { value, currency })
}

/// An amount in hundredths of the currency's unit, from a number or a text such as `59.90`. A text is read
/// digit by digit; of a number, which is a double already, the nearest hundredth is taken.
///
/// # Errors
/// `InvalidField` for other types, for negative amounts and for those above 1e13 units.
pub(super) fn hundredths(found: Found) -> Result<i64, Reject> {
    let amount = match found.value() {
        Tree::Number(number) => match number.as_i64() {
            Some(whole) => whole.checked_mul(100),
            None => hundredths_of_double(number.as_f64().unwrap_or(f64::MAX)),
        },
        Tree::Text(text) => Some(hundredths_of_text(text).ok_or_else(|| {
            found.invalid("not an amount; send a number, or a text of digits with a point, such as 59.90")
        })?),
        _ => return Err(found.invalid("neither a number nor a text; send an amount such as 59.90")),
    };
    match amount {
        Some(amount) if (0..=UNITS_MAX * 100).contains(&amount) => Ok(amount),
        _ => Err(found.invalid("an amount must lie between 0 and 1e13")),
    }
}

fn hundredths_of_double(number: f64) -> Option<i64> {
    let amount = (number * 100.0).round();
    // A negative amount stays negative, however small it is.
    if number < 0.0 || amount > (UNITS_MAX * 100) as f64 { None } else { Some(amount as i64) }
}

/// None for what is no decimal number; -1 for any negative amount; `i64::MAX` for what is too large.
fn hundredths_of_text(text: &str) -> Option<i64> {
    let text = text.trim();
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (units, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(units) || !is_number(fraction) {
        return None;
    }
    let digit = |place: usize| i64::from(fraction.as_bytes().get(place).map_or(0, |byte| byte - b'0'));
    let cents = digit(0) * 10 + digit(1) + i64::from(digit(2) >= 5);
    let units = units.parse::<i64>().ok().and_then(|units| units.checked_mul(100));
    let amount = units.and_then(|units| units.checked_add(cents)).unwrap_or(i64::MAX);
    let is_zero = digits.bytes().all(|byte| byte == b'0' || byte == b'.');
    Some(if is_negative && !is_zero { -1 } else { amount })
}

fn code_of(found: Found) -> Result<CompactString, Reject> {
    match found.value() {
        Tree::Text(code) if code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_alphabetic()) => {
            Ok(code.to_ascii_uppercase().into())
        }
        _ => Err(found.invalid("not a currency; send the three letters of ISO 4217, such as EUR")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::codec::wire::tree::arena;

    fn read(value: Value) -> Option<i64> {
        hundredths(Found::whole(&Tree::of(&value, &arena()))).ok()
    }

    #[test]
    fn amounts_are_rounded_to_hundredths_half_away_from_zero() {
        for (value, expected) in [
            (json!(59.9), 5990),
            (json!(59), 5900),
            (json!(0), 0),
            (json!(-0.0), 0),
            (json!(1e13), 1_000_000_000_000_000),
            (json!(1.125), 113),
            (json!(0.29), 29),
            (json!("59.90"), 5990),
            (json!("59.9"), 5990),
            (json!("59"), 5900),
            (json!(" +1.005 "), 101),
            (json!("1.0049999999999999999999"), 100),
            (json!("0.995"), 100),
            (json!("-0.00"), 0),
            (json!("10000000000000"), 1_000_000_000_000_000),
        ] {
            assert_eq!(read(value.clone()), Some(expected), "{value}");
        }
    }

    #[test]
    fn impossible_amounts_are_refused() {
        for value in [
            json!(-1),
            json!(-0.001),
            json!("-0.001"),
            json!("-5"),
            json!(1.1e13),
            json!(u64::MAX),
            json!(i64::MAX),
            json!("10000000000000.01"),
            json!("99999999999999999999999"),
            json!("59,90"),
            json!("1e3"),
            json!("NaN"),
            json!("inf"),
            json!(""),
            json!("."),
            json!("1."),
            json!(".5"),
            json!("€5"),
            json!("1.2.3"),
            json!("--1"),
            json!(true),
            json!([1]),
            json!({}),
        ] {
            assert_eq!(read(value.clone()), None, "{value}");
        }
    }

    proptest! {
        #[test]
        fn a_price_in_cents_survives_as_number_and_as_text(cents in 0_i64..100_000_000_000) {
            let text = format!("{}.{:02}", cents / 100, cents % 100);
            prop_assert_eq!(read(json!(text)), Some(cents));
            prop_assert_eq!(read(json!(text.parse::<f64>().unwrap())), Some(cents));
        }

        #[test]
        fn any_text_and_any_double_give_an_amount_or_a_reason(text in ".*", number in any::<f64>()) {
            for value in [json!(text), json!(number)] {
                if let Some(amount) = read(value) {
                    prop_assert!((0..=UNITS_MAX * 100).contains(&amount));
                }
            }
        }
    }
}
