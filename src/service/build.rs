//! From the configuration to what workers run: the one place where the parts are put together.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::codec::output::{OutputCodec, SchemaIds};
use crate::codec::registry::Registry;
use crate::codec::wire::Source;
use crate::config::{Config, Format, SourceConfig, Start};
use crate::runtime::instruments::Instruments;
use crate::runtime::instruments::fields::ExpectedFields;
use crate::runtime::intake::Intake;
use crate::runtime::plan::Plan;
use crate::runtime::stores::Stores;
use crate::runtime::stretch::Stretch;
use crate::runtime::task::Shared;
use crate::runtime::topics::OwnTopics;
use crate::store::profile_cache::ProfileCache;

/// The plan of a process.
pub fn plan(
    config: &Config,
    registry: &Registry,
    schema_ids: SchemaIds,
    stores: Arc<dyn Stores>,
    instruments: Instruments,
) -> Plan {
    let topics = OwnTopics::of(config);
    let keyed = config.sources.iter().find(|source| source.keyed);
    let shared = Shared {
        outputs: OutputCodec::new(schema_ids),
        rules: Arc::clone(&config.rules),
        contents: config.contents.clone(),
        keyed: keyed.map(|source| wire_source(config, source)),
        topics: topics.clone(),
    };
    Plan {
        shared: Arc::new(shared),
        sources: sources(config, registry, &instruments),
        input: keyed.map_or(topics.commands, |source| Arc::from(&*source.topic)),
        input_start: keyed.map_or(Start::Earliest, |source| source.start),
        intake_only: false,
        stretch: Stretch::default(),
        stores,
        commit: config.commit,
        profile_cache: Arc::new(ProfileCache::new(config.state.profile_cache_bytes)),
        instruments,
    }
}

/// How the records of a source are read.
pub fn wire_source(config: &Config, source: &SourceConfig) -> Source {
    let mut aliases = config.aliases.aliases();
    source.table.iter().for_each(|table| aliases.add_columns(&table.columns));
    Source {
        topic: source.topic.clone(),
        clock: source.clock,
        ids: config.ids,
        aliases: Arc::new(aliases),
        known_events: None,
        table: source.table.clone(),
        schemas: Arc::clone(&config.schemas),
        record_bytes_max: config.record_bytes_max,
    }
}

fn sources(
    config: &Config,
    registry: &Registry,
    instruments: &Instruments,
) -> BTreeMap<Arc<str>, (Intake, Start)> {
    let mut sources = BTreeMap::new();
    for source in &config.sources {
        instruments.expect_records(&source.topic, source.records_per_hour);
    }
    for source in config.sources.iter().filter(|source| !source.keyed) {
        let wire = wire_source(config, source);
        let expected = Arc::new(ExpectedFields::new(&source.topic, &source.expected));
        instruments.expect(&expected);
        let intake = match source.format {
            Format::Json => Intake::Json(wire, expected),
            Format::Avro => Intake::Avro(wire, registry.clone(), expected),
        };
        sources.insert(Arc::from(&*source.topic), (intake, source.start));
    }
    if let Some(topic) = &config.catalogue_topic {
        sources.insert(Arc::from(&**topic), (Intake::Contents, Start::Earliest));
    }
    if let Some(topic) = &config.definitions_topic {
        sources.insert(Arc::from(&**topic), (Intake::Definitions, Start::Earliest));
    }
    if let Some(topic) = &config.site_shares_topic {
        sources.insert(Arc::from(&**topic), (Intake::SiteShares, Start::Earliest));
    }
    sources
}
