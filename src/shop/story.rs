//! Ada's story: one person whose visits are written down and not drawn, so that a demonstration has
//! something to tell. She likes shoes, is won by a tent, leaves it in the cart, is reminded, and buys it.

use super::deed::{Deed, Habits, Line, Verb};

/// Her user id.
pub(crate) const ADA: &str = "ada";

/// How many visits she makes.
const VISITS: usize = 5;

/// When each visit begins, in thousandths of the shop's duration. Between the third, when she leaves the
/// tent in her cart, and the fourth there is a day if the shop runs for five days or more.
const BEGINS_PER_MILLE: [i64; VISITS] = [40, 180, 400, 620, 850];

/// Where the story stands.
#[derive(Clone, Debug, Default)]
pub(crate) struct Story {
    told: usize,
}

impl Story {
    /// When her next visit is due, in thousandths of the shop's duration; none after the last.
    pub(crate) fn due_per_mille(&self) -> Option<i64> {
        BEGINS_PER_MILLE.get(self.told).copied()
    }

    /// What she does on her next visit.
    pub(crate) fn next_visit(&mut self, habits: &Habits) -> Vec<Deed> {
        self.told += 1;
        let script = Script { habits, deeds: vec![page("/"), ask("home_hero")] };
        let script = match self.told {
            // Nothing is known of her at first, so the home page shows what is popular; then it shows shoes.
            1 => script.identify().search("shoes").views("shoes", &[0, 2, 5, 9]).then(ask("home_hero")),
            2 => script.page("shoes").views("shoes", &[2, 3]).then(ask("home_hero")),
            // Tents overtake shoes. She leaves with a tent in the cart.
            3 => {
                let script = script.page("tents").views("tents", &[3, 0, 4, 6, 0]).then(ask("home_hero"));
                script.add("tents", 0).then(ask("cart_side")).views("lamps", &[0])
            }
            // She comes back for it, and takes a lamp with it.
            4 => script.views("tents", &[0]).add("lamps", 0).then(ask("cart_side")).order(),
            _ => script.page("tents").views("cooking", &[0, 2]).then(ask("home_hero")).then(ask("cart_side")),
        };
        script.deeds
    }
}

struct Script<'a> {
    habits: &'a Habits,
    deeds: Vec<Deed>,
}

impl Script<'_> {
    fn then(mut self, deed: Deed) -> Self {
        self.deeds.push(deed);
        self
    }

    fn identify(self) -> Self {
        self.then(Deed::new(Verb::Identify, Vec::new(), "club"))
    }

    fn page(self, category: &str) -> Self {
        self.then(page(&format!("/{category}")))
    }

    fn search(self, words: &str) -> Self {
        self.then(Deed::new(Verb::Search, Vec::new(), words))
    }

    fn views(self, category: &str, ranks: &[usize]) -> Self {
        ranks.iter().fold(self, |script, rank| {
            let product = script.product(category, *rank);
            script.then(Deed::one(Verb::View, product))
        })
    }

    fn add(self, category: &str, rank: usize) -> Self {
        let product = self.product(category, rank);
        self.then(Deed::one(Verb::Add, product))
    }

    /// Orders the tent of the third visit and the lamp.
    fn order(self) -> Self {
        let products = [self.product("tents", 0), self.product("lamps", 0)];
        let lines = products.map(|product| Line { product, quantity: 1 }).to_vec();
        self.then(Deed::new(Verb::Checkout, lines.clone(), "")).then(Deed::new(Verb::Order, lines, ""))
    }

    fn product(&self, category: &str, rank: usize) -> usize {
        let assortment = &self.habits.assortment;
        assortment.number(assortment.category(category), rank)
    }
}

fn page(path: &str) -> Deed {
    Deed::new(Verb::Page, Vec::new(), path)
}

fn ask(slot: &str) -> Deed {
    Deed::new(Verb::Ask, Vec::new(), slot)
}
