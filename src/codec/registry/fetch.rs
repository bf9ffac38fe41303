//! Getting one schema by its id, again and again until the registry answers.
//!
//! Each id has a task and a back-off of its own, so that one that fails keeps no other waiting. The converter
//! reads an answer whole before its length is known here, so it is the timeout that bounds a hostile one;
//! what is longer than 1 MiB is not parsed and not kept.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use schema_registry_converter::async_impl::schema_registry::{SrSettings, get_schema_by_id};
use schema_registry_converter::schema_registry_common::{RegisteredSchema, SchemaType};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::admission::{SCHEMA_BYTES_MAX, admit};
use super::cache::Cache;
use super::failure::Failure;
use super::{Lookup, Pace};

/// More would not make a registry quicker, and a storm of unknown ids must not become a storm of connections.
const REQUESTS_AT_ONCE_MAX: usize = 16;

/// The cache and the way to fill it.
pub(super) struct Fetcher {
    settings: Arc<SrSettings>,
    pace: Pace,
    cache: RwLock<Cache>,
    requests: Semaphore,
}

impl Fetcher {
    pub(super) fn new(settings: Arc<SrSettings>, pace: Pace) -> Fetcher {
        let cache = RwLock::new(Cache::default());
        Fetcher { settings, pace, cache, requests: Semaphore::new(REQUESTS_AT_ONCE_MAX) }
    }

    /// What is known of the id; None if it has not been asked for.
    pub(super) fn find(&self, id: u32) -> Option<Lookup> {
        self.read().find(id)
    }

    /// Makes the id pending. False when another thread has just done so, or there is no room.
    pub(super) fn open(&self, id: u32) -> bool {
        self.write().open(id)
    }

    pub(super) fn trouble(&self) -> Option<String> {
        self.read().trouble()
    }

    /// Asks for the schema until the registry answers, and forgets a "no" after its time.
    pub(super) async fn settle(self: Arc<Fetcher>, id: u32) {
        let mut pause = self.pace.first;
        let (answer, text_bytes) = loop {
            match self.request(id).await {
                Ok(registered) => break usable(registered).await,
                Err(Failure::Absent) => break (Lookup::Missing, 0),
                Err(failure) => self.note(id, failure.describe()),
            }
            sleep(pause).await;
            pause = pause.saturating_mul(2).min(self.pace.longest);
        };
        let good = matches!(answer, Lookup::Ready(_));
        let troubled = self.trouble().is_some();
        self.write().settle(id, answer, text_bytes);
        if troubled && self.trouble().is_none() {
            tracing::info!(schema_id = id, "the schema registry answers again");
        }
        if !good {
            sleep(self.pace.believed).await;
            self.write().forget(id);
        }
    }

    /// One warning for an outage, however many ids wait for its end.
    fn note(&self, id: u32, trouble: String) {
        if self.trouble().is_none() {
            tracing::warn!(schema_id = id, %trouble, "the schema registry gives no schema; trying again");
        } else {
            tracing::debug!(schema_id = id, %trouble, "the schema registry still gives no schema");
        }
        self.write().note(id, trouble);
    }

    async fn request(&self, id: u32) -> Result<RegisteredSchema, Failure> {
        let Ok(_permit) = self.requests.acquire().await else {
            return Err(Failure::Silent("the client is ending".to_owned()));
        };
        get_schema_by_id(id, &self.settings).await.map_err(|error| Failure::of(&error))
    }

    // A panic while the lock was held cannot leave the cache half changed in a way that matters: the worst is
    // an id that stays pending.
    fn read(&self) -> RwLockReadGuard<'_, Cache> {
        self.cache.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Cache> {
        self.cache.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The schema, or why it cannot be used, and how many bytes its text has.
async fn usable(registered: RegisteredSchema) -> (Lookup, usize) {
    let text_bytes = registered.schema.len();
    let unusable = |reason: &str| (Lookup::Unusable(reason.into()), 0);
    if registered.schema_type != SchemaType::Avro {
        return unusable("it is not an Avro schema");
    }
    if !registered.references.is_empty() {
        return unusable(
            "it refers to other schemas of the registry; register it with its types written out",
        );
    }
    if text_bytes > SCHEMA_BYTES_MAX {
        return unusable("it is longer than 1 MiB");
    }
    // Parsing a large schema takes long enough to keep other answers waiting, and a panic on a hostile one
    // must end nothing but itself.
    match spawn_blocking(move || admit(&registered.schema)).await {
        Ok(Ok(schema)) => (Lookup::Ready(Arc::new(schema)), text_bytes),
        Ok(Err(reason)) => (Lookup::Unusable(reason), 0),
        Err(_) => unusable("the Avro library cannot parse it"),
    }
}
