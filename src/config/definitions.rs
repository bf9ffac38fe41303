//! Definitions, from the configuration or from a document of the definitions topic, to a [`RuleBook`]. They
//! see no environment and no files: what arrives on a topic means the same everywhere.

use std::ops::RangeInclusive;
use std::sync::LazyLock;

use compact_str::CompactString;

use super::finding::ConfigErrors;
use super::keys::Key;
use super::names::Names;
use super::node::{Node, Place, Source, Value};
use super::problems::Problems;
use super::section::{self, Section};
use super::{attributes, document, functions, interests, keys, lateness, segments, slots};
use crate::codec::wire::Aliases;
use crate::domain::rulebook::{IntakeRule, OrdersRule, RecentRule, RuleBook, SessionRule};
use crate::domain::time::{DAY_MS, Timestamp};

/// The longest event name, in bytes.
const EVENT_BYTES_MAX: usize = 200;
/// The most sources that are trusted.
const TRUSTED_MAX: usize = 64;
/// The most events that one definition names.
pub(crate) const EVENTS_MAX: usize = 64;
/// How long anything may wait or rest, in milliseconds, from nothing on.
pub(crate) const WAIT_MS: RangeInclusive<i64> = 0..=365 * DAY_MS;

/// Reads a document of definitions: the text of `file`, which names it in what is reported.
///
/// # Errors
/// When anything is wrong, or the document says what only the process's own configuration may say; all of it
/// is listed.
pub fn parse_definitions(text: &str, file: &str) -> Result<RuleBook, ConfigErrors> {
    let mut problems = Problems::new(text, file);
    let rules = document::parse(text, &Source::File, &mut problems).and_then(|mut root| {
        refuse_settings(&mut root, &mut problems);
        read(&mut root, &mut problems).map(|(rules, _)| rules)
    });
    problems.finish()?;
    let rules = rules.expect("without a rule book, something was wrong");
    Ok(RuleBook { fingerprint: RuleBook::fingerprint_of(text), ..rules })
}

fn refuse_settings(root: &mut Node, problems: &mut Problems<'_>) {
    let Value::Map(entries) = &mut root.value else { return };
    entries.retain(|entry| {
        let setting = keys::PROCESS.iter().any(|key| key.name == entry.key);
        if setting {
            let message = format!("`{}` is a setting of the process and no part of definitions", entry.key);
            problems.error(&entry.place, message, Some("set it in the process's own configuration".into()));
        }
        !setting
    });
}

/// Reads definitions, and the names that they declare, from their part of the tree. None if it is no mapping, which
/// is reported.
pub(crate) fn read(root: &mut Node, problems: &mut Problems<'_>) -> Option<(RuleBook, Names)> {
    functions::expand(root, problems);
    let mut section = Section::open(root, "", keys::DEFINITIONS, problems)?;
    let section = &mut section;
    let names = Names::gather(section, problems);
    let interests = interests::read(section, problems);
    let rules = RuleBook {
        fingerprint: 0,
        since: Timestamp::EARLIEST,
        intake: intake(section, problems)?,
        session: session(section, problems)?,
        orders: orders(section, problems)?,
        recent: recent(section, problems)?,
        attributes: attributes::read(section, &names, &interests, problems),
        interests,
        segments: segments::read(section, &names, problems),
        rules: slots::read_rules(section, &names, problems),
        slots: slots::read_slots(section, &names, problems),
    };
    Some((rules, names))
}

fn intake(section: &mut Section<'_>, problems: &mut Problems<'_>) -> Option<IntakeRule> {
    let lateness_ms_max = section.duration_ms("lateness", WAIT_MS, problems);
    let lateness_by_source = lateness::by_source(section, problems);
    let retention = section.has("retention").then(|| {
        let place = section.place_of("retention");
        (section.duration_ms("retention", DAY_MS..=3_650 * DAY_MS, problems), place)
    });
    let place =
        section.place_of(if lateness_by_source.is_empty() { "lateness" } else { "lateness_by_source" });
    let mut dedupe = section.section("dedupe", keys::DEDUPE, problems)?;
    let rule = IntakeRule {
        seen_ids_max: dedupe.whole("ids_max", 1..=4_096, problems).unsigned_abs() as usize,
        seen_horizon_ms: dedupe.duration_ms("horizon", 60_000..=90 * DAY_MS, problems),
        lateness_ms_max,
        lateness_by_source,
        retention_ms: retention.as_ref().map(|(retention_ms, _)| *retention_ms),
    };
    lateness::check_repetitions(&rule, &place, problems);
    if let Some((retention_ms, place)) = retention {
        lateness::check_retention(&rule, retention_ms, &place, problems);
    }
    Some(rule)
}

fn session(section: &mut Section<'_>, problems: &mut Problems<'_>) -> Option<SessionRule> {
    let mut session = section.section("session", keys::SESSION, problems)?;
    let gap_ms = session.duration_ms("gap", 1_000..=DAY_MS, problems);
    let timed = session.truth("timed", problems);
    let pages_max = session.whole("pages_max", 0..=50, problems).unsigned_abs() as usize;
    let extends_back = session.truth("extends_back", problems);
    Some(SessionRule { gap_ms, timed, pages_max, extends_back })
}

fn orders(section: &mut Section<'_>, problems: &mut Problems<'_>) -> Option<OrdersRule> {
    let mut orders = section.section("orders", keys::ORDERS, problems)?;
    let trusted = orders.texts("trusted", TRUSTED_MAX, problems);
    Some(OrdersRule { trusted: trusted.into_iter().map(|topic| topic.text).collect() })
}

fn recent(section: &mut Section<'_>, problems: &mut Problems<'_>) -> Option<RecentRule> {
    let mut recent = section.section("recent_items", keys::RECENT_ITEMS, problems)?;
    let items_max = recent.whole("max", 0..=200, problems).unsigned_abs() as usize;
    Some(RecentRule { events: events(&mut recent, "events", problems), items_max })
}

/// Reads every entry of a mapping of definitions, in its order: `read` is given its number, name and section.
pub(crate) fn each<T>(
    definitions: &mut Section<'_>,
    key: &str,
    keys: &'static [Key],
    problems: &mut Problems<'_>,
    mut read: impl FnMut(usize, &str, Section<'_>, &mut Problems<'_>) -> Option<T>,
) -> Vec<T> {
    let Some(node) = definitions.find(key) else { return Vec::new() };
    let Some(entries) = section::entries(node, key, problems) else { return Vec::new() };
    let mut all = Vec::new();
    for (number, entry) in entries.iter_mut().enumerate() {
        // An entry without a value begins and ends at its name.
        if matches!(entry.value.value, Value::Null) {
            entry.value.place = Place { ..entry.place.clone() };
        }
        let Some(section) = Section::open(&mut entry.value, &format!("{key}.{}", entry.key), keys, problems)
        else {
            continue;
        };
        all.extend(read(number, &entry.key, section, problems));
    }
    all
}

/// The names of events under a key.
pub(crate) fn events(
    section: &mut Section<'_>,
    key: &str,
    problems: &mut Problems<'_>,
) -> Vec<CompactString> {
    let path = section.path_of(key);
    let events = section.texts(key, EVENTS_MAX, problems);
    for event in events.iter().filter(|event| event.text.len() > EVENT_BYTES_MAX) {
        let message = format!(
            "{path} names an event of {} bytes; at most {EVENT_BYTES_MAX} are allowed",
            event.text.len()
        );
        problems.error(&event.place, message, None);
    }
    events.iter().for_each(|event| warn_of_alias(&event.text, &event.place, &path, problems));
    events.into_iter().map(|event| event.text).collect()
}

/// Reports where an event is called as it never is.
pub(crate) fn warn_of_alias(event: &str, place: &Place, path: &str, problems: &mut Problems<'_>) {
    static STANDARD: LazyLock<Aliases> = LazyLock::new(Aliases::standard);
    let canonical = STANDARD.canonical_event(event);
    if canonical != event {
        let message = format!("{path}: `{event}` is another name of `{canonical}`");
        let hint = format!("call it `{canonical}`, unless aliases of the process say otherwise");
        problems.warning(place, message, Some(hint));
    }
}

/// The name of one event under a key.
pub(crate) fn event(
    section: &mut Section<'_>,
    key: &str,
    problems: &mut Problems<'_>,
) -> Option<CompactString> {
    let text = section.text(key, problems)?;
    events(section, key, problems);
    Some(text.text)
}

/// Which one of some keys is there; reports it if it is none or several.
pub(crate) fn one_of<'k>(
    section: &Section<'_>,
    path: &str,
    keys: &[&'k str],
    problems: &mut Problems<'_>,
) -> Option<&'k str> {
    let given: Vec<&str> = keys.iter().copied().filter(|key| section.has(key)).collect();
    if let [one] = given.as_slice() {
        return keys.iter().copied().find(|key| key == one);
    }
    let message = match given.as_slice() {
        [] => format!("{path} has none of {}", keys.join(", ")),
        several => format!("{path} has {}, of which only one can be", several.join(" and ")),
    };
    problems.error(section.place(), message, Some(format!("give exactly one of {}", keys.join(", "))));
    None
}
