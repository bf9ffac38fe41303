//! `bespoke demo`: a seeded shop's clickstream through the real pipeline, with one person's profile and the
//! decisions made for her on the terminal. In the middle the processor is killed; at the end everything that
//! came out is read back and checked. It measures nothing that a benchmark should: the stream is paced for
//! those who watch.

mod ada;
mod check;
mod embedded;
mod fold;
mod kafka;
mod pace;
mod paint;
mod play;
mod processor;
mod script;
mod settings;
mod stage;
mod tally;

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use clap::{ArgGroup, Args};

use super::load::{Console, print, variable};
use crate::config::Config;
use crate::runtime::fault::{Exit, ExitCode};
use crate::service::logs::Color;
use crate::service::process::Clocks;
use crate::service::shutdown::{Signals, Stop};
use ada::ADA;
use check::{Evidence, Finding};
use embedded::EmbeddedStage;
use kafka::KafkaStage;
use paint::{Paint, grouped};
use play::{Outcome, Play};
use script::Script;
pub use script::shop_settings;
use settings::{Addresses, Workplace, configuration, load, overrides};
use stage::Stage;
use tally::by_code;

/// Arguments of `bespoke demo`.
#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("log").required(true).args(["bootstrap", "embedded"]),
    after_help = "Examples:
  bespoke demo --bootstrap localhost:9092 --registry http://localhost:8081
  bespoke demo --embedded
  bespoke demo --embedded --fast --events 20000 --seed 7"
)]
pub(super) struct DemoArguments {
    /// The Kafka to use, as host:port. The demo creates topics of its own there and leaves them.
    #[arg(long, value_name = "HOST:PORT", requires = "registry")]
    bootstrap: Option<String>,
    /// The schema registry to use.
    #[arg(long, value_name = "URL", requires = "bootstrap")]
    registry: Option<String>,
    /// Use no Kafka but a log in memory.
    #[arg(long)]
    embedded: bool,
    /// How many records the shop sends, content aside.
    #[arg(long, value_name = "NUMBER", default_value_t = 4_000, value_parser = clap::value_parser!(u32).range(500..=1_000_000))]
    events: u32,
    /// Which of all shops.
    #[arg(long, value_name = "NUMBER", default_value_t = 42)]
    seed: u64,
    /// As fast as it goes, for tests.
    #[arg(long)]
    fast: bool,
    /// The application id, the first part of the name of every topic. One that was not used before; by default
    /// `demo-` and a number made from the time.
    #[arg(long, value_name = "NAME")]
    application: Option<String>,
}

/// How long a signal may take to be heard.
const SIGNAL_WAIT: Duration = Duration::from_millis(200);

/// Why the demo stopped early, if it was told to: the exit code of the signal.
struct Interruption {
    stop: Stop,
    code: Arc<AtomicI32>,
}

/// Plays, checks, and exits with 1 if a check fails.
pub(super) fn run(console: &Console, arguments: DemoArguments) -> Result<i32, Exit> {
    let clocks = Clocks::start();
    // What workers log would run through the picture; on Kafka it goes to a file anyway.
    let _guard = console.level.map(|_| console.log("bespoke-demo", None)).transpose()?;
    let interruption = Interruption::listen()?;
    let application = arguments.application.clone().unwrap_or_else(new_name);
    let addresses = Addresses {
        bootstrap: arguments.bootstrap.clone().unwrap_or_else(|| "localhost:9092".into()),
        registry: arguments.registry.clone().unwrap_or_else(|| "http://localhost:8081".into()),
    };
    let workplace = Workplace::create(&application)?;
    let text = configuration(&application, &addresses, &workplace.state());
    let sets = overrides(&addresses);
    let config = load(&text, &workplace.config(), &application, sets.clone())?;
    workplace.write(&text)?;
    let script = Script::new(arguments.events as usize, arguments.seed);
    let paint = Paint::new(std::io::stdout().is_terminal() && colored(console));
    introduce(&arguments, &config, paint);
    let mut kafka;
    let mut embedded;
    let stage: &mut dyn Stage = if arguments.embedded {
        embedded = EmbeddedStage::open(&config)?;
        &mut embedded
    } else {
        kafka = KafkaStage::open(&config, sets, &workplace)?;
        &mut kafka
    };
    let play = Play::new(stage, &script, &config, paint, clocks, interruption.stop.clone());
    let played = play.run(arguments.fast);
    if let Some(code) = interruption.heard(played.is_err()) {
        print("demo: interrupted, and the processor is stopped");
        return Ok(code);
    }
    let outcome = played?;
    print(paint.dim("reading back what was sent and all that came out, read_committed"));
    let evidence = Evidence::read(stage, &config)?;
    let findings = evidence.check(&script, &config);
    let passed = conclude(&script, &outcome, &evidence, &findings, paint);
    point_further(&arguments, &config, &workplace, paint);
    if passed {
        print(result(&script, &outcome, &evidence));
        return Ok(0);
    }
    print("demo: FAILED, see the checks above");
    Ok(ExitCode::Failed as i32)
}

impl Interruption {
    /// Listens for signals on a thread of its own, for as long as the process lives.
    fn listen() -> Result<Interruption, Exit> {
        let failed = |error| Exit { code: ExitCode::Failed, text: format!("no signals: {error}") };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let mut signals = runtime.block_on(async { Signals::listen() }).map_err(failed)?;
        let interruption = Interruption { stop: Stop::default(), code: Arc::new(AtomicI32::new(0)) };
        let (stop, code) = (Stop::default(), Arc::clone(&interruption.code));
        let asked = interruption.stop.clone();
        let listen = move || {
            let signal = runtime.block_on(signals.first(&stop));
            code.store(signal.exit_code(), Ordering::Release);
            asked.request();
        };
        std::thread::Builder::new().name("signals".into()).spawn(listen).map_err(failed)?;
        Ok(interruption)
    }

    /// The exit code, if a signal came. One from the terminal reaches the processor too, whose end may be
    /// noticed before the signal is: after a failure it is waited for.
    fn heard(&self, failed: bool) -> Option<i32> {
        if failed {
            std::thread::sleep(SIGNAL_WAIT);
        }
        self.stop.requested().then(|| self.code.load(Ordering::Acquire))
    }
}

/// A name that no other run has: from the time, in milliseconds, and the id of this process.
fn new_name() -> String {
    let time = u64::try_from(Clocks::wall().ms()).unwrap_or(0);
    format!("demo-{:x}{:x}", time & 0xff_ffff_ffff, std::process::id() & 0xfff)
}

fn colored(console: &Console) -> bool {
    let no_color = variable("NO_COLOR").is_some_and(|value| !value.is_empty());
    Color::decide(console.color, no_color) != Color::Never
}

fn introduce(arguments: &DemoArguments, config: &Config, paint: Paint) {
    let application = &config.application;
    let events = grouped(u64::from(arguments.events));
    print(paint.bold(format!("Bespoke demo: an outdoor shop, {events} events, application {application}")));
    if arguments.embedded {
        print(
            "No Kafka: a log in memory takes its place, under the same worker, tasks and restore. This shows what is",
        );
        print(
            "decided and why, and that state comes back from the log. It does not show Kafka's transactions, group",
        );
        print("membership, schemas in a registry, or a process killed with -9.");
    } else {
        print(format!(
            "Kafka at {}, registry at {}. The processor is this binary with `run`, as a process of its own.",
            config.kafka.bootstrap, config.registry.url
        ));
    }
    print(
        "Ada is one of the shop's visitors. A * marks what she is tagged with; bars are shares of interest.",
    );
}

/// Prints what was checked and the summary. Whether everything holds.
fn conclude(
    script: &Script,
    outcome: &Outcome,
    evidence: &Evidence,
    findings: &[Finding],
    paint: Paint,
) -> bool {
    print(paint.bold("Checks, on everything read back from the topics:"));
    for finding in findings {
        let mark = if finding.holds { paint.good("✓") } else { paint.bad("✗ FAILED:") };
        print(format!("  {mark} {}: {}", finding.claim, finding.numbers));
    }
    let survived = outcome.kills_survived == 1;
    if !survived {
        print(format!("  {} the processor did not come back", paint.bad("✗ FAILED:")));
    }
    if outcome.stalled {
        print(format!("  {} not everything that was sent was processed", paint.bad("✗ FAILED:")));
    }
    let seconds = outcome.streamed.as_secs_f64();
    let events = script.records.len();
    print(paint.bold("Summary:"));
    print(format!(
        "  {} events in {seconds:.1} s ({:.0} a second), {} decisions, {} segment changes, {} restart",
        grouped(events as u64),
        events as f64 / seconds.max(0.001),
        grouped(evidence.decisions() as u64),
        grouped(evidence.segment_changes() as u64),
        outcome.kills_survived
    ));
    print(format!("  dead letters by code: {}", by_code(&evidence.dead_letters())));
    if let Some(first) = outcome.first_decision {
        print(format!("  the first decision for Ada was on the screen after {:.1} s", first.as_secs_f64()));
    }
    survived && !outcome.stalled && findings.iter().all(|finding| finding.holds)
}

fn point_further(arguments: &DemoArguments, config: &Config, workplace: &Workplace, paint: Paint) {
    print(paint.bold("Where to look next:"));
    let file = workplace.config().display().to_string();
    print(format!("  {file} is the whole configuration; README.md explains it"));
    if arguments.embedded {
        print("  ./dev demo with Docker, or with Java and Maven, plays the same on a real Kafka");
        return;
    }
    let (topics, bootstrap, registry) = (&config.topics, &config.kafka.bootstrap, &config.registry.url);
    print(format!("  bespoke explain {ADA} --config {file}"));
    print(format!("  kcat -C -e -b {bootstrap} -t {} -s value=avro -r {registry}", topics.decisions));
    print(format!(
        "  topics left on the broker: {}, {}, {}, {}, {}, {}, {}",
        topics.decisions,
        topics.segment_changes,
        topics.profile_updates,
        topics.dead_letters,
        topics.status,
        topics.commands,
        topics.changelog
    ));
    let sources = config.sources.iter().map(|source| &*source.topic).chain(config.catalogue_topic.as_deref());
    print(format!("  and those of the shop: {}", sources.collect::<Vec<_>>().join(", ")));
    print(format!("  what the processor logged: {}", workplace.log().display()));
}

/// The last line: printed only when every check has passed.
fn result(script: &Script, outcome: &Outcome, evidence: &Evidence) -> String {
    format!(
        "demo: {} events, {} decisions, nothing lost, nothing doubled, {} kill survived",
        grouped(script.records.len() as u64),
        grouped(evidence.decisions() as u64),
        outcome.kills_survived
    )
}
