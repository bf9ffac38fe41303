//! The parts that a row is made of: numbers, instants, texts and lists.

use super::Writer;
use crate::domain::rulebook::NameId;
use crate::domain::time::Timestamp;

impl Writer<'_> {
    pub(super) fn list<T>(&mut self, list: &[T], element: impl Fn(&mut Self, &T)) {
        self.length(list.len());
        for one in list {
            element(self, one);
        }
    }

    /// Those instants that are there.
    pub(super) fn times(&mut self, times: &[Option<Timestamp>]) {
        times.iter().flatten().for_each(|at| self.time(*at));
    }

    pub(super) fn time(&mut self, at: Timestamp) {
        self.signed(self.as_of.ms().wrapping_sub(at.ms()));
    }

    pub(super) fn name(&mut self, id: NameId) {
        self.bytes.extend_from_slice(&id.0.to_le_bytes());
    }

    pub(super) fn hash(&mut self, hash: u64) {
        self.bytes.extend_from_slice(&hash.to_le_bytes());
    }

    pub(super) fn text(&mut self, text: &str) {
        self.length(text.len());
        self.bytes.extend_from_slice(text.as_bytes());
    }

    pub(super) fn length(&mut self, length: usize) {
        self.unsigned(length as u64);
    }

    pub(super) fn signed(&mut self, number: i64) {
        self.unsigned(((number << 1) ^ (number >> 63)).cast_unsigned());
    }

    pub(super) fn unsigned(&mut self, number: u64) {
        let mut rest = number;
        while rest >= 0x80 {
            self.bytes.push((rest as u8 & 0x7f) | 0x80);
            rest >>= 7;
        }
        self.bytes.push(rest as u8);
    }

    pub(super) fn byte(&mut self, byte: u8) {
        self.bytes.push(byte);
    }
}
