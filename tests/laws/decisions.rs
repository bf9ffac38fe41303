//! Laws of decisions: always an answer, the best first, nothing that was to be left out, and reasons that
//! explain the score; held against a ranking worked out from the definition.

use bespoke::domain::catalogue::{Catalogue, Content};
use bespoke::domain::decision::{Decision, LadderStep, Ranked};
use bespoke::domain::react::Outcome;
use bespoke::domain::rulebook::{NameId, RankBy};
use bespoke::domain::share::shares;
use bespoke::domain::site::SiteShares;
use bespoke::domain::time::HOUR_MS;
use compact_str::CompactString;
use proptest::prelude::*;

use super::builder::*;

/// Weights of few sizes, so that scores are often equal.
fn weight() -> impl Strategy<Value = f64> {
    prop::sample::select(vec![0.0, 0.5, 1.0, 2.0])
}

fn catalogue() -> impl Strategy<Value = Catalogue> {
    let weights = prop::collection::vec((0..CATEGORIES.len(), weight()), 0..3);
    let one = (weights, weight(), 0..8_usize, 0..6_u8);
    prop::collection::vec(one, 0..14).prop_map(|contents| {
        let content =
            |(number, (weights, base_weight, item, lock)): (usize, (Vec<(usize, f64)>, _, _, _))| {
                let mut weights: Vec<(&str, f64)> =
                    weights.iter().map(|(category, weight)| (CATEGORIES[*category], *weight)).collect();
                weights.sort_by(|one, other| one.0.cmp(other.0));
                weights.dedup_by(|one, other| one.0 == other.0);
                Content {
                    item_id: (item < 5).then(|| format!("p-{item}").into()),
                    slots: if lock == 0 { names(&["elsewhere"]) } else { Vec::new() },
                    starts_at: (lock == 2).then(|| at(30, 0)),
                    ends_at: [None, Some(at(20, 0)), None, Some(at(40, 0))]
                        .get(usize::from(lock))
                        .copied()
                        .flatten(),
                    ..super::builder::content(&format!("c-{number:02}"), base_weight, &weights)
                }
            };
        super::builder::contents(contents.into_iter().enumerate().map(content))
    })
}

/// What the site likes of hats and shoes, where it matters.
fn site() -> impl Strategy<Value = Option<SiteShares>> {
    let share = || prop::sample::select(vec![0.001, 0.25, 1.0]);
    prop::option::of((share(), share())).prop_map(|shares| {
        let (hats, shoes) = shares?;
        let shares = vec![("hats".into(), hats), ("shoes".into(), shoes)];
        Some(SiteShares { interest: "category".into(), as_of: at(0, 0), persons: 9, shares })
    })
}

/// Somebody who viewed and bought so many things, for whom a decision is asked.
pub(crate) fn asked() -> impl Strategy<Value = (Story, Vec<CompactString>)> {
    let seen = prop::collection::vec((0..CATEGORIES.len(), 0..5_u8, 0..24_i64, any::<bool>()), 0..6);
    let exclude = prop::collection::vec(prop::sample::select(vec!["c-01", "c-02", "p-1", "default"]), 0..3);
    (catalogue(), site(), seen, exclude).prop_map(|(catalogue, site, seen, exclude)| {
        let mut story = Story::new(shop());
        story.catalogue = catalogue;
        if let Some(shares) = site {
            story.rules.slots[0].rank_by = RankBy::Lift;
            story.site.put(shares);
        }
        for (number, (category, item, hour, bought)) in seen.into_iter().enumerate() {
            let name = if bought { "order_completed" } else { "product_viewed" };
            let mut event = about(&format!("m-{number}"), name, CATEGORIES[category], at(hour, 0));
            event.items[0].item_id = format!("p-{item}").into();
            story.send(&event);
        }
        story.sweep(at(24, 0));
        story.said.clear();
        (story, names(&exclude))
    })
}

fn ask(story: &mut Story, exclude: &[CompactString]) -> Decision {
    let exclude: Vec<&str> = exclude.iter().map(|id| &**id).collect();
    story.send(&request("ask", &exclude, at(24, 0)));
    let mut decisions = story.decisions();
    assert_eq!(decisions.len(), 1, "always an answer, and only one");
    decisions.remove(0)
}

/// What may be shown: content that is eligible and that neither the request nor the person's past excludes.
fn allowed<'a>(story: &'a Story, exclude: &'a [CompactString]) -> impl Iterator<Item = &'a Content> {
    story.catalogue.iter().filter(move |content| {
        let is = |id: &str| id == content.shown_item();
        content.is_eligible("home", at(24, 0))
            && !exclude.iter().any(|id| is(id) || *id == content.content_id)
            && !story.profile.recent.iter().any(|id| is(id))
            && !story.profile.orders.items.iter().any(|id| is(id))
    })
}

/// The ranking by its definition: id and score, and whether anything is known of the person.
fn expected(story: &Story, exclude: &[CompactString]) -> (Vec<(CompactString, f64)>, bool) {
    let interest = story.rules.interest("category").unwrap();
    let shares = shares(story.profile.affinities(NameId::of("category")), interest, None, at(24, 0));
    let sum: f64 = shares.iter().map(|share| share.score).sum();
    let score = |content: &Content| -> f64 {
        let strength = |value: &str| {
            let Some(of) = shares.iter().find(|share| *share.affinity.value == *value) else { return 0.0 };
            let of_site = story.site.of("category").and_then(|site| site.share(value));
            let lift = |site: f64| (of.score + interest.enter * site) / (sum + interest.enter) / site;
            of.share * of_site.map_or(1.0, lift)
        };
        content.weights.iter().map(|(value, weight)| strength(value) * weight).sum()
    };
    let known = !shares.is_empty();
    let mut ranked: Vec<(&Content, f64)> = allowed(story, exclude)
        .map(|content| (content, if known { score(content) } else { content.base_weight }))
        .collect();
    ranked.sort_by(|one, other| {
        let by_score = if (one.1 - other.1).abs() < 1e-9 {
            std::cmp::Ordering::Equal
        } else {
            other.1.total_cmp(&one.1)
        };
        by_score
            .then_with(|| other.0.base_weight.total_cmp(&one.0.base_weight))
            .then_with(|| one.0.content_id.cmp(&other.0.content_id))
    });
    (ranked.into_iter().take(3).map(|(content, score)| (content.content_id.clone(), score)).collect(), known)
}

fn explains(ranked: &Ranked) -> bool {
    let sum: f64 = ranked.reasons.iter().map(|reason| reason.weight).sum();
    let sorted = ranked.reasons.is_sorted_by(|one, other| one.weight >= other.weight);
    !ranked.reasons.is_empty() && sorted && (sum - ranked.score).abs() < 1e-9
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn the_answer_is_the_ranking_by_its_definition((mut story, exclude) in asked()) {
        let (expected, known) = expected(&story, &exclude);
        let again = ask(&mut story.clone(), &exclude);
        let decision = ask(&mut story, &exclude);
        prop_assert_eq!(&again, &decision);
        if expected.is_empty() {
            let wanted: Vec<CompactString> =
                story.rules.slots[0].fallback.iter().filter(|id| !exclude.contains(id)).cloned().collect();
            let ids: Vec<CompactString> = decision.ranked.iter().map(|ranked| ranked.content_id.clone()).collect();
            prop_assert_eq!(ids, wanted);
            prop_assert_eq!(decision.ladder, LadderStep::Fallback);
            return Ok(());
        }
        let personal = known && expected[0].1 > 0.0;
        prop_assert_eq!(decision.ladder, if personal { LadderStep::Personal } else { LadderStep::Popular });
        prop_assert_eq!(decision.ranked.len(), expected.len());
        for (ranked, (id, score)) in decision.ranked.iter().zip(&expected) {
            prop_assert_eq!(&ranked.content_id, id);
            prop_assert!((ranked.score - score).abs() < 1e-9);
            if ranked.reasons[0].code == "affinity" {
                prop_assert!(explains(ranked), "{ranked:?}");
            }
        }
    }

    #[test]
    fn what_is_left_out_is_said_and_not_shown((mut story, exclude) in asked()) {
        let allowed: Vec<CompactString> = allowed(&story, &exclude).map(|content| content.content_id.clone()).collect();
        let decision = ask(&mut story, &exclude);
        for excluded in &decision.excluded {
            prop_assert!(!allowed.contains(&excluded.content_id));
            prop_assert!(decision.ranked.iter().all(|ranked| ranked.content_id != excluded.content_id));
        }
        prop_assert!(decision.excluded.is_sorted_by(|one, other| one.content_id < other.content_id));
        prop_assert!(decision.ranked.iter().all(|ranked| !exclude.contains(&ranked.content_id)));
    }

    #[test]
    fn asking_changes_nothing_but_what_was_seen((mut story, exclude) in asked()) {
        let mut before = story.profile.clone();
        let decision = ask(&mut story, &exclude);
        prop_assert_eq!(decision.profile_version, before.version);
        before.seen = story.profile.seen.clone();
        prop_assert_eq!(&story.profile, &before);
        story.sweep(at(24, 0).plus_ms(HOUR_MS / 60));
        let exclude: Vec<&str> = exclude.iter().map(|id| &**id).collect();
        let again = story.send(&request("ask", &exclude, at(24, 0)));
        prop_assert_eq!(again, Outcome::Duplicate { conflicting: false });
    }
}

#[test]
fn the_ladder_has_four_steps() {
    let mut story = Story::new(shop());
    let ladder = |story: &mut Story, id: &str, exclude: &[&str], hours| {
        story.send(&request(id, exclude, at(hours, 0)));
        story.decisions().remove(0)
    };
    let popular = ladder(&mut story, "r1", &[], 0);
    assert_eq!((popular.ladder, &*popular.ranked[0].content_id), (LadderStep::Popular, "news"));
    assert_eq!((popular.ranked[0].score, popular.ranked[0].reasons[0].code), (0.9, "popular"));
    story.send(&about("m1", "product_viewed", "hats", at(1, 0)));
    story.said.clear();
    let personal = ladder(&mut story, "r2", &[], 2);
    let ids: Vec<&str> = personal.ranked.iter().map(|ranked| &*ranked.content_id).collect();
    assert_eq!((personal.ladder, ids), (LadderStep::Personal, vec!["hats", "news", "bags"]));
    assert!(personal.ranked[0].reasons[0].evidence.contains("category hats: share 1.000"));
    let all = ["shoes", "hats", "bags", "news"];
    let fallback = ladder(&mut story, "r3", &all, 2);
    assert_eq!((fallback.ladder, &*fallback.ranked[0].content_id), (LadderStep::Fallback, "default"));
    let nothing = ladder(&mut story, "r4", &["shoes", "hats", "bags", "news", "default", "second"], 2);
    assert_eq!((nothing.ladder, nothing.ranked.len()), (LadderStep::Nothing, 0));
    let mut elsewhere = request("r5", &[], at(2, 0));
    elsewhere.request.as_mut().unwrap().slot = "nowhere".into();
    story.send(&elsewhere);
    assert_eq!(story.decisions().remove(0).ladder, LadderStep::Nothing);
}
