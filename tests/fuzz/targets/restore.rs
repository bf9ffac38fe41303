//! A worker that restores a changelog of arbitrary rows and goes on with a few commands. An input is a list of
//! keys and values, each with its length before it in two bytes; an empty value deletes. A fault is a fair
//! answer; a panic, a hang or a flood of memory is none.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bespoke::codec::command;
use bespoke::codec::output::SchemaIds;
use bespoke::codec::registry::{Registry, RegistrySettings};
use bespoke::codec::row::{self, Meta};
use bespoke::domain::command::Command;
use bespoke::domain::person::Person;
use bespoke::domain::time::Timestamp;
use bespoke::runtime::broker::Output;
use bespoke::runtime::embedded::{EmbeddedBroker, EmbeddedLog};
use bespoke::runtime::instruments::Instruments;
use bespoke::runtime::instruments::vitals::Vitals;
use bespoke::runtime::plan::{Now, Plan};
use bespoke::runtime::stores::MemoryStores;
use bespoke::runtime::worker::Worker;
use bespoke::service::build;

use super::react::parts;
use super::rows::format_1;
use super::samples::{self, AT, SHOP};
use crate::target::{Run, Target, Verdict, kind, law};

pub(crate) const TARGET: Target = Target { name: "restore", seeds, words: WORDS, generate: None, open };

const WORDS: &[&str] = &["puser:1", "m", "r", "i", "c", "s", "segments: {}\n"];

/// The shop's plan, without a registry that anybody would ask.
pub(crate) fn plan() -> Arc<Plan> {
    static REGISTRY: LazyLock<Registry> =
        LazyLock::new(|| Registry::connect(RegistrySettings::new("http://127.0.0.1:1")).unwrap());
    let ids = SchemaIds { profile_update: 1, decision: 2, segment_change: 3 };
    Arc::new(build::plan(&SHOP, &REGISTRY, ids, Arc::new(MemoryStores), Instruments::silent()))
}

fn seeds() -> Vec<Vec<u8>> {
    let meta = Meta { input_next: 0, stream_time: Timestamp::from_ms(AT), digest: None };
    let rows = [
        (row::profile_key(&Person::bare("user:1")), row::encode_profile(&samples::profile())),
        (row::profile_key(&Person::bare("user:2")), format_1()),
        (row::content_key("c-1"), row::encode_content(&samples::content())),
        (row::site_key("category"), row::encode_site(&samples::site_shares())),
        (row::DEFINITIONS_KEY.to_vec(), row::encode_definitions(None, "segments: {}\n")),
        (row::INDEX_KEY.to_vec(), vec![0; 8]),
        (row::META_KEY.to_vec(), row::encode_meta(&meta)),
    ];
    let framed = |bytes: &[u8]| [&(bytes.len() as u16).to_be_bytes(), bytes].concat();
    let all = rows.iter().map(|(key, value)| [framed(key), framed(value)].concat()).collect::<Vec<_>>();
    all.iter().cloned().chain([all.concat()]).collect()
}

fn open() -> Run {
    let plan = plan();
    Box::new(move |input| run(&plan, input))
}

fn run(plan: &Arc<Plan>, input: &[u8]) -> Verdict {
    let names = &plan.shared.topics;
    let own = [
        &names.commands,
        &names.changelog,
        &names.profile_updates,
        &names.decisions,
        &names.segment_changes,
        &names.dead_letters,
        &names.status,
    ];
    let sources = plan.sources.keys().map(|topic| (&**topic, 1));
    let log = EmbeddedLog::new(own.map(|name| (&**name, 1)).into_iter().chain(sources));
    let at = Timestamp::from_ms(AT);
    let append = |topic: &Arc<str>, key: Option<Vec<u8>>, value: Option<Vec<u8>>| {
        let output = Output {
            topic: Arc::clone(topic),
            partition: Some(0),
            key,
            value,
            headers: Vec::new(),
            timestamp: None,
        };
        log.append(output, at).unwrap();
    };
    for row in parts(input).chunks(2).take(500) {
        let value = row.get(1).filter(|value| !value.is_empty()).map(|value| value.to_vec());
        append(&names.changelog, Some(row[0].to_vec()), value);
    }
    for (number, name) in samples::NAMES.iter().enumerate() {
        let event = samples::event(name, name, AT + number as i64 * 40 * 86_400_000);
        let key = Some(event.person.as_bytes().to_vec());
        append(&names.commands, key, Some(command::encode(&Command::Event(event))));
    }
    let clock = Arc::new(move || at);
    let broker = EmbeddedBroker::new(log.clone(), &plan.topics(), Arc::clone(&names.changelog), clock);
    let mut now = Now { monotonic: Duration::from_secs(1), wall: at };
    let vitals = Vitals::new(1, Vec::new(), 10_000).worker(0);
    let mut worker = match Worker::new(Arc::clone(plan), broker, vitals, now) {
        Ok(worker) => worker,
        Err(fault) => return Ok(kind(&fault.to_string())),
    };
    for turn in 0..60 {
        // No turn waits for records that will not come.
        if log.is_consumed(&plan.topics()) && turn > 3 {
            break;
        }
        now.monotonic += Duration::from_millis(200);
        if let Err(fault) = worker.turn(now) {
            return Ok(kind(&fault.to_string()));
        }
    }
    law(log.is_consumed(&[&names.commands]), "commands that are never committed")?;
    Ok(log.read(&names.decisions).len() as u64)
}
