//! The sums of a counter by bucket, packed. A person may have a thousand of them, most of them one after the one
//! before and with a small sum: two bytes each instead of sixteen, in memory as in the row.

use smallvec::SmallVec;

/// So many bytes lie in the counter itself: most persons have a few buckets of each counter, for which no memory is
/// asked then, and none has to be waited for.
const INLINE_BYTES: usize = 16;

/// (number of the bucket, sum in it), sorted by number.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Buckets {
    /// The number of the first one: with every event it is asked of every counter of a person.
    first: i64,
    /// The number of the last one, to which the next amount mostly belongs.
    last: i64,
    /// The sum in the first one; of each that follows its distance from the one before, and its sum. Zigzag, seven
    /// bits a byte, the lowest first.
    packed: Packed,
}

type Packed = SmallVec<[u8; INLINE_BYTES]>;

/// Goes through buckets.
#[derive(Clone, Debug)]
pub struct Iter<'b> {
    /// The number of the next one, if there is one.
    number: i64,
    rest: &'b [u8],
}

/// What every byte of a number has but its last.
const MORE: u8 = 0x80;

impl Buckets {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.packed.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        // Each has two numbers, but for the first.
        self.packed.iter().filter(|byte| **byte & MORE == 0).count().div_ceil(2)
    }

    /// The number of the first one.
    pub fn first(&self) -> Option<i64> {
        (!self.is_empty()).then_some(self.first)
    }

    /// All of them.
    pub fn iter(&self) -> Iter<'_> {
        Iter { number: self.first, rest: &self.packed }
    }

    /// What the sums in them add up to; it stops at the ends of its range.
    pub(crate) fn total(&self) -> i64 {
        let (mut total, mut rest) = (0_i128, &*self.packed);
        while !rest.is_empty() {
            match rest.split_first_chunk().and_then(|(eight, after)| Some((small_total(*eight)?, after))) {
                Some((of_four, after)) => {
                    total += i128::from(of_four);
                    rest = after;
                }
                None => {
                    total += i128::from(take(&mut rest));
                    // How far the next one is, if there is one.
                    take(&mut rest);
                }
            }
        }
        total.clamp(i64::MIN.into(), i64::MAX.into()) as i64
    }

    /// What a row has of them after the number of the first one.
    pub(crate) fn packed(&self) -> &[u8] {
        &self.packed
    }

    /// What a row has of them, with the numbers of the first one and of the last.
    pub(crate) fn of_packed(first: i64, last: i64, packed: &[u8]) -> Buckets {
        Buckets { first, last, packed: SmallVec::from_slice(packed) }
    }

    /// Adds one behind all others.
    pub(crate) fn push(&mut self, number: i64, sum: i64) {
        if self.is_empty() {
            self.first = number;
        } else {
            put(&mut self.packed, number.wrapping_sub(self.last));
        }
        put(&mut self.packed, sum);
        self.last = number;
    }

    /// Adds an amount to a bucket. One that adds up to zero goes: its leaving would change nothing.
    pub(crate) fn add(&mut self, number: i64, amount: i64) {
        if self.is_empty() || number > self.last {
            return self.push(number, amount);
        }
        if number == self.last {
            let begins = self.last_sum_begins();
            let sum = take(&mut self.packed.get(begins..).unwrap_or_default()).saturating_add(amount);
            if sum != 0 {
                self.packed.truncate(begins);
                return put(&mut self.packed, sum);
            }
        }
        self.add_anywhere(number, amount);
    }

    /// The same by packing them all afresh: what is late, and what adds up to zero, is seldom.
    fn add_anywhere(&mut self, number: i64, amount: i64) {
        let mut all: Vec<(i64, i64)> = self.iter().collect();
        match all.binary_search_by_key(&number, |(number, _)| *number) {
            Ok(at) => {
                let sum = all.get(at).map_or(0, |(_, sum)| *sum).saturating_add(amount);
                all.splice(at..=at, (sum != 0).then_some((number, sum)));
            }
            Err(at) => all.insert(at, (number, amount)),
        }
        *self = all.into_iter().collect();
    }

    /// Takes out, one after the other from the first, those before `oldest`. Returns whether there were any.
    pub(crate) fn expire(&mut self, oldest: i64) -> bool {
        let mut kept = self.iter();
        while kept.number < oldest && kept.next().is_some() {}
        let (first, gone) = (kept.number, self.packed.len() - kept.rest.len());
        self.first = first;
        self.packed.drain(..gone);
        if self.is_empty() {
            *self = Buckets::default();
        }
        gone > 0
    }

    /// Looks at the last of their bytes, which brings it near to the processor.
    pub(crate) fn touch(&self) -> usize {
        self.packed.last().map_or(0, |byte| usize::from(*byte))
    }

    fn last_sum_begins(&self) -> usize {
        let before = self.packed.len().saturating_sub(1);
        let ends = self.packed.iter().take(before).rposition(|byte| byte & MORE == 0);
        ends.map_or(0, |ends| ends + 1)
    }
}

impl FromIterator<(i64, i64)> for Buckets {
    fn from_iter<I: IntoIterator<Item = (i64, i64)>>(all: I) -> Buckets {
        let mut buckets = Buckets::default();
        all.into_iter().for_each(|(number, sum)| buckets.push(number, sum));
        buckets
    }
}

impl Iterator for Iter<'_> {
    type Item = (i64, i64);

    fn next(&mut self) -> Option<(i64, i64)> {
        if self.rest.is_empty() {
            return None;
        }
        let bucket = (self.number, take(&mut self.rest));
        if !self.rest.is_empty() {
            self.number = self.number.wrapping_add(take(&mut self.rest));
        }
        Some(bucket)
    }
}

/// What four sums add up to, each followed by the distance to the next, where all eight are of one byte and the sums
/// not below zero: most are, and a person may have hundreds.
fn small_total(bytes: [u8; 8]) -> Option<u64> {
    const SUMS: u64 = u64::from_le_bytes([0xff, 0, 0xff, 0, 0xff, 0, 0xff, 0]);
    const SIGNS: u64 = u64::from_le_bytes([1, 0, 1, 0, 1, 0, 1, 0]);
    let bytes = u64::from_le_bytes(bytes);
    if bytes & (u64::from_le_bytes([MORE; 8]) | SIGNS) != 0 {
        return None;
    }
    let [a, _, b, _, c, _, d, _] = ((bytes & SUMS) >> 1).to_le_bytes().map(u64::from);
    Some(a + b + c + d)
}

fn put(packed: &mut Packed, number: i64) {
    let mut rest = ((number << 1) ^ (number >> 63)).cast_unsigned();
    while rest >= u64::from(MORE) {
        packed.push(rest as u8 | MORE);
        rest >>= 7;
    }
    packed.push(rest as u8);
}

fn take(rest: &mut &[u8]) -> i64 {
    let (mut number, mut shift) = (0_u64, 0);
    while let Some((byte, after)) = rest.split_first() {
        *rest = after;
        number |= u64::from(byte & !MORE) << shift;
        shift += 7;
        if byte & MORE == 0 {
            break;
        }
    }
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn number() -> impl Strategy<Value = i64> {
        prop_oneof![4 => 490_000..490_020_i64, 1 => -3..3_i64, 1 => any::<i64>()]
    }

    fn amount() -> impl Strategy<Value = i64> {
        prop_oneof![4 => -3..4_i64, 1 => any::<i64>()].prop_filter("an amount", |amount| *amount != 0)
    }

    proptest! {
        #[test]
        fn they_are_as_a_sorted_map_would_have_them(
            amounts in prop::collection::vec((number(), amount()), 0..40),
            oldest in number(),
        ) {
            let (mut buckets, mut expected) = (Buckets::default(), BTreeMap::<i64, i64>::new());
            for (number, amount) in amounts {
                buckets.add(number, amount);
                let sum = expected.remove(&number).unwrap_or(0).saturating_add(amount);
                expected.extend((sum != 0).then_some((number, sum)));
                prop_assert_eq!(buckets.iter().collect::<BTreeMap<_, _>>(), expected.clone());
                prop_assert_eq!(buckets.len(), expected.len());
                prop_assert_eq!(buckets.first(), expected.keys().next().copied());
            }
            let total: i128 = expected.values().map(|sum| i128::from(*sum)).sum();
            prop_assert_eq!(i128::from(buckets.total()), total.clamp(i64::MIN.into(), i64::MAX.into()));
            let kept = expected.split_off(&oldest);
            prop_assert_eq!(buckets.expire(oldest), !expected.is_empty());
            let packed_afresh: Buckets = kept.into_iter().collect();
            prop_assert_eq!(buckets, packed_afresh);
        }
    }

    #[test]
    fn a_common_one_takes_two_bytes() {
        let buckets: Buckets = (490_000..490_168).map(|number| (number, 7)).collect();
        assert_eq!((buckets.len(), buckets.packed().len()), (168, 2 * 168 - 1));
    }
}
