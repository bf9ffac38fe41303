//! A document of the definitions topic. Accepted or refused, it is the same the second time.

use bespoke::config::definitions::parse_definitions;
use bespoke::shop::CONFIG;

use super::config::WORDS;
use crate::target::{Run, Target, kind, law};

pub(crate) const TARGET: Target = Target { name: "definitions", seeds, words: WORDS, generate: None, open };

fn seeds() -> Vec<Vec<u8>> {
    let begins = CONFIG.find("\nattributes:").unwrap();
    let conditions = "attributes: {a: {count: any}}\nsegments:\n  s: {enter: 'attributes.a > 1 && event.items.exists(i, i.price > 3.0)'}\n";
    vec![CONFIG.as_bytes()[begins..].to_vec(), conditions.as_bytes().to_vec()]
}

fn open() -> Run {
    Box::new(|input| {
        let text = String::from_utf8_lossy(input);
        let read = || parse_definitions(&text, "d").map(|_| ()).map_err(|errors| errors.to_string());
        let first = read();
        law(first == read(), "another answer the second time")?;
        Ok(first.map_or_else(|errors| kind(&errors), |()| 1))
    })
}
