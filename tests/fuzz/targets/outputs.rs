//! Our own public records read back. The first byte chooses the topic.

use bespoke::codec::output::reading::{decode_decision, decode_profile_update, decode_segment_change};
use bespoke::codec::output::{OutputCodec, SchemaIds};
use bespoke::domain::decision::SegmentChange;
use bespoke::domain::person::Person;
use bespoke::domain::time::Timestamp;

use super::samples::{self, AT, SHOP};
use crate::target::{Run, Target, kind};

pub(crate) const TARGET: Target = Target { name: "outputs", seeds, words: &[], generate: None, open };

fn seeds() -> Vec<Vec<u8>> {
    let codec = OutputCodec::new(SchemaIds { profile_update: 1, decision: 2, segment_change: 3 });
    let person = Person::bare("user:1");
    let change = SegmentChange {
        transition_id: "t".into(),
        person: person.clone(),
        segment: "vip".into(),
        entered: true,
        at: Timestamp::from_ms(AT),
        profile_version: 3,
        cause: Some("m".into()),
        definitions: 1,
    };
    let update = codec.profile_update(&person, &samples::profile(), &SHOP.rules, &samples::site());
    vec![
        [&[0], &update[..]].concat(),
        [&[2], &codec.segment_change(&change)[..]].concat(),
        vec![1, 0, 0, 0, 0, 2],
    ]
}

fn open() -> Run {
    Box::new(|input| {
        let Some((choice, bytes)) = input.split_first() else { return Ok(0) };
        let reject = match choice % 3 {
            0 => decode_profile_update(bytes).err(),
            1 => decode_decision(bytes).err(),
            _ => decode_segment_change(bytes).err(),
        };
        Ok(reject.map_or(1, |reject| kind(&reject.to_string())))
    })
}
