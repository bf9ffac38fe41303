//! The law of validity: what holds until an instant holds until then, if nothing happens.

use bespoke::domain::decision::Decision;
use bespoke::domain::time::{HOUR_MS, Timestamp};
use bespoke::domain::validity;
use compact_str::CompactString;
use proptest::prelude::*;

use super::builder::*;
use super::decisions::asked;
use super::time::steps;

/// The last instant before; where it is not said, one long after.
fn before(valid_until: Option<Timestamp>, now: Timestamp) -> Timestamp {
    valid_until.map_or(now.plus_ms(400 * 24 * HOUR_MS), |until| until.plus_ms(-1))
}

fn answer(story: &mut Story, at: Timestamp, exclude: &[CompactString]) -> Decision {
    let exclude: Vec<&str> = exclude.iter().map(|id| &**id).collect();
    story.send(&request(&format!("ask at {at:?}"), &exclude, at));
    story.decisions().pop().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn who_is_in_a_segment_stays_until_then(steps in steps(12)) {
        let mut story = Story::new(shop_of_all_kinds());
        for step in steps {
            story.send(&step.event);
        }
        for rule in story.rules.segments.iter().filter(|rule| story.profile.is_in(rule.id)) {
            let valid_until = validity::of_segment(&story.rules, rule, &story.profile, story.due());
            // A late event may have started a wait that is over already.
            let is_overdue = story.due().is_some_and(|due| due <= story.profile.as_of);
            let is_ahead = valid_until.is_none_or(|until| until > story.profile.as_of);
            prop_assert!(is_ahead || is_overdue, "{}", rule.name);
            let mut later = story.clone();
            later.sweep(before(valid_until, story.now));
            prop_assert_eq!(later.profile.segment(rule.id), story.profile.segment(rule.id), "{}", &rule.name);
        }
    }

    #[test]
    fn a_question_has_the_same_answer_until_then((mut story, exclude) in asked()) {
        let shown = |decision: &Decision| {
            let ranked = decision.ranked.iter().map(|ranked| ranked.content_id.clone());
            (decision.ladder, decision.status, ranked.collect::<Vec<_>>())
        };
        let now = story.now;
        let first = answer(&mut story, now, &exclude);
        prop_assert!(first.valid_until.is_none_or(|until| until > now));
        let then = first.valid_until.map_or(now.plus_ms(500 * HOUR_MS), |until| until.plus_ms(-1));
        prop_assert_eq!(shown(&answer(&mut story, then, &exclude)), shown(&first));
    }
}
