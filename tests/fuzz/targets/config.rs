//! The configuration file. What is accepted gives definitions that are accepted by themselves.

use bespoke::config::Config;
use bespoke::config::definitions::parse_definitions;
use bespoke::config::overlay::Flags;
use bespoke::shop::CONFIG;

use crate::target::{Run, Target, kind, law};

pub(crate) const TARGET: Target = Target { name: "config", seeds, words: WORDS, generate: None, open };

/// What YAML and the configuration make something of.
pub(crate) const WORDS: &[&str] = &[
    "[",
    "{",
    "- ",
    "? ",
    ": ",
    "|",
    ">-",
    "&a",
    "*a",
    "!!binary",
    "<<: *a",
    "---\n",
    "...\n",
    "%YAML 1.2\n",
    "\"\\u0000\"",
    "'",
    "#",
    "\t",
    "\n  ",
    "${X}",
    "${file:/nonexistent}",
    "~",
    ".inf",
    "1e400",
    "99999999999d",
    "9223372036854775807ms",
    "-1h",
    "0d",
    "segments:",
    "attributes:",
    "interests:",
    "rules:",
    "slots:",
    "{count: any, window: 7d, bucket: 1h}",
    "enter: attributes.a > 1",
    "after: a",
    "for: 365d",
    "half_life: 1h",
];

fn seeds() -> Vec<Vec<u8>> {
    let base = include_str!("../../../deploy/base/bespoke.yaml");
    let small = "application: a\nsources:\n  - {topic: t, format: json}\nkafka: {bootstrap: \"h:1\"}\nregistry: {url: \"http://h\"}\nsegments: {s: {enter: session.count > 1}}\n";
    [CONFIG, base, small].map(|text| text.as_bytes().to_vec()).to_vec()
}

fn open() -> Run {
    Box::new(|input| {
        let text = String::from_utf8_lossy(input);
        match Config::load(&text, "f", [], &Flags::new()) {
            Err(errors) => Ok(kind(&errors.to_string())),
            Ok(config) => {
                let again = parse_definitions(&config.definitions_text, "d");
                law(again.is_ok(), "definitions that are not accepted by themselves")?;
                Ok(1)
            }
        }
    })
}
