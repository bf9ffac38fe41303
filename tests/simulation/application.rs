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

/// The topics that others write.
pub(crate) const SOURCES: [&str; 5] = ["clickstream", "orders", "content", "definitions", "site-shares"];

/// One run's application.
pub(crate) struct Application {
    pub(crate) config: Config,
    pub(crate) partitions: i32,
    /// What is to be sent, in this order.
    pub(crate) story: Vec<Sent>,
}

/// A record that somebody sends.
#[derive(Clone)]
pub(crate) struct Sent {
    pub(crate) topic: &'static str,
    pub(crate) key: Vec<u8>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) at: Timestamp,
}

impl Sent {
    fn of(record: ShopRecord) -> Sent {
        Sent { topic: record.topic.name(), key: record.key, value: Some(record.value), at: record.at }
    }
}

/// How definitions change: what of the shop's is replaced by what. One of them is wrong, and no more than a dead
/// letter.
const CHANGES: [&[(&str, &str)]; 4] = [
    // Thresholds, gaps between stages, and days of another place.
    &[
        ("attributes.pages_7d >= 6", "attributes.pages_7d >= 2"),
        ("lapsed_after: 60d", "lapsed_after: 31d"),
        ("at_risk_after: 30d", "at_risk_after: 1d"),
        ("Europe/Berlin", "America/Sao_Paulo"),
    ],
    // Longer and shorter windows, an interest that is forgotten sooner, a rule that sets something else, and a call
    // of something else.
    &[
        ("adds_24h: {count: product_added, window: 24h", "adds_24h: {count: product_added, window: 2h"),
        ("views_7d: {count: product_viewed, window: 7d", "views_7d: {count: product_viewed, window: 9d"),
        ("half_life: 7d", "half_life: 36h"),
        ("tier: gold}", "tier: silver}"),
        ("stale_after: 1d, expires_after: 7d", "stale_after: 1h, expires_after: 9h"),
        ("affinity('category', 'shoes') >= 6", "affinity('category', 'tents') >= 2"),
    ],
    &[],
    &[("{count: page_viewed, ", "{cuont: page_viewed, ")],
];

impl Application {
    /// The application of a seed.
    pub(crate) fn new(seed: u64) -> Application {
        let mut random = Random::new(seed, 1);
        let mut config = configuration().clone();
        config.commit.records_max = random.between(1, 40) as usize;
        config.commit.age_ms_max = random.between(1, 300);
        // Sometimes so small that profiles are read from the store again and again.
        config.state.profile_cache_bytes = random.between(1, 60) as usize * 1_024;
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
        let mut story: Vec<Sent> = shop.map(Sent::of).collect();
        // Content, definitions and site shares that change in the middle of things.
        for content in later {
            let at = random.below(story.len() as u64) as usize;
            story.insert(at, Sent::of(content));
        }
        let mut changes = Random::new(seed, 4);
        for _ in 0..changes.below(4).saturating_sub(1) {
            let at = changes.below(story.len() as u64) as usize;
            story.insert(at, redefinition(changes.below(CHANGES.len() as u64) as usize));
        }
        let mut shares = Random::new(seed, 5);
        for _ in 0..shares.below(6).saturating_sub(1) {
            let at = shares.below(story.len() as u64) as usize;
            story.insert(at, site_shares(&mut shares));
        }
        let contents = contents.into_iter().map(Sent::of);
        let story = contents.chain(story).collect();
        Application { config, partitions: random.between(1, 4) as i32, story }
    }

    /// Whether the group reads a topic.
    pub(crate) fn is_read(&self, topic: &str) -> bool {
        *topic == *self.config.topics.commands || SOURCES.contains(&topic)
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
            &names.status,
        ];
        let own = own.map(|name| (Arc::from(&**name), self.partitions));
        let sources =
            [("clickstream", 2), ("orders", 1), ("content", 1), ("definitions", 1), ("site-shares", 1)];
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
        let text = shop() + "\ndefinitions: {topic: definitions}\nsite_shares: {topic: site-shares}\n";
        Config::load(&text, "shop.yaml", [], &Flags::new()).unwrap()
    })
}

/// The shop's configuration, one slot of which ranks by lift.
fn shop() -> String {
    assert_eq!(CONFIG.matches("    items: 3\n    interest: category\n").count(), 1, "the first slot's lines");
    // The shop repeats a person's latest records, be they days old: within this horizon that is noticed.
    CONFIG.replace("horizon: 72h", "horizon: 720h").replace(
        "    items: 3\n    interest: category\n",
        "    items: 3\n    interest: category\n    rank_by: lift\n",
    )
}

/// What all persons together are drawn to: sometimes withdrawn, sometimes no more than a dead letter.
fn site_shares(random: &mut Random) -> Sent {
    let at = Timestamp::from_ms(1_767_571_200_000);
    let key = ["category", "brand", "colour"][random.below(3) as usize].as_bytes().to_vec();
    let share = |random: &mut Random| random.between(1, 999) as f64 / 1_000.0;
    let value = match random.below(8) {
        0 => None,
        1 => Some(b"{\"shares\": {}}".to_vec()),
        _ => Some(
            format!(
                r#"{{"asOf": "2026-01-05T{:02}:00:00Z", "persons": {}, "shares": {{"tents": {}, "shoes": {}}}}}"#,
                random.below(24),
                random.below(1_000),
                share(random),
                share(random)
            )
            .into_bytes(),
        ),
    };
    Sent { topic: "site-shares", key, value, at }
}

/// The definitions after one of the changes.
fn redefinition(change: usize) -> Sent {
    static TEXTS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    let texts = TEXTS.get_or_init(|| {
        let text = |changes: &&[(&str, &str)]| {
            let text = changes.iter().fold(defined(), |text, (before, after)| {
                assert_eq!(
                    text.matches(before).count(),
                    1,
                    "shop.yaml does not have `{before}` once any more"
                );
                text.replace(before, after)
            });
            text.into_bytes()
        };
        CHANGES.iter().map(text).collect()
    });
    let at = Timestamp::from_ms(1_767_571_200_000);
    Sent { topic: "definitions", key: b"shop".to_vec(), value: Some(texts[change].clone()), at }
}

/// What of the configuration may be said on the definitions topic.
fn defined() -> String {
    let process = ["application:", "sources:", "catalogue:", "topics:", "commit:", "state:", "threads:"];
    let mut keeps = true;
    let kept = shop();
    let kept = kept.split_inclusive('\n').filter(|line| {
        if line.starts_with(|first: char| first.is_ascii_lowercase()) {
            keeps = !process.iter().any(|key| line.starts_with(key));
        }
        keeps
    });
    kept.collect()
}

/// No Avro is read here, so the registry is never asked.
fn registry() -> &'static Registry {
    static REGISTRY: OnceLock<Registry> = OnceLock::new();
    REGISTRY.get_or_init(|| Registry::connect(RegistrySettings::new("http://127.0.0.1:1")).unwrap())
}
