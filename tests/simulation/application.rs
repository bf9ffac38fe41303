//! The application that is simulated: the shop's own configuration, its topics, and a story to be processed.

use std::sync::{Arc, OnceLock};

use bespoke::codec::output::SchemaIds;
use bespoke::codec::registry::{Registry, RegistrySettings};
use bespoke::config::Config;
use bespoke::config::overlay::Flags;
use bespoke::domain::time::Timestamp;
use bespoke::runtime::instruments::Instruments;
use bespoke::runtime::plan::Plan;
use bespoke::runtime::stores::Stores;
use bespoke::service::build;
use bespoke::shop::{CONFIG, Shop, ShopRecord, ShopSettings};

use super::random::Random;

pub(crate) const IDS: SchemaIds = SchemaIds { profile_update: 1, decision: 2, segment_change: 3 };

/// One run's application.
pub(crate) struct Application {
    pub(crate) config: Config,
    pub(crate) partitions: i32,
    /// What is to be sent, in this order.
    pub(crate) story: Vec<ShopRecord>,
}

impl Application {
    /// The application of a seed.
    pub(crate) fn new(seed: u64) -> Application {
        let mut random = Random::new(seed, 1);
        let mut config = configuration().clone();
        config.commit.records_max = random.between(1, 40) as usize;
        config.commit.age_ms_max = random.between(1, 300);
        // Sometimes so small that profiles are read from the store again and again.
        config.state.profiles_cached_max = random.between(1, 60) as usize;
        let shop = Shop::new(ShopSettings {
            seed,
            persons: random.between(2, 12) as usize,
            events: random.between(40, 220) as usize,
            starts_at: Timestamp::from_ms(1_767_571_200_000),
            duration_ms: random.between(1, 12) as i64 * 86_400_000,
            duplicates_per_mille: 60,
            late_per_mille: 60,
            malformed_per_mille: 30,
            anonymous_per_mille: 200,
            decision_requests_per_mille: 80,
        });
        let mut contents = shop.contents();
        let later = contents.split_off(contents.len() / 2);
        let mut story: Vec<ShopRecord> = shop.collect();
        for content in later {
            // Content that changes in the middle of things.
            let at = random.below(story.len() as u64) as usize;
            story.insert(at, content);
        }
        contents.append(&mut story);
        Application { config, partitions: random.between(1, 4) as i32, story: contents }
    }

    /// All topics with their numbers of partitions.
    pub(crate) fn topics(&self) -> Vec<(Arc<str>, i32)> {
        let names = &self.config.topics;
        let own = [
            &names.commands,
            &names.changelog,
            &names.profile_updates,
            &names.decisions,
            &names.segment_changes,
            &names.dead_letters,
        ];
        let own = own.map(|name| (Arc::from(&**name), self.partitions));
        let sources = [("clickstream", 2), ("orders", 1), ("content", 1)];
        own.into_iter().chain(sources.map(|(name, count)| (Arc::from(name), count))).collect()
    }

    /// What the workers of a process are made of.
    pub(crate) fn plan(&self, stores: Arc<dyn Stores>) -> Arc<Plan> {
        Arc::new(build::plan(&self.config, registry(), IDS, stores, Instruments::silent()))
    }
}

fn configuration() -> &'static Config {
    static CONFIGURATION: OnceLock<Config> = OnceLock::new();
    CONFIGURATION.get_or_init(|| {
        // The shop repeats a person's latest records, be they days old: within this horizon that is noticed.
        let text = CONFIG.replace("horizon: 72h", "horizon: 720h");
        Config::load(&text, "shop.yaml", [], &Flags::new()).unwrap()
    })
}

/// No Avro is read here, so the registry is never asked.
fn registry() -> &'static Registry {
    static REGISTRY: OnceLock<Registry> = OnceLock::new();
    REGISTRY.get_or_init(|| Registry::connect(RegistrySettings::new("http://127.0.0.1:1")).unwrap())
}
