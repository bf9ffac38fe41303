//! The content that decisions choose from, as one partition of the command log knows it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use compact_str::CompactString;
use foldhash::fast::FixedState;
use serde::{Deserialize, Serialize};

use super::time::Timestamp;

/// A piece of content: a banner, a teaser, a product tile.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Content {
    /// Its id, which decisions name.
    pub content_id: CompactString,
    /// The slots that it may fill; none means any.
    pub slots: Vec<CompactString>,
    /// How much it is about each value of an interest, as (`shoes`, 1.0): at most 64, weights not negative.
    pub weights: Vec<(CompactString, f64)>,
    /// How good it is for somebody about whom nothing is known; not negative.
    pub base_weight: f64,
    /// The product that it shows, where it shows one: left out for those who saw or bought that product.
    pub item_id: Option<CompactString>,
    /// It may be shown from this instant on.
    pub starts_at: Option<Timestamp>,
    /// It may be shown until before this instant.
    pub ends_at: Option<Timestamp>,
}

/// All content, found by id and by what it is about.
///
/// Each piece of content has a number below [`Catalogue::numbers`], so that a decision can add up scores in a
/// list. Which one it has means nothing: it depends on what came and went before.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Catalogue {
    numbers: BTreeMap<CompactString, usize>,
    contents: Vec<Option<Arc<Content>>>,
    /// The numbers that no content has.
    free: BTreeSet<usize>,
    about: HashMap<CompactString, Vec<(usize, f64)>, FixedState>,
    by_base_weight: BTreeMap<(Reverse<u64>, CompactString), Arc<Content>>,
    /// By the instants at which it begins or ceases to be shown.
    by_change: BTreeMap<(Timestamp, CompactString), Arc<Content>>,
}

impl Content {
    /// Whether it may be shown in this slot at this instant.
    pub fn is_eligible(&self, slot: &str, at: Timestamp) -> bool {
        let started = self.starts_at.is_none_or(|starts| starts <= at);
        let ended = self.ends_at.is_some_and(|ends| ends <= at);
        started && !ended && self.may_fill(slot)
    }

    fn may_fill(&self, slot: &str) -> bool {
        self.slots.is_empty() || self.slots.iter().any(|allowed| &**allowed == slot)
    }

    /// The instants at which it begins and ceases to be shown.
    fn changes(&self) -> impl Iterator<Item = (Timestamp, CompactString)> {
        [self.starts_at, self.ends_at].into_iter().flatten().map(|at| (at, self.content_id.clone()))
    }

    /// The base weight as a whole number that is higher for a higher weight.
    pub(crate) fn base_weight_rank(&self) -> u64 {
        // Weights are not negative, and the bits of such numbers are in the order of the numbers; those of
        // minus zero would stand above all others.
        if self.base_weight > 0.0 { self.base_weight.to_bits() } else { 0 }
    }

    /// The product that it shows, or its own id where it shows none: what `exclude` lists compare with.
    pub fn shown_item(&self) -> &str {
        self.item_id.as_deref().unwrap_or(&self.content_id)
    }
}

impl Catalogue {
    /// Adds a piece of content, in the place of an earlier one with its id.
    pub fn put(&mut self, content: Content) {
        self.withdraw(&content.content_id);
        let content = Arc::new(content);
        let number = self.free.pop_first().unwrap_or(self.contents.len());
        for (value, weight) in &content.weights {
            self.about.entry(value.clone()).or_default().push((number, *weight));
        }
        self.by_base_weight.insert(base_weight_key(&content), Arc::clone(&content));
        self.by_change.extend(content.changes().map(|key| (key, Arc::clone(&content))));
        self.numbers.insert(content.content_id.clone(), number);
        match self.contents.get_mut(number) {
            Some(free) => *free = Some(content),
            None => self.contents.push(Some(content)),
        }
    }

    /// Takes a piece of content out, if it is there.
    pub fn withdraw(&mut self, content_id: &str) {
        let Some(number) = self.numbers.remove(content_id) else { return };
        let Some(old) = self.contents.get_mut(number).and_then(Option::take) else { return };
        self.free.insert(number);
        while let Some(None) = self.contents.last() {
            self.contents.pop();
            self.free.remove(&self.contents.len());
        }
        self.by_base_weight.remove(&base_weight_key(&old));
        for key in old.changes() {
            self.by_change.remove(&key);
        }
        for (value, _) in &old.weights {
            if let Some(entries) = self.about.get_mut(value) {
                entries.retain(|(other, _)| *other != number);
                if entries.is_empty() {
                    self.about.remove(value);
                }
            }
        }
    }

    /// The content with this id.
    pub fn get(&self, content_id: &str) -> Option<&Content> {
        self.numbered(*self.numbers.get(content_id)?)
    }

    /// The content with this number.
    pub fn numbered(&self, number: usize) -> Option<&Content> {
        self.contents.get(number)?.as_deref()
    }

    /// What all numbers are below.
    pub fn numbers(&self) -> usize {
        self.contents.len()
    }

    /// All content in the order of ids.
    pub fn iter(&self) -> impl Iterator<Item = &Content> {
        self.numbers.values().filter_map(|number| self.numbered(*number))
    }

    /// The numbers of the content that is about this value of an interest, with its weight for it.
    pub fn about(&self, value: &str) -> &[(usize, f64)] {
        self.about.get(value).map_or(&[], Vec::as_slice)
    }

    /// All content, that of the highest base weight first, then in the order of ids.
    pub fn by_base_weight(&self) -> impl Iterator<Item = &Content> {
        self.by_base_weight.values().map(|content| &**content)
    }

    /// When after an instant the first content for a slot begins or ceases to be shown.
    pub fn next_change(&self, slot: &str, after: Timestamp) -> Option<Timestamp> {
        let later = self.by_change.range((after.plus_ms(1), CompactString::default())..);
        later.filter(|(_, content)| content.may_fill(slot)).map(|((at, _), _)| *at).next()
    }

    /// How many pieces of content there are.
    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    /// Whether there is no content.
    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }
}

fn base_weight_key(content: &Content) -> (Reverse<u64>, CompactString) {
    (Reverse(content.base_weight_rank()), content.content_id.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(id: &str, base_weight: f64) -> Content {
        Content { content_id: id.into(), base_weight, ..Content::default() }
    }

    #[test]
    fn content_stands_in_the_order_of_base_weights_then_of_ids() {
        let mut catalogue = Catalogue::default();
        for (id, weight) in [("minus", -0.0), ("b", 0.5), ("a", 0.5), ("best", 2.0), ("zero", 0.0)] {
            catalogue.put(content(id, weight));
        }
        let ids: Vec<&str> = catalogue.by_base_weight().map(|content| &*content.content_id).collect();
        assert_eq!(ids, ["best", "a", "b", "minus", "zero"]);
    }

    #[test]
    fn a_change_or_a_withdrawal_leaves_nothing_of_the_old_content() {
        let mut catalogue = Catalogue::default();
        let starts_at = Some(Timestamp::from_ms(9));
        catalogue.put(Content { weights: vec![("shoes".into(), 1.0)], starts_at, ..content("a", 1.0) });
        catalogue.put(Content { weights: vec![("hats".into(), 0.5)], ..content("a", 3.0) });
        assert_eq!(catalogue.about("shoes"), []);
        assert_eq!(catalogue.about("hats"), [(0, 0.5)]);
        assert_eq!(catalogue.by_base_weight().count(), 1);
        catalogue.withdraw("a");
        assert!(catalogue.is_empty());
        assert_eq!(catalogue, Catalogue::default());
    }

    #[test]
    fn the_next_change_is_that_of_content_which_may_fill_the_slot() {
        let at = |ms| Some(Timestamp::from_ms(ms));
        let mut catalogue = Catalogue::default();
        catalogue.put(Content { starts_at: at(10), ends_at: at(40), ..content("any", 1.0) });
        catalogue.put(Content { slots: vec!["other".into()], ends_at: at(20), ..content("other", 1.0) });
        let next = |slot: &str, after| catalogue.next_change(slot, Timestamp::from_ms(after));
        assert_eq!([9, 10, 39, 40].map(|after| next("hero", after)), [at(10), at(40), at(40), None]);
        assert_eq!(next("other", 10), at(20));
    }

    #[test]
    fn a_number_that_is_free_is_given_again() {
        let mut catalogue = Catalogue::default();
        for id in ["a", "b", "c"] {
            catalogue.put(content(id, 1.0));
        }
        catalogue.withdraw("b");
        catalogue.put(content("d", 1.0));
        let numbered: Vec<&str> =
            (0..catalogue.numbers()).map(|number| &*catalogue.numbered(number).unwrap().content_id).collect();
        assert_eq!(numbered, ["a", "d", "c"]);
        let ids: Vec<&str> = catalogue.iter().map(|content| &*content.content_id).collect();
        assert_eq!(ids, ["a", "c", "d"]);
    }
}
