//! The limits of what is held of one person, so that nobody, be it a bot, fills the state: what is at its limit, and
//! what was lost to it.

use super::frequencies;
use super::profile::Profile;
use super::purchase::ORDERS_MAX;
use super::rulebook::RuleBook;

/// How many traits are held of a person.
pub const TRAITS_MAX: usize = 64;

/// What there is a limit of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Limit {
    /// The message ids within the horizon, `dedupe.ids_max`: the oldest goes.
    MessageIds,
    /// The traits: a further one is not taken.
    Traits,
    /// The orders: the one that was told of first goes.
    Orders,
    /// The refunds of one order: a further one is not taken.
    Refunds,
    /// The values of an interest, its `values_max`: the one with the lowest score goes.
    Interests,
    /// The values that an attribute counts: the rarest goes.
    Attributes,
}

impl Limit {
    /// The name that metrics and updates give it.
    pub fn as_str(self) -> &'static str {
        match self {
            Limit::MessageIds => "message_ids",
            Limit::Traits => "traits",
            Limit::Orders => "orders",
            Limit::Refunds => "refunds",
            Limit::Interests => "interests",
            Limit::Attributes => "attributes",
        }
    }
}

/// Whether as many message ids within the horizon are remembered as may be. The profile holds how that was at its last
/// change: requests for decisions, which change nothing else of it, are remembered too.
pub(crate) fn are_ids_full(rules: &RuleBook, profile: &Profile) -> bool {
    let horizon = profile.as_of.plus_ms(-rules.intake.seen_horizon_ms);
    let outdated = profile.seen.partition_point(|seen| seen.at < horizon);
    profile.seen.len() - outdated >= rules.intake.seen_ids_max
}

/// What of a profile is held at its limit, by name, so that of the next thing that is new something is lost:
/// `message_ids`, `traits`, `orders`, `interests.NAME` and `attributes.NAME`.
pub fn reached(rules: &RuleBook, profile: &Profile) -> Vec<String> {
    let of_person = [
        (Limit::MessageIds, profile.ids_full),
        (Limit::Traits, profile.traits.len() >= TRAITS_MAX),
        (Limit::Orders, profile.orders.ledger.len() >= ORDERS_MAX),
    ];
    let of_person =
        of_person.iter().filter(|(_, is_reached)| *is_reached).map(|(limit, _)| limit.as_str().to_owned());
    let interests =
        rules.interests.iter().filter(|rule| profile.affinities(rule.id).len() >= rule.values_max);
    let interests = interests.map(|rule| format!("{}.{}", Limit::Interests.as_str(), rule.name));
    let values = |id| profile.frequencies(id).map_or(0, |of| of.as_slice().len());
    let attributes = rules.attributes.iter().filter(|rule| values(rule.id) >= frequencies::VALUES_MAX);
    let attributes = attributes.map(|rule| format!("{}.{}", Limit::Attributes.as_str(), rule.name));
    of_person.chain(interests).chain(attributes).collect()
}
