//! What somebody does in the shop, before anybody says it as JSON.

use super::assortment::{Assortment, PRODUCTS_EACH};
use super::random::{Random, Zipf};

/// One thing that somebody does.
#[derive(Clone, Debug)]
pub(crate) struct Deed {
    pub(crate) verb: Verb,
    /// The products that it is about.
    pub(crate) lines: Vec<Line>,
    /// The path of a page, the words of a search, the slot of a request, the tier of a member, the order that
    /// something is about.
    pub(crate) text: String,
}

/// The kinds of deeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    /// Opens a page.
    Page,
    /// Says who they are.
    Identify,
    /// Looks at a list of products.
    List,
    /// Searches.
    Search,
    /// Looks at a product.
    View,
    /// Puts a product into the cart.
    Add,
    /// Takes a product out of the cart.
    Remove,
    /// Goes to the till.
    Checkout,
    /// Orders, which the back end says.
    Order,
    /// Is shown the page that thanks for the order, and says what it cost with delivery.
    Thank,
    /// Is paid back a part of it, which the back end says.
    Refund,
    /// Cancels it, which the back end says.
    Cancel,
    /// Has the page ask what to show.
    Ask,
}

impl Verb {
    /// Whether the back end says it and not the browser.
    pub(crate) fn is_of_back_end(self) -> bool {
        matches!(self, Verb::Order | Verb::Refund | Verb::Cancel)
    }
}

/// Some units of one product.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    /// The product's number.
    pub(crate) product: usize,
    pub(crate) quantity: u32,
}

/// Knows how deeds are spread over the assortment: some products are looked at far more than others.
#[derive(Clone, Debug)]
pub(crate) struct Habits {
    pub(crate) assortment: Assortment,
    products: Zipf,
    categories: Zipf,
}

impl Deed {
    pub(crate) fn new(verb: Verb, lines: Vec<Line>, text: impl Into<String>) -> Deed {
        Deed { verb, lines, text: text.into() }
    }

    /// A deed about one unit of a product.
    pub(crate) fn one(verb: Verb, product: usize) -> Deed {
        Deed::new(verb, vec![Line { product, quantity: 1 }], "")
    }

    /// A request for a decision: for the side of the cart where the cart is at hand, else for the home page.
    pub(crate) fn ask_after(verb: Verb) -> Deed {
        let slot = match verb {
            Verb::Add | Verb::Remove | Verb::Checkout => "cart_side",
            _ => "home_hero",
        };
        Deed::new(Verb::Ask, Vec::new(), slot)
    }
}

impl Habits {
    pub(crate) fn new() -> Habits {
        Habits {
            assortment: Assortment::new(),
            products: Zipf::new(PRODUCTS_EACH, 1.0),
            categories: Zipf::new(Assortment::CATEGORIES, 0.6),
        }
    }

    /// A category, the popular ones more often.
    pub(crate) fn category(&self, random: &mut Random) -> usize {
        self.categories.rank(random)
    }

    /// A product of a category, the popular ones more often.
    pub(crate) fn product(&self, category: usize, random: &mut Random) -> usize {
        self.assortment.number(category, self.products.rank(random))
    }
}
