//! Somebody who shops: who they are, what they like, what lies in their cart. What they do in one visit is
//! drawn here; how it is sent is not their business.

use super::deed::{Deed, Habits, Line, Verb};
use super::random::Random;

/// How many products a cart holds at most.
const CART_LINES_MAX: usize = 8;

/// A person.
#[derive(Clone, Debug)]
pub(crate) struct Shopper {
    pub(crate) identity: Identity,
    /// How far their device's clock is ahead, in milliseconds.
    pub(crate) skew_ms: i64,
    /// They come back no earlier than this, in milliseconds since 1970.
    pub(crate) free_at_ms: i64,
    /// The categories that they like, best first.
    tastes: Vec<usize>,
    cart: Vec<Line>,
    visits: u32,
}

/// How a person is known.
#[derive(Clone, Debug)]
pub(crate) enum Identity {
    /// By the id of an account, and by that of their device.
    User(String, String),
    /// By that of their device alone.
    Device(String),
}

impl Shopper {
    /// Somebody with tastes of their own. Every twentieth account's device has a wrong clock.
    pub(crate) fn new(identity: Identity, habits: &Habits, random: &mut Random) -> Shopper {
        let wrong = matches!(identity, Identity::User(..)) && random.odds(1, 20);
        let skew_ms = if wrong { random.between(-7_200, 7_200) * 1_000 } else { 0 };
        let tastes = (0..3).map(|_| habits.category(random)).collect();
        Shopper { identity, skew_ms, free_at_ms: i64::MIN, tastes, cart: Vec::new(), visits: 0 }
    }

    /// What they do on their next visit, in order.
    pub(crate) fn visit(&mut self, habits: &Habits, random: &mut Random) -> Vec<Deed> {
        self.visits += 1;
        self.drift(habits, random);
        let mut deeds = vec![Deed::new(Verb::Page, Vec::new(), "/")];
        if self.visits == 1 && matches!(self.identity, Identity::User(..)) {
            let tier = if random.odds(1, 4) { "club" } else { "basic" };
            deeds.push(Deed::new(Verb::Identify, Vec::new(), tier));
        }
        for _ in 0..random.between(1, 3) {
            let category = self.category(habits, random);
            self.browse(category, habits, random, &mut deeds);
        }
        self.finish(random, &mut deeds);
        deeds
    }

    /// Tastes change: now and then the second becomes the first, or something new comes third.
    fn drift(&mut self, habits: &Habits, random: &mut Random) {
        if random.odds(1, 20) {
            self.tastes.rotate_left(1);
        }
        if random.odds(1, 20) {
            self.tastes.pop();
            self.tastes.push(habits.category(random));
        }
    }

    /// What this look around is about: the first taste half of the time, something else a fifth of it.
    fn category(&self, habits: &Habits, random: &mut Random) -> usize {
        let taste = match random.below(10) {
            0..5 => self.tastes.first(),
            5..7 => self.tastes.get(1),
            7 => self.tastes.get(2),
            _ => None,
        };
        taste.copied().unwrap_or_else(|| habits.category(random))
    }

    fn browse(&mut self, category: usize, habits: &Habits, random: &mut Random, deeds: &mut Vec<Deed>) {
        let name = habits.assortment.category_name(category);
        if random.odds(1, 3) {
            deeds.push(Deed::new(Verb::Search, Vec::new(), name));
        } else {
            deeds.push(Deed::new(Verb::Page, Vec::new(), format!("/{name}")));
            let shown = (0..3).map(|rank| habits.assortment.number(category, rank));
            let shown = shown.map(|product| Line { product, quantity: 1 }).collect();
            deeds.push(Deed::new(Verb::List, shown, name));
        }
        for _ in 0..random.between(1, 5) {
            let product = habits.product(category, random);
            deeds.push(Deed::one(Verb::View, product));
            if random.odds(1, 6) && self.cart.len() < CART_LINES_MAX {
                let line = Line { product, quantity: if random.odds(1, 5) { 2 } else { 1 } };
                self.cart.push(line);
                deeds.push(Deed::new(Verb::Add, vec![line], ""));
            }
        }
    }

    /// Changes their mind about something in the cart, orders what is in it, or leaves it for another day.
    /// Ordering needs an account.
    fn finish(&mut self, random: &mut Random, deeds: &mut Vec<Deed>) {
        if random.odds(1, 8)
            && let Some(line) = self.cart.pop()
        {
            deeds.push(Deed::new(Verb::Remove, vec![line], ""));
        }
        let orders = matches!(self.identity, Identity::User(..)) && random.odds(2, 5);
        if orders && !self.cart.is_empty() {
            let lines = std::mem::take(&mut self.cart);
            deeds.push(Deed::new(Verb::Checkout, lines.clone(), ""));
            deeds.push(Deed::new(Verb::Order, lines, ""));
        }
    }
}
