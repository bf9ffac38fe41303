//! What a person may have too much of: what is at its limit is said with the profile, and what is lost to a limit is
//! told, once for each time. What goes does not depend on anything but what happened.

use bespoke::config::definitions::parse_definitions;
use bespoke::domain::event::{Event, Money};
use bespoke::domain::limit::{Limit, reached};
use bespoke::domain::rulebook::RuleBook;
use bespoke::domain::scalar::Scalar;

use super::builder::*;

fn rules(text: &str) -> RuleBook {
    parse_definitions(text, "limits").unwrap_or_else(|errors| panic!("{errors}"))
}

/// As many events of a name as one says, an hour apart, each made by its number.
fn story(text: &str, events: usize, change: impl Fn(usize, &mut Event)) -> Story {
    let mut story = Story::new(rules(text));
    for number in 0..events {
        let mut event = about(&format!("m-{number}"), "product_viewed", "shoes", at(number as i64, 0));
        change(number, &mut event);
        story.send(&event);
    }
    story
}

fn named(story: &Story) -> Vec<String> {
    reached(&story.rules, &story.profile)
}

#[test]
fn message_ids_of_before_the_horizon_are_no_loss() {
    let of = |events| story("dedupe: {ids_max: 3, horizon: 3h}", events, |_, _| {});
    assert_eq!((named(&of(2)), of(2).lost), (vec![], vec![]));
    assert_eq!((named(&of(3)), of(3).lost), (vec!["message_ids".to_owned()], vec![]));
    // A fourth within the three hours, both ends included, takes the place of the first.
    assert_eq!(of(5).lost, [Limit::MessageIds, Limit::MessageIds]);
    let wide = story("dedupe: {ids_max: 3, horizon: 2h}", 5, |_, _| {});
    assert_eq!(wide.lost, []);
}

#[test]
fn a_trait_more_is_not_taken() {
    let of = |traits: usize| {
        story("{}", 1, |_, event| {
            event.name = "identify".into();
            (0..traits).for_each(|number| event.traits.set(&format!("t{number:02}"), Scalar::Bool(true)));
        })
    };
    assert_eq!((named(&of(63)), of(63).lost), (vec![], vec![]));
    assert_eq!((named(&of(64)), of(64).lost), (vec!["traits".to_owned()], vec![]));
    assert_eq!(of(66).lost, [Limit::Traits; 2]);
}

#[test]
fn an_order_more_takes_the_place_of_the_first_and_a_refund_more_is_not_taken() {
    let orders = |orders| {
        story("{}", orders, |number, event| {
            event.name = "order_completed".into();
            event.order_id = Some(format!("o-{number}").into());
        })
    };
    assert_eq!((named(&orders(255)), orders(255).lost), (vec![], vec![]));
    assert_eq!((named(&orders(256)), orders(256).lost), (vec!["orders".to_owned()], vec![]));
    assert_eq!(orders(258).lost, [Limit::Orders; 2]);
    assert_eq!(orders(258).profile.orders.count, 258, "each counts all the same");
    let refunds = story("{}", 34, |number, event| {
        event.name = "order_refunded".into();
        event.order_id = Some("o".into());
        event.value = Some(Money { hundredths: 100, currency: "EUR".into() });
        event.properties.set("refund_id", Scalar::Text(format!("r-{number}").into()));
    });
    assert_eq!(refunds.lost, [Limit::Refunds; 2]);
}

#[test]
fn the_value_with_the_lowest_score_and_the_rarest_value_go() {
    let text = "interests: {colours: {facet: category, half_life: 7d, enter: 5, values_max: 2, \
                weights: {product_viewed: 1}}}";
    let interests =
        |events| story(text, events, |number, event| event.items = vec![item("p", CATEGORIES[number])]);
    assert_eq!((named(&interests(1)), interests(1).lost), (vec![], vec![]));
    assert_eq!(named(&interests(2)), ["interests.colours"]);
    assert_eq!(interests(4).lost, [Limit::Interests; 2]);
    let text = "attributes: {usual_shelf: {most_frequent: shelf, of: product_viewed}}";
    let shelves = |events| {
        story(text, events, |number, event| {
            event.properties.set("shelf", Scalar::Text(format!("{number:03}").into()))
        })
    };
    assert_eq!((named(&shelves(63)), shelves(63).lost), (vec![], vec![]));
    assert_eq!((named(&shelves(64)), shelves(64).lost), (vec!["attributes.usual_shelf".to_owned()], vec![]));
    assert_eq!(shelves(67).lost, [Limit::Attributes; 3]);
}
