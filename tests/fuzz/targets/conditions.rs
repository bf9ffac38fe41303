//! Conditions: their admission, and the evaluation of what is admitted on a full profile and event, twice.

use bespoke::domain::expression::Expression;
use bespoke::domain::scope::Scope;

use super::samples::{self, AT, SHOP};
use crate::dice::Dice;
use crate::target::{Run, Target, kind, law};

pub(crate) const TARGET: Target =
    Target { name: "conditions", seeds, words: WORDS, generate: Some(generate), open };

const WORDS: &[&str] = &[
    "attributes.views_7d",
    "event.properties.colour",
    "event.properties",
    "event.items",
    "traits",
    "recent",
    "segments",
    "tags.category",
    "session.count",
    "orders.revenue.EUR",
    "profile.version",
    "event.name",
    "9223372036854775807",
    "-9223372036854775808",
    "0u",
    "1e308",
    "0.0",
    "'a'",
    "b'a'",
    "r'\\'",
    "'''",
    "\\U0010ffff",
    " + ",
    " - ",
    " * ",
    " / ",
    " % ",
    " == ",
    " < ",
    " in ",
    " && ",
    " || ",
    "?",
    ":",
    "!",
    "-",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "[1,2,3]",
    "{'a':1}",
    ".map(x, x)",
    ".filter(x, x)",
    ".all(x, x)",
    ".exists(x, x)",
    ".exists_one(x, x)",
    ".size()",
    "size(",
    "has(",
    "int(",
    "uint(",
    "double(",
    "string(",
    "bytes(",
    "type(",
    "dyn(",
    "timestamp(",
    "duration(",
    ".matches(",
    ".contains(",
    ".startsWith(",
    ".endsWith(",
    ".min(",
    "max(",
    "optional.of(",
    ".?a",
    "[?0]",
    "a.b{c: 1}",
    "//\n",
    ".",
    ",",
];

fn seeds() -> Vec<Vec<u8>> {
    let texts = [
        "attributes.views_7d >= 5 && attributes.spent_30d > 12.5 || 'frequent_visitor' in segments",
        "event.items.exists(i, i.price > 3.0 && i.category == 'shoes')",
        "has(traits.plan) && traits.plan == 'gold' && size(recent) > 0",
        "event.items.map(i, i.quantity).filter(q, q > 1).size() > 0",
        "orders.revenue.EUR / double(orders.count) >= 500.0 ? session.open : !session.open",
        "event.properties.colour.startsWith('r') && event.properties.sizes.all(s, s != 'x')",
        "traits.exists(k, k == 'plan') && tags.category.size() % 2 == 0",
        "-(-9223372036854775807 - 1) > 0",
        "[1, 2, 3].map(x, x * 2) == [2, 4, 6] && {'a': 1}['a'] == 1",
    ];
    texts.map(|text| text.as_bytes().to_vec()).to_vec()
}

/// An expression by CEL's grammar.
fn generate(dice: &mut Dice) -> Vec<u8> {
    let mut text = String::new();
    expression(dice, &mut text, 0);
    text.into_bytes()
}

fn expression(dice: &mut Dice, text: &mut String, depth: usize) {
    const LEAVES: [&str; 22] = [
        "attributes.views_7d",
        "attributes.spent_30d",
        "event.properties.colour",
        "event.properties.sizes",
        "event.properties",
        "event.items",
        "traits",
        "recent",
        "segments",
        "tags.category",
        "session.count",
        "1",
        "0",
        "9223372036854775807",
        "-9223372036854775808",
        "1.5",
        "0.0",
        "2u",
        "'red'",
        "true",
        "null",
        "[1, 'a', 2.5, x]",
    ];
    const OPERATORS: [&str; 14] =
        ["+", "-", "*", "/", "%", "==", "!=", "<", ">=", "in", "&&", "||", ">", "<="];
    const CALLS: [&str; 9] = ["size", "int", "uint", "double", "string", "bytes", "type", "dyn", "-"];
    const MACROS: [&str; 5] = ["map", "filter", "all", "exists", "exists_one"];
    if depth > 6 || dice.one_in(4) {
        text.push_str(dice.text(&LEAVES));
        return;
    }
    match dice.below(6) {
        0 | 1 => {
            text.push('(');
            expression(dice, text, depth + 1);
            text.push_str(&format!(" {} ", dice.of(&OPERATORS)));
            expression(dice, text, depth + 1);
            text.push(')');
        }
        2 => {
            text.push_str(&format!("{}(", dice.of(&CALLS)));
            expression(dice, text, depth + 1);
            text.push(')');
        }
        3 => {
            expression(dice, text, depth + 1);
            text.push_str(&format!(".{}(x, ", dice.of(&MACROS)));
            expression(dice, text, depth + 1);
            text.push(')');
        }
        4 => {
            expression(dice, text, depth + 1);
            text.push('[');
            expression(dice, text, depth + 1);
            text.push(']');
        }
        _ => {
            text.push('(');
            for mark in ["?", ":", ""] {
                expression(dice, text, depth + 1);
                text.push_str(mark);
            }
            text.push(')');
        }
    }
}

fn open() -> Run {
    let profile = samples::profile();
    let event = samples::event("order_completed", "m", AT);
    Box::new(move |input| {
        let text = String::from_utf8_lossy(input);
        match Expression::compile(&text) {
            Err(error) => {
                law(!error.message.is_empty() && error.message.len() < 6_000, "no short reason")?;
                Ok(kind(&error.message))
            }
            Ok(expression) => {
                let scope = Scope {
                    rules: &SHOP.rules,
                    person: &event.person,
                    profile: &profile,
                    event: Some(&event),
                };
                let verdict = expression.holds(&scope);
                for _ in 0..4 {
                    law(expression.holds(&scope) == verdict, "another verdict the second time")?;
                }
                let again = Expression::compile(&text).map_err(|_| "refused the second time")?;
                law(again.reads() == expression.reads(), "it reads something else the second time")?;
                let reads = kind(&format!("{:?}", expression.reads()));
                Ok(reads ^ verdict.map_or(2, u64::from))
            }
        }
    })
}
