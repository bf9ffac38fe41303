//! Makes a failing input smaller while it goes on failing: ever smaller pieces are cut out.

use std::time::{Duration, Instant};

/// A smaller input that `fails` too, as small as the time allows.
pub(crate) fn minimised(input: &[u8], time: Duration, mut fails: impl FnMut(&[u8]) -> bool) -> Vec<u8> {
    let began = Instant::now();
    let mut best = input.to_vec();
    let mut piece = best.len().div_ceil(2).max(1);
    loop {
        let mut at = 0;
        let mut shrunk = false;
        while at < best.len() && began.elapsed() < time {
            let mut candidate = best.clone();
            candidate.drain(at..(at + piece).min(best.len()));
            if fails(&candidate) {
                best = candidate;
                shrunk = true;
            } else {
                at += piece;
            }
        }
        if began.elapsed() >= time || (piece == 1 && !shrunk) {
            return best;
        }
        piece = if shrunk { piece.min(best.len().max(1)) } else { (piece / 2).max(1) };
    }
}
