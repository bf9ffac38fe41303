//! The members of one or several JSON objects under their canonical names, each taken at most once, so that
//! what is left over is known. What a member's value means is not known here.

use std::borrow::Cow;
use std::rc::Rc;

use serde_json::{Map, Value};

use super::aliases::{Aliases, Scope, snake_case};
use super::found::Found;
use crate::codec::reject::{Reject, RejectCode};

/// The members of objects that mean one thing together, such as `properties` and `ecommerce`.
#[derive(Default)]
pub(super) struct Fields<'a> {
    members: Vec<Member<'a>>,
    taken: Vec<&'static str>,
}

struct Member<'a> {
    found: Found,
    canonical: Option<Cow<'a, str>>,
    rank: usize,
}

impl Member<'_> {
    fn canonical(&self) -> &str {
        self.canonical.as_deref().unwrap_or(self.found.key())
    }
}

impl<'a> Fields<'a> {
    /// The members of an object at a path.
    pub(super) fn of(object: Map<String, Value>, path: &str, aliases: &'a Aliases, scope: Scope) -> Self {
        let mut fields = Fields { members: Vec::with_capacity(object.len()), taken: Vec::new() };
        let parent: Rc<str> = path.into();
        for (key, value) in object {
            fields.push(Found::member(&parent, key, value), aliases, scope);
        }
        fields
    }

    /// Adds the members of a later object; those already there come first where both have a name.
    pub(super) fn append(&mut self, mut later: Fields<'a>) {
        self.members.append(&mut later.members);
    }

    /// What has not been taken, under the names that it has in another scope.
    pub(super) fn in_scope(self, aliases: &'a Aliases, scope: Scope) -> Self {
        let mut fields = Fields::default();
        for member in self.members {
            fields.push(member.found, aliases, scope);
        }
        fields
    }

    /// Takes out the best member of this canonical name: the one whose alias ranks first, and among equals
    /// the one added first. Null counts as absent.
    pub(super) fn take(&mut self, canonical: &'static str) -> Option<Found> {
        let best = self.best(canonical)?;
        self.taken.push(canonical);
        Some(self.members.remove(best).found)
    }

    /// Takes out a member that must be there.
    ///
    /// # Errors
    /// `MissingField` with the path and the advice given.
    pub(super) fn need(
        &mut self,
        canonical: &'static str,
        path: &str,
        advice: &str,
    ) -> Result<Found, Reject> {
        self.take(canonical).ok_or_else(|| Reject::new(RejectCode::MissingField, path, advice))
    }

    /// Looks at the best member of this canonical name.
    pub(super) fn peek(&self, canonical: &str) -> Option<&Value> {
        let best = self.best(canonical)?;
        self.members.get(best).map(|member| member.found.value())
    }

    /// What has not been taken, with names, sorted. A member goes by its canonical name, unless a better one
    /// has it: then by its own, so that a `sku` beside a `product_id` stays a `sku`.
    pub(super) fn into_rest(mut self) -> Vec<(Box<str>, Found)> {
        self.members.sort_by(|one, other| (one.canonical(), one.rank).cmp(&(other.canonical(), other.rank)));
        let mut rest: Vec<(Box<str>, Found)> = Vec::with_capacity(self.members.len());
        let mut before: Option<Box<str>> = None;
        for member in self.members {
            let canonical: Box<str> = member.canonical().into();
            let is_used =
                self.taken.iter().any(|taken| **taken == *canonical) || before.as_ref() == Some(&canonical);
            let name = if is_used { snake_case(member.found.key()).into() } else { canonical.clone() };
            before = Some(canonical);
            rest.push((name, member.found));
        }
        rest
    }

    fn push(&mut self, found: Found, aliases: &'a Aliases, scope: Scope) {
        if found.value().is_null() {
            return;
        }
        let (canonical, rank) = aliases.canonical_field(scope, found.key());
        self.members.push(Member { found, canonical, rank });
    }

    fn best(&self, canonical: &str) -> Option<usize> {
        let named = self.members.iter().enumerate().filter(|(_, member)| member.canonical() == canonical);
        named.min_by_key(|(_, member)| member.rank).map(|(at, _)| at)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use serde_json::json;

    use super::*;

    static ALIASES: LazyLock<Aliases> = LazyLock::new(Aliases::standard);

    fn fields(object: Value) -> Fields<'static> {
        let Value::Object(object) = object else { panic!("an object") };
        Fields::of(object, "$", &ALIASES, Scope::Properties)
    }

    fn names(fields: Fields) -> Vec<String> {
        fields.into_rest().into_iter().map(|(name, found)| format!("{name}@{}", found.path())).collect()
    }

    #[test]
    fn the_best_name_is_taken_and_the_others_keep_their_own() {
        let mut one = fields(json!({"sku": "s", "productId": "p", "item_id": null, "isGift": true}));
        assert_eq!(one.take("item_id").unwrap().value(), &json!("p"));
        assert_eq!(names(one), ["is_gift@$.isGift", "sku@$.sku"]);
    }

    #[test]
    fn what_nobody_takes_has_its_canonical_name_once() {
        let rest = names(fields(json!({"sku": "s", "productId": "p"})));
        assert_eq!(rest, ["item_id@$.productId", "sku@$.sku"]);
        let rest = names(fields(json!({"sku": "s", "productId": "p", "item_id": "i"})));
        assert_eq!(rest, ["item_id@$.item_id", "product_id@$.productId", "sku@$.sku"]);
    }

    #[test]
    fn earlier_objects_come_first() {
        let mut one = fields(json!({"currency": "EUR"}));
        one.append(fields(json!({"currency": "USD", "value": 1})));
        assert_eq!(one.take("currency").unwrap().value(), &json!("EUR"));
        assert_eq!(one.peek("value"), Some(&json!(1)));
        assert_eq!(one.need("slot", "$.slot", "send it").err().unwrap().code, RejectCode::MissingField);
    }
}
