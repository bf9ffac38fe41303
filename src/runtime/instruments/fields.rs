//! How often events of a source do not say what they are expected to say. Counted where they are read, in atomics
//! that all workers share, because looking an instrument up for every record would cost as much as reading it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use opentelemetry::KeyValue;
use opentelemetry::metrics::Meter;

use crate::domain::event::Event;
use crate::domain::quality::ExpectedField;

/// What the events of one source are expected to say, and how many did not.
#[derive(Debug, Default)]
pub struct ExpectedFields {
    topic: String,
    fields: Vec<Counted>,
}

#[derive(Debug)]
struct Counted {
    expected: ExpectedField,
    events: AtomicU64,
    missing: AtomicU64,
}

impl ExpectedFields {
    /// The fields that are expected of the events in this topic.
    pub fn new(topic: &str, fields: &[ExpectedField]) -> ExpectedFields {
        let counted = |expected: &ExpectedField| Counted {
            expected: expected.clone(),
            events: AtomicU64::new(0),
            missing: AtomicU64::new(0),
        };
        ExpectedFields { topic: topic.to_owned(), fields: fields.iter().map(counted).collect() }
    }

    /// Counts an event.
    pub fn look_at(&self, event: &Event) {
        for field in &self.fields {
            let Some(is_missing) = field.expected.is_missing(event) else { continue };
            field.events.fetch_add(1, Ordering::Relaxed);
            field.missing.fetch_add(u64::from(is_missing), Ordering::Relaxed);
        }
    }
}

/// Those of all sources.
#[derive(Debug, Default)]
pub(super) struct Sources(Mutex<Vec<Arc<ExpectedFields>>>);

impl Sources {
    pub(super) fn add(&self, fields: &Arc<ExpectedFields>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(fields));
    }

    fn all(&self) -> Vec<Arc<ExpectedFields>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A counter: its name, what it says, and where it is found.
type FieldCounter = (&'static str, &'static str, fn(&Counted) -> &AtomicU64);

/// Declares both counters to the meter.
pub(super) fn observe(meter: &Meter, sources: &Arc<Sources>) {
    let counters: [FieldCounter; 2] = [
        (
            "bespoke_expected_fields_total",
            "Events that were expected to have a field, by source, event and field.",
            |field| &field.events,
        ),
        ("bespoke_missing_fields_total", "Those of them that did not have it.", |field| &field.missing),
    ];
    for (name, description, count) in counters {
        let shared = Arc::clone(sources);
        meter
            .u64_observable_counter(name)
            .with_description(description)
            .with_callback(move |observer| {
                for source in shared.all() {
                    for field in &source.fields {
                        let labels = [
                            KeyValue::new("topic", source.topic.clone()),
                            KeyValue::new("event", field.expected.event.to_string()),
                            KeyValue::new("field", field.expected.field.to_string()),
                        ];
                        observer.observe(count(field).load(Ordering::Relaxed), &labels);
                    }
                }
            })
            .build();
    }
}
