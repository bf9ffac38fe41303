//! Whether every partition that the group reads belongs to one of its members.
//!
//! Under `cooperative-sticky` a partition changes hands in two rounds: in the first it is asked back, in the
//! second, for which whoever gave it back has to ask, it is given away. A static member that dies between the
//! two comes back under its name without any round, and nobody asks for the second: the partition belongs to
//! nobody until something else makes the group rebalance, which may be days. So after each rebalance members
//! look whether something was left over. Whoever finds it leaves the group and comes back, which makes it
//! share anew. This decides nothing about who gets what.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaResult;

use super::CALL_TIMEOUT;

/// How long after a rebalance the first look is taken, and then the next. The second round of a rebalance
/// comes within this time where nothing is wrong.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How often the same partitions must be nobody's before it is no passing state.
const LOOKS: usize = 2;

type Partitions = BTreeSet<(String, i32)>;

/// Looks at the group after rebalances, until nothing is left over.
#[derive(Default)]
pub(super) struct Coverage {
    next_look: Option<Instant>,
    left_over: Partitions,
    looks: usize,
}

impl Coverage {
    /// There was a rebalance.
    pub(super) fn changed(&mut self, now: Instant) {
        *self = Coverage { next_look: Some(now + LOOK_EVERY), ..Coverage::default() };
    }

    /// Takes a look if it is time. Answers the partitions that have been nobody's for some time, if any.
    pub(super) fn look<'t, C: ConsumerContext>(
        &mut self,
        consumer: &BaseConsumer<C>,
        group: &str,
        topics: impl Iterator<Item = &'t str>,
        now: Instant,
    ) -> Option<String> {
        if self.next_look.is_none_or(|next| now < next) {
            return None;
        }
        self.next_look = Some(now + LOOK_EVERY);
        let left_over = match left_over(consumer, group, topics) {
            Ok(Some(left_over)) => left_over,
            // A group in the middle of a rebalance tells nothing, nor does a broker that does not answer.
            Ok(None) => return None,
            Err(error) => {
                tracing::debug!(event = "coverage_unknown", %error, "the group could not be described");
                return None;
            }
        };
        if left_over.is_empty() {
            *self = Coverage::default();
            return None;
        }
        self.looks = if self.left_over == left_over { self.looks + 1 } else { 1 };
        self.left_over = left_over;
        let names = || self.left_over.iter().map(|(topic, number)| format!("{topic}-{number}"));
        (self.looks >= LOOKS).then(|| names().collect::<Vec<String>>().join(", "))
    }
}

/// The partitions that no member has; none while the group is rebalancing.
fn left_over<'t, C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    group: &str,
    topics: impl Iterator<Item = &'t str>,
) -> KafkaResult<Option<Partitions>> {
    let groups = consumer.fetch_group_list(Some(group), CALL_TIMEOUT)?;
    let found = groups.groups().iter().find(|found| found.name() == group && found.state() == "Stable");
    let Some(found) = found else { return Ok(None) };
    let mut left_over = Partitions::new();
    for topic in topics {
        let metadata = consumer.fetch_metadata(Some(topic), CALL_TIMEOUT)?;
        let topics = metadata.topics().iter().filter(|found| found.name() == topic);
        let partitions = topics.flat_map(|found| found.partitions());
        left_over.extend(partitions.map(|partition| (topic.to_owned(), partition.id())));
    }
    for member in found.members() {
        // A member whose assignment cannot be read may have anything.
        let Some(assigned) = member.assignment().and_then(assigned) else { return Ok(None) };
        left_over.retain(|partition| !assigned.contains(partition));
    }
    Ok(Some(left_over))
}

/// The partitions of an assignment in the consumer protocol: a version in two bytes, then topics with their
/// numbers of partitions, all lengths in front and big-endian. None if the bytes are something else.
fn assigned(bytes: &[u8]) -> Option<Partitions> {
    let mut rest = bytes;
    take::<2>(&mut rest)?;
    let mut assigned = Partitions::new();
    for _ in 0..length(&mut rest)? {
        let name_bytes = usize::from(u16::from_be_bytes(take(&mut rest)?));
        let (name, after) = rest.split_at_checked(name_bytes)?;
        rest = after;
        let topic = std::str::from_utf8(name).ok()?;
        for _ in 0..length(&mut rest)? {
            assigned.insert((topic.to_owned(), i32::from_be_bytes(take(&mut rest)?)));
        }
    }
    Some(assigned)
}

fn length(rest: &mut &[u8]) -> Option<i32> {
    take(rest).map(i32::from_be_bytes).filter(|length| *length >= 0)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, after) = rest.split_first_chunk::<N>()?;
    *rest = after;
    Some(*taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assignment_is_read_as_kafka_writes_it() {
        let mut bytes = vec![0, 1, 0, 0, 0, 2];
        bytes.extend([0, 1, b'a', 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3]);
        bytes.extend([0, 2, b'b', b'c', 0, 0, 0, 1, 0, 0, 1, 0]);
        let expected = [("a", 0), ("a", 3), ("bc", 256)].map(|(topic, number)| (topic.to_owned(), number));
        // What follows is the assignor's own data.
        bytes.extend([0xff; 4]);
        assert_eq!(assigned(&bytes), Some(Partitions::from(expected)));
        assert_eq!(assigned(&[0, 1, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]), Some(Partitions::new()));
    }

    #[test]
    fn other_bytes_are_no_assignment() {
        for bytes in [&[][..], &[0, 1, 0, 0, 0, 1], &[0, 1, 0, 0, 0, 1, 0, 9, b'a'], &[0xff; 7]] {
            assert_eq!(assigned(bytes), None, "{bytes:?}");
        }
    }
}
