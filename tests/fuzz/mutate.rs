//! New inputs from old ones: bits flipped, pieces cut out, doubled, moved, spliced in from another input or
//! from the target's words; lengths inflated; brackets repeated; the end cut off.

use crate::dice::Dice;
use crate::target::INPUT_BYTES_MAX;

/// A few changes of `input`; `other` is an input to take pieces from.
pub(crate) fn mutated(dice: &mut Dice, input: &[u8], other: &[u8], words: &[&str]) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..=dice.below(4) {
        change(dice, &mut bytes, other, words);
        bytes.truncate(INPUT_BYTES_MAX);
    }
    bytes
}

fn change(dice: &mut Dice, bytes: &mut Vec<u8>, other: &[u8], words: &[&str]) {
    let at = dice.below(bytes.len() + 1);
    let piece = |dice: &mut Dice, from: &[u8]| {
        let start = dice.below(from.len());
        let length_max = 1 + dice.below(200);
        let end = start + dice.below((from.len() - start).min(length_max)) + 1;
        from.get(start..end).unwrap_or_default().to_vec()
    };
    match dice.below(13) {
        0 => flip(dice, bytes),
        1 => replace(bytes, at, 1, &[*dice.of(&[0, 1, 0x7f, 0x80, 0xff, b'"', b'[', b'{', b'-', b'9'])]),
        2 => bytes.truncate(at),
        3 => {
            let bits = dice.below(10);
            let length = dice.below(1 << bits);
            replace(bytes, at, length, &[]);
        }
        4 => {
            let own = piece(dice, bytes);
            replace(bytes, at, 0, &own);
        }
        5 => {
            let foreign = piece(dice, other);
            let length = if dice.one_in(2) { foreign.len() } else { 0 };
            replace(bytes, at, length, &foreign);
        }
        6 | 7 if !words.is_empty() => {
            let word = dice.of(words).as_bytes();
            let length = if dice.one_in(2) { word.len() } else { 0 };
            replace(bytes, at, length, word);
        }
        8 => {
            let varint = varint(dice.number());
            replace(bytes, at, 1, &varint);
        }
        9 => {
            let times = 1 << dice.below(13);
            let repeated = if dice.one_in(2) || words.is_empty() {
                piece(dice, bytes)
            } else {
                dice.of(words).as_bytes().to_vec()
            };
            let room = INPUT_BYTES_MAX / repeated.len().max(1);
            replace(bytes, at, 0, &repeated.repeat(times.min(room)));
        }
        10 => {
            let number = dice.number().to_string();
            replace_digits(bytes, at, number.as_bytes());
        }
        11 => {
            let number = dice.number().to_be_bytes();
            let length = *dice.of(&[1, 2, 4, 8]);
            replace(bytes, at, length, number.get(8 - length..).unwrap_or_default());
        }
        _ => flip(dice, bytes),
    }
}

fn flip(dice: &mut Dice, bytes: &mut [u8]) {
    let at = dice.below(bytes.len());
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1 << dice.below(8);
    }
}

fn replace(bytes: &mut Vec<u8>, at: usize, length: usize, by: &[u8]) {
    let end = (at + length).min(bytes.len());
    bytes.splice(at.min(end)..end, by.iter().copied());
}

/// Puts a number in the place of the next one behind `at`.
fn replace_digits(bytes: &mut Vec<u8>, at: usize, by: &[u8]) {
    let Some(start) = bytes.iter().skip(at).position(u8::is_ascii_digit).map(|found| at + found) else {
        return;
    };
    let length = bytes.iter().skip(start).take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
    replace(bytes, start, length, by);
}

/// A number as Avro writes it.
pub(crate) fn varint(number: i64) -> Vec<u8> {
    let mut bits = ((number << 1) ^ (number >> 63)) as u64;
    let mut bytes = Vec::new();
    while bits > 0x7f {
        bytes.push((bits & 0x7f) as u8 | 0x80);
        bits >>= 7;
    }
    bytes.push(bits as u8);
    bytes
}
