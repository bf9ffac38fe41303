//! What the shop sells and what it can show: 300 products of an outdoor shop and the content about them. It
//! is the same for every seed, so that the content on a catalogue topic fits every stream.

use serde_json::{Map, Value, json};

/// How many products each category has, the most popular first.
pub(crate) const PRODUCTS_EACH: usize = 25;

/// How many products of each category have a tile of their own.
const TILES_EACH: usize = 10;

/// (name, what a product of it is called, lowest and highest price in euros)
const CATEGORIES: [(&str, &str, i64, i64); 12] = [
    ("shoes", "Trail Shoe", 59, 189),
    ("jackets", "Rain Jacket", 79, 349),
    ("tents", "Tent", 129, 649),
    ("backpacks", "Backpack", 39, 249),
    ("running", "Running Shirt", 19, 89),
    ("cycling", "Cycling Jersey", 29, 149),
    ("climbing", "Climbing Harness", 45, 129),
    ("skiing", "Ski Goggles", 49, 219),
    ("swimming", "Swim Shorts", 15, 69),
    ("cooking", "Camping Stove", 25, 159),
    ("lamps", "Head Lamp", 19, 119),
    ("books", "Trail Guide", 9, 39),
];

const BRANDS: [&str; 10] = [
    "Norvik",
    "Alpenhof",
    "Trailwise",
    "Kestrel",
    "Lumenar",
    "Bergfink",
    "Oryx",
    "Sundal",
    "Pacer",
    "Halden",
];

/// Content for everybody: (id, slot, base weight). The slots' fallbacks name it.
const FOR_EVERYBODY: [(&str, &str, f64); 5] = [
    ("hero-welcome", "home_hero", 0.9),
    ("hero-bestsellers", "home_hero", 0.8),
    ("hero-free-delivery", "home_hero", 0.7),
    ("tile-gift-card", "cart_side", 0.3),
    ("tile-care-kit", "cart_side", 0.2),
];

/// A product.
#[derive(Clone, Debug)]
pub(crate) struct Product {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) category: &'static str,
    pub(crate) brand: &'static str,
    pub(crate) price_hundredths: i64,
}

/// All products, by number: those of a category follow one another.
#[derive(Clone, Debug)]
pub(crate) struct Assortment {
    products: Vec<Product>,
}

impl Assortment {
    /// How many categories there are; they are numbered from 0.
    pub(crate) const CATEGORIES: usize = CATEGORIES.len();

    pub(crate) fn new() -> Assortment {
        let products = CATEGORIES
            .iter()
            .enumerate()
            .flat_map(|(category, _)| (0..PRODUCTS_EACH).filter_map(move |rank| product(category, rank)));
        Assortment { products: products.collect() }
    }

    /// The product of this number.
    pub(crate) fn product(&self, number: usize) -> &Product {
        self.products.get(number).expect("numbers of products come from `number`")
    }

    /// The number of the product of this rank, 0 for the most popular, in the category of this number.
    pub(crate) fn number(&self, category: usize, rank: usize) -> usize {
        (category % CATEGORIES.len()) * PRODUCTS_EACH + rank % PRODUCTS_EACH
    }

    /// The number of the category of this name; 0 for an unknown one.
    pub(crate) fn category(&self, name: &str) -> usize {
        CATEGORIES.iter().position(|category| category.0 == name).unwrap_or(0)
    }

    /// The name of the category of this number.
    pub(crate) fn category_name(&self, category: usize) -> &'static str {
        self.product(self.number(category, 0)).category
    }

    /// All content: its id, and its value as the catalogue topic carries it.
    pub(crate) fn contents(&self) -> Vec<(String, Value)> {
        let everybody = FOR_EVERYBODY.map(|(id, slot, weight)| content(id, slot, weight, Map::new(), None));
        let about =
            (0..CATEGORIES.len()).flat_map(|category| self.banners(category).chain(self.tiles(category)));
        everybody.into_iter().chain(about).collect()
    }

    /// Three large pictures for the home page. The second and third count for less, so that the home page
    /// shows somebody's second interest beside the first.
    fn banners(&self, category: usize) -> impl Iterator<Item = (String, Value)> + '_ {
        [("", 1.0, 0.6), ("-offers", 0.6, 0.4), ("-guide", 0.4, 0.2)].into_iter().map(
            move |(what, weight, share)| {
                let name = self.category_name(category);
                let weights = Map::from_iter([(name.to_owned(), json!(weight))]);
                content(
                    &format!("hero-{name}{what}"),
                    "home_hero",
                    share * popularity(category),
                    weights,
                    None,
                )
            },
        )
    }

    /// Small pictures of single products, for the side of the cart.
    fn tiles(&self, category: usize) -> impl Iterator<Item = (String, Value)> + '_ {
        (0..TILES_EACH).map(move |rank| {
            let product = self.product(self.number(category, rank));
            let weight = 1.0 - rank as f64 / 20.0;
            let weights = [(product.category, weight), (product.brand, weight / 2.0)];
            let weights = weights.into_iter().map(|(value, weight)| (value.to_owned(), json!(weight)));
            let id = format!("tile-{}", product.id);
            content(&id, "cart_side", weight * popularity(category), weights.collect(), Some(&product.id))
        })
    }
}

fn product(category: usize, rank: usize) -> Option<Product> {
    let (name, noun, low, high) = CATEGORIES.get(category)?;
    let brand = BRANDS.get((category * 3 + rank * 7) % BRANDS.len())?;
    // Prices jump about between the bounds and end in 95 hundredths, as prices do.
    let step = (rank as i64 * 11 + category as i64) % PRODUCTS_EACH as i64;
    let euros = low + (high - low) * step / PRODUCTS_EACH as i64;
    Some(Product {
        id: format!("p{:03}", category * PRODUCTS_EACH + rank),
        name: format!("{brand} {noun} {}", rank + 1),
        category: name,
        brand,
        price_hundredths: euros * 100 + 95,
    })
}

/// How well a category sells: from 1 for the first down to a half.
fn popularity(category: usize) -> f64 {
    1.0 - category as f64 / (2 * CATEGORIES.len()) as f64
}

fn content(
    id: &str,
    slot: &str,
    base_weight: f64,
    weights: Map<String, Value>,
    item_id: Option<&str>,
) -> (String, Value) {
    let base_weight = (base_weight * 1000.0).round() / 1000.0;
    let mut value = json!({"contentId": id, "slots": [slot], "weights": weights, "baseWeight": base_weight});
    if let (Some(item_id), Some(object)) = (item_id, value.as_object_mut()) {
        object.insert("itemId".into(), json!(item_id));
    }
    (id.to_owned(), value)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn there_are_three_hundred_products_with_names_and_prices() {
        let assortment = Assortment::new();
        assert_eq!(assortment.products.len(), 300);
        let names: BTreeSet<_> = assortment.products.iter().map(|product| &product.name).collect();
        assert_eq!(names.len(), 300);
        assert!(assortment.products.iter().all(|product| (900..65_000).contains(&product.price_hundredths)));
        let tents = assortment.category("tents");
        assert_eq!(assortment.product(assortment.number(tents, 3)).category, "tents");
        assert_eq!(assortment.category_name(tents), "tents");
        let brands: BTreeSet<_> = (0..25).map(|rank| assortment.product(rank).brand).collect();
        assert_eq!(brands.len(), BRANDS.len());
    }

    #[test]
    fn every_content_has_an_id_of_its_own_and_a_slot() {
        let contents = Assortment::new().contents();
        let ids: BTreeSet<_> = contents.iter().map(|(id, _)| id).collect();
        assert_eq!((ids.len(), contents.len()), (161, 161));
        for (id, value) in &contents {
            assert_eq!(value["contentId"], **id);
            assert!(value["baseWeight"].as_f64().is_some_and(|weight| (0.0..=1.0).contains(&weight)));
            assert!(value["slots"] == json!(["home_hero"]) || value["slots"] == json!(["cart_side"]));
        }
    }
}
