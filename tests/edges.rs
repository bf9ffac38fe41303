//! Hostile input at the edges, whole scenarios: what becomes of it, within which time and memory, and that
//! its neighbours notice nothing. The decoders' own examples are beside them; `fuzz.rs` looks for more.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::disallowed_methods)]
#![allow(clippy::print_stdout, reason = "figures, shown with --nocapture")]

use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bespoke::codec::command;
use bespoke::codec::output::SchemaIds;
use bespoke::codec::registry::{Registry, RegistrySettings};
use bespoke::codec::reject::RejectCode;
use bespoke::codec::wire::{Aliases, Clock, Ids, Source};
use bespoke::config::Config;
use bespoke::config::overlay::Flags;
use bespoke::domain::command::Command;
use bespoke::domain::event::{Event, Item};
use bespoke::domain::expression::Expression;
use bespoke::domain::person::Person;
use bespoke::domain::profile::Profile;
use bespoke::domain::scalar::{Properties, Scalar};
use bespoke::domain::scope::Scope;
use bespoke::domain::time::Timestamp;
use bespoke::runtime::broker::{Output, Partition, Record};
use bespoke::runtime::embedded::{EmbeddedBroker, EmbeddedLog};
use bespoke::runtime::fault::ExitCode;
use bespoke::runtime::instruments::Instruments;
use bespoke::runtime::instruments::vitals::Vitals;
use bespoke::runtime::plan::{Now, Plan};
use bespoke::runtime::stores::MemoryStores;
use bespoke::runtime::task::{Applied, Task};
use bespoke::runtime::worker::Worker;
use bespoke::service::build;
use bespoke::service::registry_server::RegistryServer;
use bespoke::service::watchdog::ExitReason;
use bespoke::store::memory::MemoryStore;
use compact_str::CompactString;

/// 2026-01-05T10:00:00Z.
const AT: Timestamp = Timestamp::from_ms(1_767_607_200_000);

const EVENT: &str = r#"{"type":"record","name":"Event","fields":[
    {"name":"event","type":"string"},{"name":"messageId","type":"string"},{"name":"userId","type":["null","string"]},
    {"name":"items","type":{"type":"array","items":{"type":"record","name":"Line","fields":[
        {"name":"item_id","type":"string"},{"name":"price","type":"double"},{"name":"quantity","type":"int"}]}}},
    {"name":"nothing","type":{"type":"array","items":"null"}},
    {"name":"tags","type":{"type":"map","values":"string"}}]}"#;

fn long(number: i64) -> Vec<u8> {
    let mut bits = ((number << 1) ^ (number >> 63)) as u64;
    let mut bytes = Vec::new();
    while bits > 0x7f {
        bytes.push((bits & 0x7f) as u8 | 0x80);
        bits >>= 7;
    }
    bytes.push(bits as u8);
    bytes
}

fn text(text: &str) -> Vec<u8> {
    [long(text.len() as i64), text.as_bytes().to_vec()].concat()
}

/// The parts of a datum of `EVENT`, to be put together with one of them changed.
fn parts(message_id: &str) -> [Vec<u8>; 6] {
    let line = [text("p1"), 59.9_f64.to_le_bytes().to_vec(), long(2)].concat();
    let tag = [text("size"), text("m")].concat();
    [
        text("product_viewed"),
        text(message_id),
        [long(1), text("u1")].concat(),
        [long(1), line, long(0)].concat(),
        long(0),
        [long(1), tag, long(0)].concat(),
    ]
}

fn framed(id: u32, datum: &[u8]) -> Vec<u8> {
    [&[0], &id.to_be_bytes()[..], datum].concat()
}

/// Everything that a damaged or hostile producer may send instead of a record; each is to be refused.
fn bad_records(id: u32) -> Vec<Vec<u8>> {
    let good = framed(id, &parts("good").concat());
    let mut bad: Vec<Vec<u8>> = (0..good.len()).map(|end| good[..end].to_vec()).collect();
    bad.extend([1, 2, 0x7b, 0xff].map(|magic| [&[magic], &good[1..]].concat()));
    bad.push([&good[..], &[0]].concat());
    let counts = [i64::MIN, i64::MIN + 1, -1_000_000_000, -1, 1_000_000_000, 1 << 40, i64::MAX];
    for count in counts {
        for place in 0..6 {
            let mut parts = parts("bad");
            parts[place] = match place {
                // So many texts' bytes, union branches, items, nothings or tags, and nothing behind it.
                4 => [long(count), long(7), long(0)].concat(),
                _ => long(count),
            };
            bad.push(framed(id, &parts.concat()));
        }
    }
    let mut bits = 0x5eed_u64;
    let mut random = || {
        bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        bits >> 33
    };
    // Lengths far beyond the bytes at the front, so that no random record can be a good one.
    for length in 0..300 {
        let noise: Vec<u8> = (0..length).map(|_| random() as u8).collect();
        bad.push(framed(id, &[long(1 << (20 + length % 40)), noise].concat()));
    }
    bad
}

/// Every bad record is one dead letter, with its reason and where it came from; the good ones between them
/// arrive, each once.
#[test]
fn scenario_16_damaged_avro_is_one_dead_letter_each_and_its_neighbours_arrive() {
    let memory_before = peak_memory_bytes();
    let listen: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let server = RegistryServer::start_on_thread(listen).unwrap();
    let registry = Registry::connect(RegistrySettings::new(server.url())).unwrap();
    let id = registry.register("events-value", EVENT).unwrap();
    let configuration = "application: edges\nsources:\n  - {topic: events, format: avro, start: earliest}\n\
                         kafka: {bootstrap: \"h:1\"}\nregistry: {url: \"http://h\"}\n";
    let log = pipeline(configuration, &registry, |log| {
        for (number, bad) in bad_records(id).into_iter().enumerate() {
            append(log, "events", framed(id, &parts(&format!("good-{number}")).concat()));
            append(log, "events", bad);
        }
    });
    let bad = bad_records(id);
    let dead = log.read("edges-dead-letters");
    assert_eq!(dead.len(), bad.len(), "one dead letter for each bad record");
    for (number, letter) in dead.iter().enumerate() {
        let header = |name: &str| {
            let found = letter.headers.iter().find(|header| header.name == name).unwrap();
            String::from_utf8(found.value.clone().unwrap()).unwrap()
        };
        assert_eq!(letter.value.as_deref().unwrap_or_default(), bad[number], "the record as it was");
        assert_eq!(header("__streams.errors.offset"), (2 * number + 1).to_string());
        let code = header("bespoke.error.code");
        assert!(["malformed_avro", "empty", "too_large"].contains(&&*code), "record {number}: {code}");
        assert!(!header("__streams.errors.message").is_empty());
    }
    let ids: Vec<CompactString> = log
        .read("edges-commands")
        .iter()
        .map(|record| match command::decode(record.value.as_deref().unwrap()) {
            Ok(Command::Event(event)) => event.message_id,
            other => panic!("{other:?}"),
        })
        .collect();
    let expected: Vec<CompactString> = (0..bad.len()).map(|number| format!("good-{number}").into()).collect();
    assert_eq!(ids, expected, "every neighbour, once and in order");
    let grown = peak_memory_bytes().saturating_sub(memory_before);
    println!("scenario 16: {} bad records, {} KiB more memory", bad.len(), grown >> 10);
    assert!(grown < 64 << 20, "{grown} bytes more memory");
}

/// Runs the intake and the tasks on a log in memory until everything is consumed.
fn pipeline(configuration: &str, registry: &Registry, fill: impl FnOnce(&EmbeddedLog)) -> EmbeddedLog {
    let config = Config::load(configuration, "edges.yaml", [], &Flags::new()).unwrap();
    let plan = plan(&config, registry);
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
    fill(&log);
    let broker =
        EmbeddedBroker::new(log.clone(), &plan.topics(), Arc::clone(&names.changelog), Arc::new(|| AT));
    let mut now = Now { monotonic: Duration::from_secs(1), wall: AT };
    let vitals = Vitals::new(1, Vec::new(), 10_000).worker(0);
    let mut worker = Worker::new(Arc::clone(&plan), broker, vitals, now).unwrap();
    let began = Instant::now();
    while !log.is_consumed(&plan.topics()) {
        now.monotonic += Duration::from_millis(20);
        worker.turn(now).unwrap();
        assert!(began.elapsed() < Duration::from_secs(60), "not consumed after a minute");
    }
    log
}

fn plan(config: &Config, registry: &Registry) -> Arc<Plan> {
    let ids = SchemaIds { profile_update: 1, decision: 2, segment_change: 3 };
    Arc::new(build::plan(config, registry, ids, Arc::new(MemoryStores), Instruments::silent()))
}

fn append(log: &EmbeddedLog, topic: &str, value: Vec<u8>) {
    log.append(Output { topic: topic.into(), value: Some(value), ..Output::default() }, AT).unwrap();
}

fn event(message_id: &str, at: Timestamp) -> Event {
    let mut properties = Properties::default();
    properties.set("text", Scalar::Text("x".repeat(1_024).into()));
    properties.set("texts", Scalar::Texts(vec!["x".repeat(1_024).into(); 64]));
    let item = Item { item_id: "p".into(), category: Some("c".into()), quantity: 1, ..Item::default() };
    Event {
        message_id: message_id.into(),
        name: "product_viewed".into(),
        person: Person::bare("user:u1"),
        timestamp: at,
        original_timestamp: at,
        received_at: at,
        time_clamped: false,
        source: "events".into(),
        items: vec![item; 200],
        order_id: None,
        value: None,
        request: None,
        page: None,
        properties,
        traits: Properties::default(),
    }
}

/// Conditions that are to be refused, with a word of the reason.
fn refused_conditions() -> Vec<(String, &'static str)> {
    let many = |piece: &str, times: usize| piece.repeat(times);
    vec![
        (format!("{}true{}", many("(", 10_000), many(")", 10_000)), "bytes"),
        (format!("{}true{}", many("(", 1_500), many(")", 1_500)), "not a CEL"),
        (many("[", 4_000), "not a CEL"),
        (many("{1:", 1_300), "not a CEL"),
        (many("a.b(", 1_000), "not a CEL"),
        (many("1?", 2_000), "not a CEL"),
        (many("[1,", 1_300), "not a CEL"),
        // The shape of bytes by which older parsers took gigabytes: open brackets that never close.
        (format!("{}{}", many("((((((((((((", 10), "[[[[[[[[[["), "not a CEL"),
        (format!("{}1", many("1+", 1_100)), "nodes"),
        ("[1,2].map(a,[1,2].map(b,[1,2].map(c,a+b+c)))==[]".to_owned(), "nested"),
        (format!("[1]{}.size() > 0", many(".map(x,[x,x,x,x])", 200)), ""),
        (format!("['x']{}.size() > 0", many(".map(s,s+s)", 30)), ""),
        (format!("event.items.map(i, {}''+'').size() > 0", many("event.properties.text+", 150)), "steps"),
        (format!("event.items.exists(i, {}false)", many("i.category in recent || ", 60)), "steps"),
        (format!("[{}0].exists(x, x > 1)", many("0,", 300)), "gone through"),
        ("event.properties.text.matches('(a{1000}){1000}')".to_owned(), "no function matches"),
        ("timestamp('2026-01-01T00:00:00Z') > timestamp(0)".to_owned(), "no function timestamp"),
        ("traits.map(k, k)[0] == 'a'".to_owned(), "lists alone"),
        ("now() > 1".to_owned(), "no function now"),
    ]
}

/// Conditions that are odd and allowed; each has one verdict, the same on every replica.
const TOTAL_CONDITIONS: [(&str, Option<bool>); 12] = [
    ("1 / 0 == 1", None),
    ("1 % 0 == 1", None),
    ("1.0 / 0.0 > 1.0", Some(true)),
    ("0.0 / 0.0 == 0.0 / 0.0", Some(false)),
    ("9223372036854775807 + 1 > 0", None),
    ("-9223372036854775808 - 1 < 0", None),
    ("-(-9223372036854775808) > 0", None),
    ("event.name > 1", None),
    ("event.items[4000000000].quantity == 1", None),
    ("int('99999999999999999999') > 0", None),
    ("int(1e300) > 0", None),
    ("false && 1 / 0 == 1", Some(false)),
];

#[test]
fn scenario_18_poison_conditions_are_refused_at_once_with_a_reason() {
    let memory_before = peak_memory_bytes();
    for (source, word) in refused_conditions() {
        let start: String = source.chars().take(60).collect();
        let (took, result) = fastest(|| Expression::compile(&source));
        let Err(error) = result else { panic!("{start} was let in") };
        assert!(error.message.contains(word), "{start}: {}", error.message);
        assert!(took < Duration::from_millis(100), "{start}: {took:?}");
    }
    let grown = peak_memory_bytes().saturating_sub(memory_before);
    assert!(grown < 64 << 20, "{grown} bytes more memory");
}

#[test]
fn scenario_18_what_is_let_in_is_total_and_the_same_everywhere() {
    let config = Config::load(bespoke::shop::CONFIG, "shop.yaml", [], &Flags::new()).unwrap();
    let (profile, event) = (Profile::default(), event("m", AT));
    let scope = Scope { rules: &config.rules, person: &event.person, profile: &profile, event: Some(&event) };
    for (source, verdict) in TOTAL_CONDITIONS {
        let expression = Expression::compile(source).unwrap();
        for _ in 0..3 {
            assert_eq!(expression.holds(&scope), verdict, "{source}");
        }
        // Each thread hashes with keys of its own, as each replica does.
        let elsewhere = std::thread::scope(|threads| {
            threads.spawn(|| Expression::compile(source).unwrap().holds(&scope)).join().unwrap()
        });
        assert_eq!(elsewhere, verdict, "{source}");
    }
    let negations = Expression::compile(&format!("{}true", "!".repeat(4_000))).unwrap();
    assert_eq!(negations.holds(&scope), Some(true));
    // As costly as a condition can be and be let in.
    let memory_before = peak_memory_bytes();
    let costly = [
        format!("event.items.exists(i, {}false)", "i.category in event.properties.texts || ".repeat(13)),
        format!("event.items.map(i, size({}''))[0] < 0", "event.properties.text + ".repeat(6)),
        format!("size({}'') < 0", "event.properties.text + ".repeat(150)),
    ];
    for source in costly {
        let expression = Expression::compile(&source).unwrap();
        let (took, verdict) = fastest(|| expression.holds(&scope));
        println!("scenario 18: {took:?} for {}…", &source[..40]);
        assert_eq!(verdict, Some(false), "{source}");
        assert!(took < Duration::from_millis(100), "{source}: {took:?}");
    }
    let grown = peak_memory_bytes().saturating_sub(memory_before);
    assert!(grown < 64 << 20, "{grown} bytes more memory");
}

/// Definitions with a poison rule are refused as a whole; those in force go on.
#[test]
fn scenario_18_other_rules_go_on() {
    let config = Config::load(bespoke::shop::CONFIG, "shop.yaml", [], &Flags::new()).unwrap();
    let registry = Registry::connect(RegistrySettings::new("http://127.0.0.1:1")).unwrap();
    let plan = plan(&config, &registry);
    let mut task = task(&plan);
    let mut outputs = Vec::new();
    let good =
        "attributes: {views: {count: product_viewed}}\nsegments: {looker: {enter: attributes.views >= 2}}\n";
    let mut commands = vec![Command::DefinitionsChanged { text: good.into() }];
    commands.push(Command::Event(event("m-1", AT)));
    for (source, _) in refused_conditions() {
        let text = format!("{good}rules:\n  r: {{on: {{event: x}}, when: {source:?}, decide: s}}\n");
        commands.push(Command::DefinitionsChanged { text: text.into() });
    }
    commands.push(Command::Event(event("m-2", AT)));
    let rejected = commands.iter().enumerate().filter(|(offset, command)| {
        let record = record(&plan, *offset, command);
        let mut applied = task.apply(&record, &mut outputs).unwrap();
        while matches!(applied, Applied::SweepFirst) {
            task.sweep(256, &mut outputs).unwrap();
            applied = task.apply(&record, &mut outputs).unwrap();
        }
        matches!(applied, Applied::Rejected(reject) if reject.code == RejectCode::InvalidDefinitions)
    });
    assert_eq!(rejected.count(), refused_conditions().len());
    let changes = outputs.iter().filter(|output| *output.topic == *plan.shared.topics.segment_changes);
    assert_eq!(changes.count(), 1, "the good rule let the person in");
}

/// One record from beyond all time neither moves stream time nor hangs the task.
#[test]
fn scenario_27_times_from_beyond_all_time_stay_outside() {
    let config = Config::load(bespoke::shop::CONFIG, "shop.yaml", [], &Flags::new()).unwrap();
    let registry = Registry::connect(RegistrySettings::new("http://127.0.0.1:1")).unwrap();
    let plan = plan(&config, &registry);
    let mut task = task(&plan);
    let mut outputs = Vec::new();
    let times = [i64::MIN, i64::MIN + 1, -1, 7_258_118_400_000, i64::MAX - 1, i64::MAX];
    for (offset, ms) in times.into_iter().enumerate() {
        let command = Command::Event(event(&format!("m-{offset}"), Timestamp::from_ms(ms)));
        match task.apply(&record(&plan, offset, &command), &mut outputs).unwrap() {
            Applied::Rejected(reject) => assert_eq!(reject.code, RejectCode::UnreadableCommand),
            other => panic!("{ms}: {other:?}"),
        }
    }
    assert_eq!(task.stream_time(), Timestamp::EARLIEST);
    assert_eq!(task.sweep(10, &mut outputs).unwrap(), 0);
}

/// Deep, doubled and enormous JSON: a reject at once, before anything recurses.
#[test]
fn scenario_31_hostile_json_is_refused_at_once() {
    let source = Source {
        topic: "events".into(),
        clock: Clock::Automatic,
        ids: Ids::ByKind,
        aliases: Arc::new(Aliases::standard()),
        known_events: None,
        table: None,
        schemas: Arc::default(),
        record_bytes_max: 2 << 20,
    };
    let nested = |open: &str| {
        format!(r#"{{"event":"x","userId":"u","properties":{}"#, open.repeat(1_000_000 / open.len()))
    };
    let hostile = [
        ("[".repeat(1_000_000), RejectCode::TooDeep),
        (nested("["), RejectCode::TooDeep),
        (nested(r#"{"a":"#), RejectCode::TooDeep),
        (r#"{"event":"x","userId":"u","a":1e400}"#.to_owned(), RejectCode::MalformedJson),
        (r#"{"event":"x","userId":"u","userId":"v"}"#.to_owned(), RejectCode::MalformedJson),
        (format!(r#"{{"event":"x","userId":"u","a":{}}}"#, "9".repeat(1_000_000)), RejectCode::MalformedJson),
        (format!("[{}0]", "0,".repeat(400_000)), RejectCode::TooLarge),
        ("x".repeat((2 << 20) + 1), RejectCode::TooLarge),
    ];
    let memory_before = peak_memory_bytes();
    for (json, code) in hostile {
        let (took, result) = fastest(|| source.decode_json(json.as_bytes(), AT));
        let start: String = json.chars().take(50).collect();
        assert_eq!(result.map_err(|reject| reject.code).unwrap_err(), code, "{start}");
        // Ten milliseconds in a release; the tests are compiled with little optimisation.
        assert!(took < Duration::from_millis(100), "{start}: {took:?}");
    }
    let grown = peak_memory_bytes().saturating_sub(memory_before);
    assert!(grown < 64 << 20, "{grown} bytes more memory");
}

/// The table in README.md and the codes in the source are the same, and no code means two things.
#[test]
fn every_exit_code_is_in_the_table_and_the_other_way_round() {
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let (_, table) = readme.split_once("## Exit codes").unwrap();
    let rows = table.lines().skip_while(|line| !line.starts_with("| ---")).skip(1);
    let listed: Vec<i32> = rows
        .take_while(|line| line.starts_with('|'))
        .flat_map(|line| line.split('|').nth(1).unwrap().split(',').map(|code| code.trim().parse().unwrap()))
        .collect();
    let faults = [
        ExitCode::Failed,
        ExitCode::CheckFailed,
        ExitCode::Unreachable,
        ExitCode::Hung,
        ExitCode::Fenced,
        ExitCode::Inconsistent,
        ExitCode::Unknown,
        ExitCode::Panicked,
        ExitCode::Misconfigured,
    ];
    let mut known: Vec<i32> = faults.iter().map(|code| *code as i32).collect();
    // Done, wrong usage, a drain that was cut off, and the two signals.
    known.extend([0, 2, ExitReason::DrainOverdue(None).exit_code(), 130, 143]);
    known.sort_unstable();
    assert_eq!(listed, known);
    assert_eq!(ExitReason::StuckStep.exit_code(), ExitCode::Hung as i32);
    assert_eq!(ExitReason::WatchPanicked.exit_code(), ExitCode::Panicked as i32);
}

fn task(plan: &Arc<Plan>) -> Task {
    let store = Box::new(MemoryStore::default());
    let mut task = Task::open(Arc::clone(&plan.shared), 0, store, &plan.profile_cache).unwrap();
    task.start_at(0);
    task
}

fn record(plan: &Plan, offset: usize, command: &Command) -> Record {
    Record {
        partition: Partition::new(Arc::clone(&plan.input), 0),
        offset: offset as i64,
        timestamp: AT,
        key: None,
        value: Some(command::encode(command)),
        headers: Vec::new(),
    }
}

/// The fastest of five, since others use the machine too, and what it gave.
fn fastest<T>(mut work: impl FnMut() -> T) -> (Duration, T) {
    let mut once = || {
        let began = Instant::now();
        let result = work();
        (began.elapsed(), result)
    };
    let first = once();
    (0..4).map(|_| once()).fold(first, |best, next| if next.0 < best.0 { next } else { best })
}

/// The most memory that this process has had so far.
fn peak_memory_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
}
