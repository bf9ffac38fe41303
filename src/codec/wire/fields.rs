//! The members of one or several JSON objects under their canonical names, each taken at most once, so that
//! what is left over is known. What a member's value means is not known here.

use std::borrow::Cow;

use super::aliases::{Aliases, Canonical, Scope, snake_case};
use super::field::Field;
use super::found::Found;
use super::tree::Tree;
use crate::codec::reject::{Reject, RejectCode};

/// The members of objects that mean one thing together, such as `properties` and `ecommerce`.
pub(super) struct Fields<'t> {
    members: Vec<Member<'t>>,
    /// By field: the best member that is not taken, counted from 1; 0 where there is none.
    best: [u32; Field::ALL.len()],
    /// Whether a field has had several members.
    rivals: bool,
    /// How many are not taken.
    left: usize,
    objects: u16,
}

struct Member<'t> {
    found: Found<'t>,
    canonical: Canonical<'t>,
    rank: u16,
    /// Which of the objects it stood in.
    object: u16,
    taken: bool,
}

impl Default for Fields<'_> {
    fn default() -> Self {
        Fields { members: Vec::new(), best: [0; Field::ALL.len()], rivals: false, left: 0, objects: 0 }
    }
}

impl<'t> Member<'t> {
    /// Of several members that stand for one field, the first in this order counts: the one whose alias ranks
    /// first, then that of the object added first, then by the letters, never by the place in the record.
    fn precedence(&self) -> (u16, u16, &'t str) {
        (self.rank, self.object, self.found.key())
    }
}

impl<'t> Fields<'t> {
    /// The members of an object.
    ///
    /// # Errors
    /// `InvalidField` for what is no object.
    pub(super) fn of(object: Found<'t>, aliases: &'t Aliases, scope: Scope) -> Result<Self, Reject> {
        let mut fields = Fields::default();
        fields.add(object, aliases, scope)?;
        Ok(fields)
    }

    /// Adds the members of a further object; those already there come first where both have a name.
    ///
    /// # Errors
    /// `InvalidField` for what is no object.
    pub(super) fn add(
        &mut self,
        object: Found<'t>,
        aliases: &'t Aliases,
        scope: Scope,
    ) -> Result<(), Reject> {
        let members = object.members()?;
        self.members.reserve(members.len());
        members.for_each(|found| self.push(found, aliases, scope));
        self.objects += 1;
        Ok(())
    }

    /// Adds what has not been taken of other fields, under the names that it has in another scope.
    pub(super) fn add_rest(&mut self, rest: Fields<'t>, aliases: &'t Aliases, scope: Scope) {
        let rest = rest.members.into_iter().filter(|member| !member.taken);
        rest.for_each(|member| self.push(member.found, aliases, scope));
        self.objects += 1;
    }

    /// Takes out the best member of this field. Null counts as absent.
    pub(super) fn take(&mut self, field: Field) -> Option<Found<'t>> {
        let at = self.at(field)?;
        let member = self.members.get_mut(at)?;
        member.taken = true;
        self.left -= 1;
        let found = member.found;
        let next = if self.rivals { self.next_best(field) } else { 0 };
        self.set_best(field, next);
        Some(found)
    }

    /// Takes out a member that must be there.
    ///
    /// # Errors
    /// `MissingField` with the path and the advice given.
    pub(super) fn need(&mut self, field: Field, path: &str, advice: &str) -> Result<Found<'t>, Reject> {
        self.take(field).ok_or_else(|| Reject::new(RejectCode::MissingField, path, advice))
    }

    /// Looks at the best member of this field.
    pub(super) fn peek(&self, field: Field) -> Option<&'t Tree<'t>> {
        self.members.get(self.at(field)?).map(|member| member.found.value())
    }

    /// What has not been taken, with names, sorted. A member goes by its canonical name, unless a better one
    /// has it: then by its own, so that a `sku` beside a `product_id` stays a `sku`. Of a name that stands in
    /// several objects, the first counts.
    pub(super) fn into_rest(mut self) -> Vec<(Cow<'t, str>, Found<'t>)> {
        // Of most events everything is known.
        if self.left == 0 {
            return Vec::new();
        }
        self.members.sort_by(|one, other| {
            let by_name = one.canonical.name().cmp(other.canonical.name());
            by_name
                .then_with(|| other.taken.cmp(&one.taken))
                .then_with(|| one.precedence().cmp(&other.precedence()))
        });
        let mut rest: Vec<(Cow<'t, str>, Found<'t>)> = Vec::with_capacity(self.members.len());
        let mut before: Option<Cow<'t, str>> = None;
        for Member { found, canonical, taken, .. } in self.members {
            let canonical = canonical.into_name();
            if !taken {
                let is_used = before.as_ref() == Some(&canonical);
                let name = if is_used { snake_case(found.key()) } else { canonical.clone() };
                let is_there = rest.last().is_some_and(|(other, _)| *other == name);
                if !is_used || (name != canonical && !is_there) {
                    rest.push((name, found));
                }
            }
            before = Some(canonical);
        }
        rest
    }

    fn push(&mut self, found: Found<'t>, aliases: &'t Aliases, scope: Scope) {
        if matches!(found.value(), Tree::Null) {
            return;
        }
        let (canonical, rank) = aliases.canonical_field(scope, found.key());
        let field = match canonical {
            Canonical::Field(field) => Some(field),
            Canonical::Property(_) => None,
        };
        let member = Member { found, canonical, rank, object: self.objects, taken: false };
        if let Some(field) = field {
            let best = self.at(field).and_then(|at| self.members.get(at));
            self.rivals |= best.is_some();
            if best.is_none_or(|best| member.precedence() < best.precedence()) {
                // No record has so many members.
                self.set_best(field, u32::try_from(self.members.len() + 1).unwrap_or(u32::MAX));
            }
        }
        self.members.push(member);
        self.left += 1;
    }

    fn at(&self, field: Field) -> Option<usize> {
        self.best.get(field as usize).filter(|best| **best > 0).map(|best| *best as usize - 1)
    }

    fn set_best(&mut self, field: Field, best: u32) {
        if let Some(slot) = self.best.get_mut(field as usize) {
            *slot = best;
        }
    }

    /// The best member of a field among those that are left, counted from 1; 0 where there is none.
    fn next_best(&self, field: Field) -> u32 {
        let left = (1..).zip(&self.members).filter(|(_, member)| {
            !member.taken && matches!(member.canonical, Canonical::Field(of) if of == field)
        });
        left.min_by_key(|(_, member)| member.precedence()).map_or(0, |(at, _)| at)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use bumpalo::Bump;
    use serde_json::{Value, json};

    use super::*;
    use crate::codec::wire::tree::arena;

    static ALIASES: LazyLock<Aliases> = LazyLock::new(Aliases::standard);

    fn tree<'r>(text: &'r str, arena: &'r Bump) -> Tree<'r> {
        crate::codec::wire::json::parse(text.as_bytes(), arena).unwrap()
    }

    fn fields<'t>(tree: &'t Tree<'t>) -> Fields<'t> {
        Fields::of(Found::whole(tree), &ALIASES, Scope::Properties).unwrap()
    }

    fn names(fields: Fields) -> Vec<String> {
        fields.into_rest().into_iter().map(|(name, found)| format!("{name}@{}", found.path())).collect()
    }

    #[test]
    fn the_best_name_is_taken_and_the_others_keep_their_own() {
        let arena = arena();
        let tree = tree(r#"{"sku": "s", "productId": "p", "item_id": null, "isGift": true}"#, &arena);
        let mut one = fields(&tree);
        assert_eq!(one.take(Field::ItemId).unwrap().value(), &Tree::Text("p"));
        assert_eq!(names(one), ["is_gift@$.isGift", "sku@$.sku"]);
    }

    #[test]
    fn what_nobody_takes_has_its_canonical_name_once() {
        let arena = arena();
        let rest = names(fields(&tree(r#"{"sku": "s", "productId": "p"}"#, &arena)));
        assert_eq!(rest, ["item_id@$.productId", "sku@$.sku"]);
        let rest = names(fields(&tree(r#"{"sku": "s", "productId": "p", "item_id": "i"}"#, &arena)));
        assert_eq!(rest, ["item_id@$.item_id", "product_id@$.productId", "sku@$.sku"]);
    }

    #[test]
    fn earlier_objects_come_first() {
        let both: [Value; 2] = [json!({"currency": "EUR"}), json!({"currency": "USD", "value": 1})];
        let arena = arena();
        let both = both.each_ref().map(|one| Tree::of(one, &arena));
        let mut one = fields(&both[0]);
        one.add(Found::whole(&both[1]), &ALIASES, Scope::Properties).unwrap();
        assert_eq!(one.take(Field::Currency).unwrap().value(), &Tree::Text("EUR"));
        assert_eq!(one.peek(Field::Value), Some(&Tree::Number(1.into())));
        let missing = one.need(Field::Slot, "$.slot", "send it").err().unwrap();
        assert_eq!(missing.code, RejectCode::MissingField);
    }

    #[test]
    fn of_names_that_another_member_outranks_the_first_object_counts_too() {
        let both = [json!({"item_id": "i", "sku": "s"}), json!({"sku": "t", "product_id": "p"})];
        let arena = arena();
        let both = both.each_ref().map(|one| Tree::of(one, &arena));
        let mut one = fields(&both[0]);
        one.add(Found::whole(&both[1]), &ALIASES, Scope::Properties).unwrap();
        assert_eq!(names(one), ["item_id@$.item_id", "product_id@$.product_id", "sku@$.sku"]);
    }

    #[test]
    fn equals_are_told_apart_by_their_letters_and_not_by_their_place() {
        for text in [r#"{"product_id": "b", "productId": "a"}"#, r#"{"productId": "a", "product_id": "b"}"#] {
            let arena = arena();
            let tree = tree(text, &arena);
            assert_eq!(fields(&tree).take(Field::ItemId).unwrap().value(), &Tree::Text("a"));
        }
    }
}
