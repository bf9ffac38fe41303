//! Makes a failing run smaller: the same seed with ever fewer of its faults, as long as it still fails.

use std::collections::BTreeSet;

use super::run::{Outcome, run};

/// How often the run is repeated at most.
const RUNS_MAX: usize = 300;

/// The smallest set of faults found with which the seed still fails, and how that run went. Takes away halves
/// first, then quarters, and so on (Zeller's delta debugging without its complements).
pub(crate) fn shrink(seed: u64, failed: Outcome) -> (BTreeSet<usize>, Outcome) {
    let mut kept: BTreeSet<usize> = failed.fired.iter().map(|(number, _)| *number).collect();
    let mut last = failed;
    let mut size = kept.len().div_ceil(2);
    let mut runs = 0;
    while size > 0 && runs < RUNS_MAX {
        let mut smaller = false;
        let numbers: Vec<usize> = kept.iter().copied().collect();
        for chunk in numbers.chunks(size) {
            let fewer: BTreeSet<usize> =
                kept.iter().copied().filter(|number| !chunk.contains(number)).collect();
            let outcome = run(seed, Some(fewer.clone()));
            runs += 1;
            if outcome.violation.is_some() {
                (kept, last, smaller) = (fewer, outcome, true);
            }
        }
        if !smaller || size > kept.len() {
            size = if size == 1 && !smaller { 0 } else { (size / 2).max(usize::from(smaller)) };
        }
    }
    (kept, last)
}
