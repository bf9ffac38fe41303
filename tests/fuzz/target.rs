//! What a target is: a function from bytes to what became of them, with what its inputs are made from.

use crate::dice::Dice;

/// The longest input, in bytes.
pub(crate) const INPUT_BYTES_MAX: usize = 64 * 1024;

/// What became of an input: a number that tells kinds of answers apart, or the law that it breaks.
pub(crate) type Verdict = Result<u64, String>;

/// Runs one input.
pub(crate) type Run = Box<dyn FnMut(&[u8]) -> Verdict>;

/// One reader of foreign bytes.
pub(crate) struct Target {
    /// Its name, which is also its folder in the corpus.
    pub(crate) name: &'static str,
    /// Good inputs, from which others are made.
    pub(crate) seeds: fn() -> Vec<Vec<u8>>,
    /// What is put into inputs as a whole.
    pub(crate) words: &'static [&'static str],
    /// An input that is well formed as far as that is known here.
    pub(crate) generate: Option<fn(&mut Dice) -> Vec<u8>>,
    /// Sets up what is used for every input.
    pub(crate) open: fn() -> Run,
}

/// The kind of an answer: its text without digits, so that places in the input make no new kind.
pub(crate) fn kind(answer: &str) -> u64 {
    let text: String = answer.chars().filter(|character| !character.is_ascii_digit()).take(120).collect();
    xxhash_rust::xxh3::xxh3_64(text.as_bytes())
}

/// Says which law is broken unless it holds.
pub(crate) fn law(holds: bool, what: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}
