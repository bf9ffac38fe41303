//! How far a profile is to be trusted: how much of what is asked about a person is known, and where what is
//! known disagrees. Both are read off the profile when somebody asks.

use super::attribute::AttributeValue;
use super::profile::Profile;
use super::rulebook::RuleBook;

/// The share of the attributes that say something, among those that may have nothing to say; 1 where there
/// are none of these.
pub fn completeness(rules: &RuleBook, profile: &Profile) -> f64 {
    let asked = rules.attributes.iter().filter(|rule| rule.aggregation.can_be_missing());
    let (mut all, mut present) = (0_u32, 0_u32);
    for rule in asked {
        all += 1;
        present += u32::from(rule.value(profile) != AttributeValue::Missing);
    }
    if all == 0 { 1.0 } else { f64::from(present) / f64::from(all) }
}

/// The names of the attributes whose parts say different things, in the order of the definitions.
pub fn contradictions<'r>(rules: &'r RuleBook, profile: &Profile) -> impl Iterator<Item = &'r str> {
    let contradicted = rules.attributes.iter().filter(|rule| rule.is_contradicted(profile));
    contradicted.map(|rule| &*rule.name)
}
