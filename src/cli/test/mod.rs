//! `bespoke test`: scenarios in YAML, events and clock moves in, expected profiles and decisions out. Neither
//! a broker nor a registry is needed: an independent fold feeds the decoder and the rules.

mod compare;
mod fold;
mod scenario;

use std::path::{Path, PathBuf};

use clap::Args;
use compact_str::CompactString;
use serde_json::{Value, json};

use super::load::print;
use super::view;
use super::{ConfigSource, Format};
use crate::config::Config;
use crate::config::overlay::Flags;
use crate::runtime::fault::{Exit, ExitCode};
use compare::{Difference, differences};
use fold::{Fold, Outcome};
use scenario::{Expectation, Place, Placed, Scenario, Step};

/// Arguments of `bespoke test`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  bespoke test scenarios/cart.yaml
  bespoke test --config shop.yaml --output json scenarios/

A scenario:
  scenario: A cart left alone for a day is rescued
  config: ../shop.yaml            # beside the scenario; else --config
  content: [{contentId: hero-1, slots: [home_hero], weights: {shoes: 1.0}}]
  site_shares: {category: {asOf: 2026-01-05T00:00:00Z, persons: 900, shares: {shoes: 0.4}}}
  steps:
    - event: {type: track, event: product_added, userId: u1, messageId: m1,
              timestamp: 2026-01-05T10:00:00Z, properties: {productId: p1, category: shoes}}
    - clock: +25h                 # or an instant: as another person's event would move it
    - expect:
        person: user:u1
        profile: {segments: [cart_abandoner]}
        decisions: [{slot: cart_side, cause: {rule: rescue_cart}}]

An event may say its `source` (else the first of the configuration) and when it was `received`; a text in the
place of an event is a record's bytes. Decisions and segment changes are those of the person since the last
expectation. Of mappings only the fields named are compared, lists are compared whole, numbers to as many
decimals as are written. A record that is rejected fails the scenario unless an expectation names `rejected`.
Stream time is that of one partition: everybody in a scenario shares it.")]
pub(super) struct TestArguments {
    #[command(flatten)]
    source: ConfigSource,
    /// Scenario files, or directories of them.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// How to print.
    #[arg(long, short, value_enum, default_value = "text")]
    output: Format,
}

/// What a scenario came to.
struct Verdict {
    file: String,
    scenario: String,
    expectations: usize,
    failures: Vec<Failure>,
}

/// What was otherwise than expected.
struct Failure {
    place: Place,
    text: String,
    differences: Vec<Difference>,
}

/// Runs every scenario and exits with 3 if one fails.
pub(super) fn run(arguments: TestArguments) -> Result<i32, Exit> {
    let mut verdicts = Vec::new();
    for file in files(&arguments.files)? {
        let verdict = play(&arguments.source, &file)?;
        match arguments.output {
            Format::Text => print(verdict.text()),
            Format::Ndjson => print(verdict.json().to_string()),
            Format::Json => {}
        }
        verdicts.push(verdict);
    }
    let failed = verdicts.iter().filter(|verdict| !verdict.failures.is_empty()).count();
    match arguments.output {
        Format::Text => print(format!("{} scenarios, {failed} failed", verdicts.len())),
        Format::Json => print(Value::from_iter(verdicts.iter().map(Verdict::json)).to_string()),
        Format::Ndjson => {}
    }
    Ok(if failed > 0 { 3 } else { 0 })
}

/// The files, those of directories in the order of names.
fn files(named: &[PathBuf]) -> Result<Vec<PathBuf>, Exit> {
    let mut files = Vec::new();
    for path in named {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let unreadable = |error: std::io::Error| wrong(format!("{}: {error}", path.display()));
        let mut inside = Vec::new();
        for entry in std::fs::read_dir(path).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?.path();
            if entry.extension().is_some_and(|extension| extension == "yaml" || extension == "yml") {
                inside.push(entry);
            }
        }
        if inside.is_empty() {
            return Err(wrong(format!("{}: no *.yaml in it", path.display())));
        }
        inside.sort();
        files.extend(inside);
    }
    Ok(files)
}

fn play(source: &ConfigSource, file: &Path) -> Result<Verdict, Exit> {
    let text =
        std::fs::read_to_string(file).map_err(|error| wrong(format!("{}: {error}", file.display())))?;
    let scenario = Scenario::parse(&text).map_err(|error| wrong(format!("{}:{error}", file.display())))?;
    let config = configuration(source, file, scenario.config.as_deref())?;
    let at = |place: Place, text: String| wrong(format!("{}:{place}: {text}", file.display()));
    let mut fold = Fold::new(&config);
    for content in &scenario.content {
        fold.content(&content.value).map_err(|text| at(content.place, text))?;
    }
    for (interest, shares) in &scenario.site_shares {
        fold.site_shares(interest, &shares.value).map_err(|text| at(shares.place, text))?;
    }
    let mut verdict = Verdict {
        file: file.display().to_string(),
        scenario: scenario.name.clone(),
        expectations: 0,
        failures: Vec::new(),
    };
    // The last event's outcome, and a reject that no expectation has named yet.
    let mut last: Option<(Place, Outcome)> = None;
    for Placed { place, value: step } in &scenario.steps {
        match step {
            Step::Event(event) => {
                verdict.complain_of_reject(last.take());
                let outcome = fold.event(event).map_err(|text| at(*place, text))?;
                verdict.complain_of_loop(*place, fold.take_stopped());
                last = Some((*place, outcome));
            }
            Step::Clock(clock) => {
                fold.clock(clock).map_err(|text| at(*place, text))?;
                verdict.complain_of_loop(*place, fold.take_stopped());
            }
            Step::Expect(expectation) => {
                verdict.expectations += 1;
                verdict.check(*place, expectation, &mut fold, last.as_ref().map(|(_, outcome)| outcome));
                if expectation.names_outcome() {
                    last = None;
                }
            }
        }
    }
    verdict.complain_of_reject(last);
    Ok(verdict)
}

/// The scenario's own configuration, else the command's. Where Kafka and the registry are does not matter.
fn configuration(source: &ConfigSource, file: &Path, own: Option<&Path>) -> Result<Config, Exit> {
    let mut flags = Flags::new();
    flags.set("`bespoke test`", "kafka.bootstrap", "localhost:9092");
    flags.set("`bespoke test`", "registry.url", "http://localhost:8081");
    let beside = own.map(|own| file.parent().unwrap_or(Path::new("")).join(own));
    let config = beside.unwrap_or_else(|| source.config.clone());
    ConfigSource { config, sets: source.sets.clone() }.load(flags)
}

fn wrong(text: String) -> Exit {
    Exit { code: ExitCode::Misconfigured, text }
}

impl Verdict {
    fn complain_of_loop(&mut self, place: Place, stopped: Option<CompactString>) {
        let Some(rule) = stopped else { return };
        let text = format!("four rules have set off one another, and `{rule}` was not let fire any more");
        self.failures.push(Failure { place, text, differences: Vec::new() });
    }

    fn check(&mut self, place: Place, expectation: &Expectation, fold: &mut Fold, outcome: Option<&Outcome>) {
        let person = expectation.person.as_deref();
        let (decisions, changes) = fold.take(person);
        let mut compare = |name: &str, expected: &Option<Placed<Value>>, actual: Value| {
            let Some(expected) = expected else { return };
            let differences = differences(name, &expected.value, &actual);
            if !differences.is_empty() {
                let text = match person {
                    Some(person) => format!("not as expected of {person}"),
                    None => "not as expected".to_owned(),
                };
                self.failures.push(Failure { place: expected.place, text, differences });
            }
        };
        let profile = match (person, &expectation.profile) {
            (Some(person), _) => fold.profile(person),
            (None, Some(expected)) => {
                let text = "a profile is expected, and no person is named: add `person`".to_owned();
                self.failures.push(Failure { place: expected.place, text, differences: Vec::new() });
                return;
            }
            (None, None) => Value::Null,
        };
        compare("profile", &expectation.profile, profile);
        compare("decisions", &expectation.decisions, Value::from_iter(decisions));
        compare("segment_changes", &expectation.segment_changes, Value::from_iter(changes));
        compare("outcome", &expectation.outcome, json!(outcome.map(Outcome::name)));
        let rejected = match outcome {
            Some(Outcome::Rejected(reject)) => view::reject(reject),
            _ => Value::Null,
        };
        compare("rejected", &expectation.rejected, rejected);
        if expectation.is_empty() {
            let text =
                "this expects nothing: name a profile, decisions, segment_changes, outcome or rejected";
            self.failures.push(Failure { place, text: text.to_owned(), differences: Vec::new() });
        }
    }

    fn complain_of_reject(&mut self, last: Option<(Place, Outcome)>) {
        if let Some((place, Outcome::Rejected(reject))) = last {
            let text =
                format!("this event was rejected, {reject}; expect it with `rejected` if it should be");
            self.failures.push(Failure { place, text, differences: Vec::new() });
        }
    }

    fn text(&self) -> String {
        let mark = if self.failures.is_empty() { "ok  " } else { "FAIL" };
        let mut lines =
            vec![format!("{mark} {}: {} ({} expectations)", self.file, self.scenario, self.expectations)];
        for failure in &self.failures {
            lines.push(format!("  {}:{}: {}", self.file, failure.place, failure.text));
            lines.extend(failure.differences.iter().map(ToString::to_string));
        }
        lines.join("\n")
    }

    fn json(&self) -> Value {
        let failures = self.failures.iter().map(|failure| {
            json!({
                "line": failure.place.line, "column": failure.place.column, "message": failure.text,
                "differences": Value::from_iter(failure.differences.iter().map(Difference::json)),
            })
        });
        json!({
            "file": self.file, "scenario": self.scenario, "passed": self.failures.is_empty(),
            "expectations": self.expectations, "failures": Value::from_iter(failures),
        })
    }
}
