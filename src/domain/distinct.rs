//! About how many distinct values there were, in little memory: HyperLogLog (Flajolet, Fusy, Gandouet and
//! Meunier, 2007) with 512 registers, of which the standard error is 4.6 %, and linear counting (Whang,
//! Vander-Zanden and Taylor, 1990) while there are few. Over a window each register holds the ranks that may
//! still become its highest, as in Sliding HyperLogLog (Chabchoub and Hebrail, 2010).

use super::points::Point;
use super::scalar::Scalar;

/// How many bits of a hash choose the register.
const REGISTER_BITS: u32 = 9;
const REGISTERS: usize = 1 << REGISTER_BITS;
/// How many bits of a mark hold the rank, which is at most 56.
const RANK_BITS: u32 = 6;

/// The mark that a value leaves: its register and its rank in one number.
pub(crate) fn mark(value: &str) -> Scalar {
    let hash = xxhash_rust::xxh3::xxh3_64(value.as_bytes());
    let register = hash >> (64 - REGISTER_BITS);
    // A one behind the bits that are left bounds the rank.
    let rest = hash << REGISTER_BITS | 1 << (REGISTER_BITS - 1);
    let rank = u64::from(rest.leading_zeros()) + 1;
    Scalar::Integer((register << RANK_BITS | rank).cast_signed())
}

/// Whether one mark is of the same register as another and of no lower rank.
pub(crate) fn outranks(one: &Scalar, other: &Scalar) -> bool {
    let ((one, high), (other, low)) = (parts(one), parts(other));
    one == other && high >= low
}

/// About how many distinct values left these marks.
pub(crate) fn estimate(points: &[Point]) -> i64 {
    let mut ranks = [0_u8; REGISTERS];
    for (register, rank) in points.iter().map(|point| parts(&point.value)) {
        if let Some(highest) = ranks.get_mut(register) {
            *highest = rank.max(*highest);
        }
    }
    let registers = REGISTERS as f64;
    let empty = ranks.iter().filter(|rank| **rank == 0).count();
    let sum: f64 = ranks.iter().map(|rank| libm::exp2(-f64::from(*rank))).sum();
    let raw = 0.7213 / (1.0 + 1.079 / registers) * registers * registers / sum;
    let few = raw <= 2.5 * registers && empty > 0;
    let number = if few { registers * libm::log(registers / empty as f64) } else { raw };
    number.round() as i64
}

fn parts(mark: &Scalar) -> (usize, u8) {
    let Scalar::Integer(mark) = mark else { return (0, 0) };
    let register = (mark >> RANK_BITS).cast_unsigned() as usize % REGISTERS;
    (register, (mark & ((1 << RANK_BITS) - 1)) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::points::{Keep, Points};
    use crate::domain::time::Timestamp;

    fn estimated(count: usize, salt: usize) -> f64 {
        let mut points = Points::default();
        for number in 0..count {
            let point = Point { at: Timestamp::EARLIEST, value: mark(&format!("{salt} {number}")) };
            points.add(point, Keep::HighestRank, Timestamp::EARLIEST, None);
        }
        estimate(points.as_slice()) as f64
    }

    #[test]
    fn the_error_is_what_is_stated() {
        for count in [10, 100, 1_000, 10_000] {
            let squares: f64 =
                (0..40).map(|salt| (estimated(count, salt) / count as f64 - 1.0).powi(2)).sum();
            let error = (squares / 40.0).sqrt();
            assert!(error < 0.046 * 1.3, "{count}: {error}");
        }
    }

    #[test]
    fn of_nothing_there_is_nothing_and_of_one_there_is_one() {
        assert_eq!((estimated(0, 0), estimated(1, 0)), (0.0, 1.0));
    }
}
