//! Any sequence of commands through a task with a store in memory: extreme times and values, content and
//! definitions that change in between. An input is a list of commands, each with its length before it in two
//! bytes. Afterwards the task is opened anew from what it has stored.

use std::sync::Arc;

use bespoke::codec::command::encode;
use bespoke::domain::catalogue::Content;
use bespoke::domain::command::Command;
use bespoke::domain::event::Money;
use bespoke::domain::person::Person;
use bespoke::domain::scalar::Scalar;
use bespoke::domain::site::SiteShares;
use bespoke::domain::time::Timestamp;
use bespoke::runtime::broker::{Partition, Record};
use bespoke::runtime::plan::Plan;
use bespoke::runtime::task::{Applied, SWEEP_MAX, Task, TaskError};
use bespoke::store::memory::MemoryStore;

use super::commands;
use super::restore::plan;
use super::samples::{self, AT};
use crate::dice::Dice;
use crate::target::{Run, Target, Verdict, law};

pub(crate) const TARGET: Target = Target { name: "react", seeds, words: &[], generate: Some(generate), open };

fn joined(commands: &[Vec<u8>]) -> Vec<u8> {
    let with_length = commands.iter().map(|bytes| [&(bytes.len() as u16).to_be_bytes(), &bytes[..]].concat());
    with_length.collect::<Vec<_>>().concat()
}

/// The parts of an input.
pub(crate) fn parts(mut input: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    while let Some((length, rest)) = input.split_first_chunk::<2>() {
        let (part, rest) = rest.split_at(usize::from(u16::from_be_bytes(*length)).min(rest.len()));
        parts.push(part);
        input = rest;
    }
    parts
}

fn seeds() -> Vec<Vec<u8>> {
    vec![joined(&commands::seeds())]
}

fn generate(dice: &mut Dice) -> Vec<u8> {
    let commands: Vec<Vec<u8>> = (0..1 + dice.below(12)).map(|_| encode(&command(dice))).collect();
    joined(&commands)
}

fn command(dice: &mut Dice) -> Command {
    const DEFINITIONS: [&str; 3] = [
        "segments: {}\n",
        "attributes: {n: {count: any, window: 7d, bucket: 1h}}\nsegments: {s: {enter: attributes.n > 1, for: 1h}}\n",
        "segments: {s: {after: product_viewed, without: order_completed, for: 365d}}\n",
    ];
    match dice.below(13) {
        0 => Command::ContentChanged(Content {
            weights: vec![("shoes".into(), dice.double()), ("".into(), dice.double())],
            base_weight: dice.double(),
            ends_at: Some(Timestamp::from_ms(dice.number())),
            ..samples::content()
        }),
        1 => Command::ContentWithdrawn { content_id: "c-1".into() },
        2 => Command::SiteSharesChanged(SiteShares {
            shares: vec![("boots".into(), dice.double()), ("shoes".into(), dice.double())],
            ..samples::site_shares()
        }),
        3 => Command::DefinitionsChanged { text: (*dice.of(&DEFINITIONS)).into() },
        _ => {
            let ms = if dice.one_in(3) { dice.number() } else { AT + dice.below(1 << 32) as i64 };
            let mut event = samples::event(dice.text(&samples::NAMES), &format!("m-{}", dice.below(9)), ms);
            event.person = Person::bare(dice.text(&["user:1", "user:2", ""]));
            event.received_at = Timestamp::from_ms(dice.number());
            event.properties.set("points", Scalar::Float(dice.double()));
            event.properties.set("age", Scalar::Integer(dice.number()));
            if dice.one_in(2) {
                event.value = Some(Money { hundredths: dice.number(), currency: "EUR".into() });
            }
            for item in &mut event.items {
                item.price_hundredths = Some(dice.number());
                item.quantity = dice.number() as u32;
            }
            Command::Event(event)
        }
    }
}

fn open() -> Run {
    let plan = plan();
    Box::new(move |input| run(&plan, input))
}

fn run(plan: &Arc<Plan>, input: &[u8]) -> Verdict {
    let open = |store| Task::open(Arc::clone(&plan.shared), 0, store, &plan.profile_cache);
    let mut task = open(Box::<MemoryStore>::default()).map_err(|error| error.to_string())?;
    task.start_at(0);
    let partition = Partition::new(Arc::clone(&plan.input), 0);
    let (mut outputs, mut kinds) = (Vec::new(), 0_u64);
    for (offset, value) in parts(input).into_iter().take(64).enumerate() {
        let record = Record {
            partition: partition.clone(),
            offset: offset as i64,
            timestamp: Timestamp::from_ms(AT),
            key: None,
            value: Some(value.to_vec()),
            headers: Vec::new(),
        };
        let mut applied = applied(&mut task, &record, &mut outputs)?;
        if matches!(applied, Applied::SweepFirst) {
            sweep(&mut task, &mut outputs)?;
            applied = self::applied(&mut task, &record, &mut outputs)?;
            law(!matches!(applied, Applied::SweepFirst), "a sweep that leaves something due")?;
        }
        kinds = kinds.wrapping_mul(7).wrapping_add(match applied {
            Applied::Changed(_) => 1,
            Applied::Answered(_) => 2,
            Applied::Duplicate { .. } => 3,
            Applied::Knowledge => 4,
            Applied::SweepFirst => 5,
            Applied::Rejected(_) => 6,
        });
    }
    sweep(&mut task, &mut outputs)?;
    let flushed = task.flush(true, |output| {
        outputs.push(output);
        Ok(())
    });
    flushed.map_err(|fault| format!("{fault:?}"))?;
    task.settle(1).map_err(|error| error.to_string())?;
    task.save().map_err(|error| error.to_string())?;
    law(outputs.len() < 100_000, "very many outputs")?;
    let (time, next) = (task.stream_time(), task.input_next());
    let mut store = MemoryStore::default();
    copy(&task, &mut store)?;
    let again = open(Box::new(store)).map_err(|error| format!("what was stored does not open: {error}"))?;
    law((again.stream_time(), again.input_next()) == (time, next), "what was stored is another state")?;
    Ok(kinds ^ outputs.len() as u64)
}

fn applied(
    task: &mut Task,
    record: &Record,
    outputs: &mut Vec<bespoke::runtime::broker::Output>,
) -> Result<Applied, String> {
    task.apply(record, outputs).map_err(|error: TaskError| format!("a command that ends the worker: {error}"))
}

fn sweep(task: &mut Task, outputs: &mut Vec<bespoke::runtime::broker::Output>) -> Result<(), String> {
    for _ in 0..1_000 {
        if task.sweep(SWEEP_MAX, outputs).map_err(|error| error.to_string())? < SWEEP_MAX {
            return Ok(());
        }
    }
    Err("a sweep that does not end".to_owned())
}

fn copy(task: &Task, store: &mut MemoryStore) -> Result<(), String> {
    use bespoke::store::{Change, Store};
    let rows = task.store().scan(b"").map_err(|error| error.to_string())?;
    let changes: Vec<Change> = rows
        .into_iter()
        .map(|(key, value)| Change { key, value: Some(value), ..Change::default() })
        .collect();
    let position = task.store().position().ok_or("no position after a commit")?;
    store.absorb(&changes, position).map_err(|error| error.to_string())
}
