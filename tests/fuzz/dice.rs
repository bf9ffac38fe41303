//! Pseudo-random choices from a seed (SplitMix64), so that a run can be had again.

/// A stream of choices.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number below `end`; 0 where `end` is 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        if end == 0 { 0 } else { (self.bits() % end as u64) as usize }
    }

    /// Whether one of so many falls.
    pub(crate) fn one_in(&mut self, of: usize) -> bool {
        self.below(of) == 0
    }

    /// One of the choices, of which there is at least one.
    pub(crate) fn of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }

    /// One of these texts.
    pub(crate) fn text(&mut self, choices: &[&'static str]) -> &'static str {
        choices[self.below(choices.len())]
    }

    /// A number of a kind that breaks things: an end of a range, next to one, a power of two, or any.
    pub(crate) fn number(&mut self) -> i64 {
        match self.below(6) {
            0 => *self.of(&[i64::MIN, i64::MIN + 1, -1, 0, 1, i64::MAX - 1, i64::MAX]),
            1 => *self.of(&[i64::from(i32::MIN), i64::from(i32::MAX), i64::from(u32::MAX), 1 << 53]),
            2 => (1_i64 << self.below(63)).wrapping_add(self.below(3) as i64 - 1),
            3 => 1_767_607_200_000_i64.wrapping_add(self.below(1 << 32) as i64),
            4 => self.below(100) as i64,
            _ => self.bits() as i64,
        }
    }

    pub(crate) fn double(&mut self) -> f64 {
        match self.below(3) {
            0 => *self.of(&[f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN, -0.0, 1e-320]),
            1 => self.below(10_000) as f64 / 100.0,
            _ => f64::from_bits(self.bits()),
        }
    }
}
