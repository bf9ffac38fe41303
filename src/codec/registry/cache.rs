//! What is known of schemas by id, within bounds.
//!
//! Known schemas and open questions have bounds of their own, so that a flood of unknown ids in the records
//! cannot push out a schema that is in use. It reads no clock: "recent" is counted in asks.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use apache_avro::Schema;
use compact_str::CompactString;

use super::Lookup;

const KNOWN_MAX: usize = 1_000;
const OPEN_MAX: usize = 1_000;
/// Of the schemas' text; parsed, it takes a small multiple.
const KNOWN_BYTES_MAX: usize = 32 << 20;

/// The bounded memory of a registry's client.
#[derive(Default)]
pub(super) struct Cache {
    known: HashMap<u32, Known>,
    known_bytes: usize,
    open: HashMap<u32, Open>,
    /// Counts asks and failures, to tell recent from old.
    tick: AtomicU64,
}

struct Known {
    schema: Arc<Schema>,
    text_bytes: usize,
    asked: AtomicU64,
}

enum Open {
    Pending { trouble: Option<(u64, String)> },
    Missing,
    Unusable(CompactString),
}

impl Cache {
    pub(super) fn find(&self, id: u32) -> Option<Lookup> {
        if let Some(known) = self.known.get(&id) {
            known.asked.store(self.next_tick(), Ordering::Relaxed);
            return Some(Lookup::Ready(Arc::clone(&known.schema)));
        }
        Some(match self.open.get(&id)? {
            Open::Pending { .. } => Lookup::Pending,
            Open::Missing => Lookup::Missing,
            Open::Unusable(reason) => Lookup::Unusable(reason.clone()),
        })
    }

    /// Makes an unknown id pending; true if it was unknown and there was room.
    pub(super) fn open(&mut self, id: u32) -> bool {
        if self.known.contains_key(&id) || self.open.contains_key(&id) {
            return false;
        }
        if self.open.len() >= OPEN_MAX {
            // An answered "no" can be asked again; a pending one has a request under way.
            let answered = self.open.iter().find(|(_, open)| !matches!(open, Open::Pending { .. }));
            let Some((&answered, _)) = answered else { return false };
            self.open.remove(&answered);
        }
        self.open.insert(id, Open::Pending { trouble: None });
        true
    }

    /// Remembers why a pending id is still pending.
    pub(super) fn note(&mut self, id: u32, trouble: String) {
        let tick = self.next_tick();
        if let Some(open @ Open::Pending { .. }) = self.open.get_mut(&id) {
            *open = Open::Pending { trouble: Some((tick, trouble)) };
        }
    }

    /// Keeps the registry's answer for a pending id.
    pub(super) fn settle(&mut self, id: u32, answer: Lookup, text_bytes: usize) {
        let answered = match answer {
            Lookup::Pending => return,
            Lookup::Missing => Open::Missing,
            Lookup::Unusable(reason) => Open::Unusable(reason),
            Lookup::Ready(schema) => {
                self.open.remove(&id);
                self.learn(id, schema, text_bytes);
                return;
            }
        };
        self.open.insert(id, answered);
    }

    /// Makes an answered "no" unknown again, so that the next ask makes a request.
    pub(super) fn forget(&mut self, id: u32) {
        if matches!(self.open.get(&id), Some(Open::Missing | Open::Unusable(_))) {
            self.open.remove(&id);
        }
    }

    /// The newest failure among the pending ids.
    pub(super) fn trouble(&self) -> Option<String> {
        let troubles = self.open.values().filter_map(|open| match open {
            Open::Pending { trouble } => trouble.as_ref(),
            _ => None,
        });
        troubles.max_by_key(|(tick, _)| *tick).map(|(_, trouble)| trouble.clone())
    }

    fn learn(&mut self, id: u32, schema: Arc<Schema>, text_bytes: usize) {
        while self.known.len() >= KNOWN_MAX || self.known_bytes + text_bytes > KNOWN_BYTES_MAX {
            let oldest = self.known.iter().min_by_key(|(_, known)| known.asked.load(Ordering::Relaxed));
            let Some((&oldest, _)) = oldest else { break };
            if let Some(gone) = self.known.remove(&oldest) {
                self.known_bytes -= gone.text_bytes;
            }
        }
        self.known_bytes += text_bytes;
        let asked = AtomicU64::new(self.next_tick());
        self.known.insert(id, Known { schema, text_bytes, asked });
    }

    fn next_tick(&self) -> u64 {
        self.tick.fetch_add(1, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learn(cache: &mut Cache, id: u32, text_bytes: usize) {
        cache.open(id);
        cache.settle(id, Lookup::Ready(Arc::new(Schema::Long)), text_bytes);
    }

    #[test]
    fn the_least_recently_asked_for_gives_way() {
        let mut cache = Cache::default();
        for id in 0..1_000 {
            learn(&mut cache, id, 10);
        }
        cache.find(0);
        learn(&mut cache, 5_000, 10);
        assert!(matches!(cache.find(0), Some(Lookup::Ready(_))));
        assert!(cache.find(1).is_none());
        assert_eq!((cache.known.len(), cache.known_bytes), (1_000, 10_000));
        learn(&mut cache, 5_001, KNOWN_BYTES_MAX);
        assert_eq!((cache.known.len(), cache.known_bytes), (1, KNOWN_BYTES_MAX));
    }

    #[test]
    fn a_flood_of_unknown_ids_pushes_out_no_schema_and_no_request() {
        let mut cache = Cache::default();
        learn(&mut cache, 7, 10);
        assert_eq!((1_000..3_000).filter(|id| cache.open(*id)).count(), 1_000);
        assert!(cache.find(2_999).is_none(), "it stays unknown until there is room");
        cache.settle(1_000, Lookup::Missing, 0);
        assert!(cache.open(2_999), "an answered one gives way");
        assert!(matches!(cache.find(7), Some(Lookup::Ready(_))));
    }

    #[test]
    fn trouble_is_that_of_pending_ids_and_ends_with_the_answer() {
        let mut cache = Cache::default();
        assert!(cache.open(1) && cache.open(2) && !cache.open(2));
        cache.note(2, "refused".to_owned());
        cache.note(1, "timed out".to_owned());
        assert_eq!(cache.trouble().as_deref(), Some("timed out"));
        cache.settle(1, Lookup::Missing, 0);
        assert_eq!(cache.trouble().as_deref(), Some("refused"));
        learn(&mut cache, 2, 10);
        assert_eq!(cache.trouble(), None);
        cache.forget(1);
        assert!(cache.find(1).is_none(), "a forgotten no is asked again");
        cache.forget(2);
        assert!(matches!(cache.find(2), Some(Lookup::Ready(_))), "a schema is not forgotten");
    }
}
