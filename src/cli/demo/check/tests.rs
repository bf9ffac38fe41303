//! A check that never fails proves nothing: what is lost or doubled on purpose must be found.

use std::path::Path;
use std::time::Duration;

use super::*;
use crate::cli::demo::embedded::EmbeddedStage;
use crate::cli::demo::settings::{Addresses, configuration};
use crate::cli::demo::tally::Tally;
use crate::config::overlay::Flags;
use crate::runtime::topics::OwnTopics;

/// Records that are sent at once: so few that days are not mixed.
const AT_ONCE: usize = 30;

fn played(script: &Script, config: &Config) -> Evidence {
    let mut stage = EmbeddedStage::open(config).unwrap();
    let mut tally = Tally::new(OwnTopics::of(config));
    stage.start().unwrap();
    script.contents.iter().for_each(|record| stage.feed(record).unwrap());
    let mut sent = 0;
    for (number, records) in script.records.chunks(AT_ONCE).enumerate() {
        records.iter().for_each(|record| stage.feed(record).unwrap());
        sent += records.len() as u64;
        if number == 10 {
            stage.kill().unwrap();
            stage.start().unwrap();
        }
        follow(&mut stage, &mut tally, |tally| tally.taken() >= sent);
    }
    follow(&mut stage, &mut tally, Tally::is_applied);
    // The last due changes follow the last event.
    while !stage.follow(Duration::from_millis(200)).unwrap().is_empty() {}
    stage.stop().unwrap();
    Evidence::read(&mut stage, config).unwrap()
}

fn follow(stage: &mut EmbeddedStage<'_>, tally: &mut Tally, until: impl Fn(&Tally) -> bool) {
    let mut silences = 0;
    while !until(tally) {
        let records = stage.follow(Duration::from_millis(20)).unwrap();
        records.iter().for_each(|record| tally.count(record));
        silences = if records.is_empty() { silences + 1 } else { 0 };
        assert!(silences < 1_000, "the stream is not processed");
    }
}

fn failed(evidence: &Evidence, script: &Script, config: &Config) -> Vec<&'static str> {
    let findings = evidence.check(script, config);
    findings.iter().filter(|finding| !finding.holds).map(|finding| finding.claim).collect()
}

#[test]
fn what_is_lost_or_doubled_is_found() {
    let addresses = Addresses { bootstrap: "host:1".into(), registry: "http://host:2".into() };
    let text = configuration("demo-check", &addresses, Path::new("state"));
    let config = Config::load(&text, "shop.yaml", [], &Flags::new()).unwrap();
    let script = Script::new(600, 3);
    let mut evidence = played(&script, &config);
    assert_eq!(failed(&evidence, &script, &config), [] as [&str; 0]);

    let position = evidence.decisions.iter().position(|decision| decision.request_id.is_some()).unwrap();
    let decision = evidence.decisions.remove(position);
    let lost = ["every request has one decision", "decisions are those of a plain fold, in order"];
    assert_eq!(failed(&evidence, &script, &config), lost);
    evidence.decisions.insert(position, decision.clone());
    evidence.decisions.push(decision);
    assert_eq!(failed(&evidence, &script, &config).len(), 3);
    evidence.decisions.pop();

    let letter = evidence.dead_letters.pop().unwrap();
    assert_eq!(failed(&evidence, &script, &config), ["every malformed record is one dead letter"]);
    evidence.dead_letters.push(letter);

    let change = evidence.segment_changes.remove(0);
    assert_eq!(failed(&evidence, &script, &config), ["segment changes are those of a plain fold"]);
    evidence.segment_changes.insert(0, change);

    let (person, mut profile) = evidence.profiles.pop_first().unwrap();
    profile.events_applied += 1;
    evidence.profiles.insert(person, profile);
    assert_eq!(failed(&evidence, &script, &config), ["last profiles are those of a plain fold"]);

    // An event that is in the log twice is recognised as a copy, but not one that the shop has sent.
    let event = evidence.commands.iter().rfind(|record| record.key.is_some()).unwrap().clone();
    evidence.commands.push(event);
    let found = failed(&evidence, &script, &config);
    assert!(found.contains(&"every usable event is one command"), "{found:?}");
    assert!(found.contains(&"every repeated event counts once"), "{found:?}");
}
