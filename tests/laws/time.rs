//! Laws of time: the sweep and restarts leave no trace, `due` is neither early nor late, repeats are nothing,
//! and every change is one version.

use std::collections::BTreeSet;

use bespoke::codec::row;
use bespoke::domain::decision::Emission;
use bespoke::domain::event::Event;
use bespoke::domain::profile::{Cause, Profile};
use bespoke::domain::react::Outcome;
use bespoke::domain::rulebook::{Aggregation, RuleBook};
use bespoke::domain::time::{HOUR_MS, Timestamp};
use compact_str::CompactString;
use proptest::prelude::*;

use super::builder::*;

/// One event, how long after the stream time before it arrives, and where between the two the sweep comes by.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) event: Event,
    pub(crate) sweeps: Vec<u8>,
    /// Whether the process stops and starts before the event.
    pub(crate) restart: bool,
    /// Whether the event arrives twice.
    pub(crate) twice: bool,
}

/// An event without a time: its name, its category, an order's number.
fn kind() -> impl Strategy<Value = Event> {
    let name = prop_oneof![
        6 => Just("product_viewed"),
        3 => Just("product_added"),
        1 => Just("product_removed"),
        2 => Just("order_completed"),
        1 => Just("order_refunded"),
        2 => Just("page_viewed"),
        2 => Just("decision_request"),
    ];
    (name, 0..CATEGORIES.len(), 0..5, 1..4_u32, any::<bool>()).prop_map(
        |(name, category, number, quantity, stated)| {
            let mut event = match name {
                "decision_request" => request("", &["bags"], at(0, 0)),
                _ => about("", name, CATEGORIES[category], at(0, 0)),
            };
            if let Some(item) = event.items.first_mut() {
                item.item_id = format!("p-{number}").into();
                item.quantity = quantity;
            }
            event.order_id = (stated && name.starts_with("order")).then(|| format!("o-{number}").into());
            event
        },
    )
}

fn gap_ms() -> impl Strategy<Value = i64> {
    prop_oneof![0..40 * MINUTE_MS, 0..HOUR_MS * 30, Just(0), Just(HOUR_MS), 0..HOUR_MS * 200]
}

fn late_ms() -> impl Strategy<Value = i64> {
    prop_oneof![4 => Just(0), 1 => 0..40 * MINUTE_MS, 1 => 0..HOUR_MS * 90]
}

/// Stories of up to so many events, some late, some very late.
pub(crate) fn steps(length_max: usize) -> impl Strategy<Value = Vec<Step>> {
    let sweeps = prop::collection::vec(any::<u8>(), 0..3);
    let step = (kind(), gap_ms(), late_ms(), sweeps, any::<bool>(), any::<bool>());
    prop::collection::vec(step, 1..=length_max).prop_map(|steps| {
        let mut now = at(100, 0);
        let mut told = Vec::new();
        for (number, (mut event, gap_ms, late_ms, sweeps, restart, twice)) in steps.into_iter().enumerate() {
            now = now.plus_ms(gap_ms);
            event.message_id = format!("m-{number}").into();
            event.timestamp = now.plus_ms(-late_ms);
            told.push(Step { event, sweeps, restart, twice });
        }
        told
    })
}

fn told(steps: &[Step], before_each: impl FnMut(&mut Story, &Step)) -> (Profile, Vec<Emission>) {
    told_to(shop_of_all_kinds(), steps, before_each)
}

fn told_to(
    rules: RuleBook,
    steps: &[Step],
    mut before_each: impl FnMut(&mut Story, &Step),
) -> (Profile, Vec<Emission>) {
    let mut story = Story::new(rules);
    for step in steps {
        before_each(&mut story, step);
        story.send(&step.event);
    }
    story.sweep(story.now.plus_ms(60 * 24 * HOUR_MS));
    (story.profile, story.said)
}

/// Instants between the stream time so far and the event's.
fn between(story: &Story, step: &Step) -> Vec<Timestamp> {
    let gap_ms = step.event.timestamp.since_ms(story.now).max(0);
    let mut instants: Vec<_> =
        step.sweeps.iter().map(|share| story.now.plus_ms(gap_ms / 255 * i64::from(*share))).collect();
    instants.sort_unstable();
    instants
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Some gaps between events are longer than the retention.
    #[test]
    fn a_person_is_forgotten_at_the_same_time_whenever_the_sweep_comes_by(steps in steps(30)) {
        let mut rules = shop_of_all_kinds();
        rules.intake.retention_ms = Some(HOUR_MS * 96);
        let never = told_to(rules.clone(), &steps, |_, _| {});
        let sometimes = told_to(rules, &steps, |story, step| {
            for instant in between(story, step) {
                story.sweep(instant);
            }
        });
        prop_assert_eq!(&sometimes, &never);
        prop_assert_eq!(&never.0, &Profile::default());
        prop_assert!(matches!(never.1.last(), Some(Emission::Forgotten(_))));
        let ids: BTreeSet<CompactString> = never.1.iter().filter(|said| !is_end(said)).map(id).collect();
        prop_assert_eq!(ids.len(), never.1.iter().filter(|said| !is_end(said)).count(), "each id once");
    }

    #[test]
    fn the_sweep_may_come_by_at_any_time_or_never(steps in steps(30)) {
        let never = told(&steps, |_, _| {});
        let sometimes = told(&steps, |story, step| {
            for instant in between(story, step) {
                story.sweep(instant);
            }
        });
        let hourly = told(&steps, |story, step| {
            while story.now.plus_ms(HOUR_MS / 2) < step.event.timestamp {
                story.sweep(story.now.plus_ms(HOUR_MS / 2));
            }
        });
        prop_assert_eq!(&sometimes, &never);
        prop_assert_eq!(&hourly, &never);
    }

    #[test]
    fn definitions_may_change_wherever_the_sweep_comes_by(steps in steps(30), change_at in 0..30_usize) {
        let changed = || {
            let mut rules = shop_of_all_kinds();
            rules.fingerprint += 1;
            for rule in &mut rules.attributes {
                if let Aggregation::Lifecycle(lifecycle) = &mut rule.aggregation {
                    lifecycle.lapsed_ms = 16 * HOUR_MS;
                }
            }
            rules.segments.push(condition("seen_twice", "attributes.views_day >= 2", None, 5 * HOUR_MS));
            rules
        };
        let told = |before_each: &dyn Fn(&mut Story, &Step)| {
            let mut number = 0;
            told_to(shop_of_all_kinds(), &steps, |story, step| {
                if number == change_at {
                    // What is due before a change does not see it.
                    story.sweep(story.now);
                    story.rules = RuleBook { since: story.now, ..changed() };
                }
                number += 1;
                before_each(story, step);
            })
        };
        let never = told(&|_, _| {});
        let sometimes = told(&|story, step| {
            for instant in between(story, step) {
                story.sweep(instant);
            }
            story.profile = row::decode_profile(&row::encode_profile(&story.profile)).unwrap();
        });
        prop_assert_eq!(sometimes, never);
    }

    #[test]
    fn a_restart_leaves_no_trace(steps in steps(30)) {
        let stopped = told(&steps, |story, step| if step.restart {
            story.profile = row::decode_profile(&row::encode_profile(&story.profile)).unwrap();
        });
        prop_assert_eq!(stopped, told(&steps, |_, _| {}));
    }

    #[test]
    fn a_repeat_is_nothing(steps in steps(30), back in 0..5_usize) {
        let mut story = Story::new(shop_of_all_kinds());
        let mut sent: Vec<(Timestamp, Event)> = Vec::new();
        for step in &steps {
            story.send(&step.event);
            sent.push((story.now, step.event.clone()));
            let (seen_at, repeat) = sent[sent.len().saturating_sub(back + 1)].clone();
            if step.twice && story.now.since_ms(seen_at) <= story.rules.intake.seen_horizon_ms {
                // What the event itself made due in the past is not the repeat's doing.
                story.sweep(story.now);
                let before = story.clone();
                prop_assert_eq!(story.send(&repeat), Outcome::Duplicate { conflicting: false });
                let another = Event { page: Some("/elsewhere".into()), ..repeat };
                let is_duplicate = matches!(story.send(&another), Outcome::Duplicate { .. });
                prop_assert!(is_duplicate, "the id alone says what is a repeat");
                prop_assert_eq!(&story.profile, &before.profile);
                prop_assert_eq!(&story.said, &before.said);
            }
        }
    }

    #[test]
    fn due_is_neither_early_nor_late(steps in steps(20)) {
        let mut story = Story::new(shop_of_all_kinds());
        for step in &steps {
            story.send(&step.event);
            let mut later = story.clone();
            for _ in 0..4 {
                let Some(due) = later.due() else { break };
                let before = later.clone();
                prop_assert!(!later.sweep(due.plus_ms(-1)));
                prop_assert_eq!(&later.profile, &before.profile);
                prop_assert_eq!(&later.said, &before.said);
                prop_assert!(later.sweep(due));
                prop_assert_eq!(later.profile.version, before.profile.version + 1);
                prop_assert!(later.due() > Some(due) || later.due().is_none());
                let changed = (later.readings(), without_stamps(later.profile.clone()));
                let unchanged = (before.readings(), without_stamps(before.profile));
                prop_assert_ne!(changed, unchanged, "due, and nothing changed");
            }
        }
    }

    #[test]
    fn every_change_is_one_version_which_what_it_says_carries(steps in steps(30)) {
        let mut story = Story::new(shop_of_all_kinds());
        for step in &steps {
            story.sweep(story.now.max(step.event.timestamp));
            let before = story.profile.version;
            story.said.clear();
            let outcome = story.send(&step.event);
            let after = before + u64::from(outcome == Outcome::Applied);
            prop_assert_eq!(story.profile.version, after);
            prop_assert!(story.said.iter().all(|said| version_and_cause(said).0 == after));
            if outcome == Outcome::Applied {
                let cause = Some(step.event.message_id.clone());
                prop_assert_eq!(&story.profile.cause, &Cause::Event(step.event.message_id.clone()));
                prop_assert!(story.said.iter().all(|said| version_and_cause(said).1 == cause));
            }
        }
        let mut ids: Vec<_> = told(&steps, |_, _| {}).1.iter().map(id).collect();
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        prop_assert_eq!(ids.len(), count, "an id for each");
    }
}

/// The profile without what says only that there was a change.
fn without_stamps(profile: Profile) -> Profile {
    Profile { version: 0, as_of: Timestamp::EARLIEST, cause: Cause::None, ..profile }
}

fn version_and_cause(said: &Emission) -> (u64, Option<CompactString>) {
    use bespoke::domain::decision::DecisionCause;
    match said {
        Emission::SegmentChange(change) => (change.profile_version, change.cause.clone()),
        Emission::Decision(decision) => match &decision.cause {
            DecisionCause::Rule(_, message_id) => (decision.profile_version, message_id.clone()),
            DecisionCause::Request(message_id) => (decision.profile_version, Some(message_id.clone())),
        },
        Emission::Forgotten(_) => (0, None),
        Emission::LoopStopped(_) | Emission::Lost(_) => unreachable!("a story sets them apart"),
    }
}

fn is_end(said: &Emission) -> bool {
    matches!(said, Emission::Forgotten(_))
}

fn id(said: &Emission) -> CompactString {
    match said {
        Emission::SegmentChange(change) => change.transition_id.clone(),
        Emission::Decision(decision) => decision.decision_id.clone(),
        Emission::Forgotten(person) => person.to_string().into(),
        Emission::LoopStopped(_) | Emission::Lost(_) => unreachable!("a story sets them apart"),
    }
}
