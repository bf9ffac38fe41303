//! The client of a Confluent-compatible schema registry, for workers that must not wait.
//!
//! A worker asks for a schema by its id and goes on, whatever the registry does: the requests run on a
//! background thread with a small runtime of its own. What start-up and commands ask (register, look up,
//! the latest of a subject) is answered while they wait.
//!
//! What an outage does: the ids asked for meanwhile stay pending and are asked for again after 100 ms,
//! doubling to 5 s, until the registry answers; schemas that are known stay known. Nothing that an outage
//! said outlives it. What the registry does answer, "no such schema" or a schema that cannot be used, is
//! believed for 30 s and then asked again when somebody asks, since a schema may be registered late.
//!
//! It is not a serializer: it knows no frame and no record. It does not fetch the schemas that a schema
//! refers to, which would let one record's id start any number of requests.

pub mod admission;
mod cache;
mod failure;
mod fetch;

use std::fmt;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use apache_avro::Schema;
use compact_str::CompactString;
use schema_registry_converter::async_impl::schema_registry::{
    SrSettings, get_schema_by_subject_and_version, perform_sr_call, post_schema,
};
use schema_registry_converter::error::SRCError;
use schema_registry_converter::schema_registry_common::{SchemaType, SrCall, SuppliedSchema};
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use failure::Failure;
use fetch::Fetcher;

/// Where the registry is and how to speak to it.
#[derive(Clone)]
pub struct RegistrySettings {
    /// The base URL, `http://…` or `https://…`, with a path where the registry's API has one. Without user
    /// and password, which have fields of their own.
    pub url: String,
    /// The user, for basic authentication. None for a registry that asks for none.
    pub user: Option<String>,
    /// The password that goes with the user.
    pub password: Option<String>,
    /// How long one request may take in all, in milliseconds, at least 1.
    pub timeout_ms: u64,
}

/// How long the client waits between requests.
#[derive(Clone, Copy)]
pub(crate) struct Pace {
    /// The wait after the first failed request for an id; it doubles with each further one.
    pub(crate) first: Duration,
    /// The longest wait.
    pub(crate) longest: Duration,
    /// How long the registry's "no" is believed.
    pub(crate) believed: Duration,
}

/// What is known of a schema.
#[derive(Clone, Debug)]
pub enum Lookup {
    /// The schema. It never changes under its id.
    Ready(Arc<Schema>),
    /// The registry has not answered yet. Ask again later; [`Registry::trouble`] may say why.
    Pending,
    /// The registry answered: there is no schema with this id.
    Missing,
    /// The registry has a schema that cannot be used, and why: it is not Avro, does not parse, refers to
    /// other schemas, is recursive, or is longer or deeper than is safe to decode with.
    Unusable(CompactString),
}

/// Why the registry could not be used or said no.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The settings cannot work.
    #[error(
        "the schema registry's URL `{url}` cannot be used: {reason}; give one such as http://registry:8081"
    )]
    Settings {
        /// The URL, without user and password.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The system gave no thread or no HTTP client.
    #[error("the client for the schema registry at {url} could not be started: {reason}")]
    NotStarted {
        /// The registry's URL.
        url: String,
        /// What the system said.
        reason: String,
    },
    /// No answer, or one that no registry gives, or a server's error. Trying again later may help.
    #[error(
        "the schema registry at {url} could not {task}: {reason}; check that it runs, that the URL is its \
         API's, and that this machine reaches it"
    )]
    Unreachable {
        /// The registry's URL.
        url: String,
        /// What it was asked to do.
        task: String,
        /// What happened instead.
        reason: String,
    },
    /// The registry said no. Trying again changes nothing.
    #[error(
        "the schema registry at {url} refused to {task}: {reason} (status {status}, code {code}); {advice}"
    )]
    Refused {
        /// The registry's URL.
        url: String,
        /// What it was asked to do.
        task: String,
        /// The HTTP status, such as 409 for an incompatible schema.
        status: u16,
        /// The registry's own code, such as 42201; 0 when it gave none.
        code: u32,
        /// The registry's message.
        reason: String,
        /// What to do.
        advice: &'static str,
    },
    /// The subject's latest schema is of another kind, such as Protobuf.
    #[error(
        "the latest schema of subject `{subject}` in the registry at {url} is not Avro; choose a topic whose \
         values are Avro, or another subject"
    )]
    NotAvro {
        /// The registry's URL.
        url: String,
        /// The subject asked for.
        subject: String,
    },
}

/// A client that is cheap to clone; the clones share one thread and one cache. The thread ends with the last.
#[derive(Clone)]
pub struct Registry {
    connection: Arc<Connection>,
}

struct Connection {
    fetcher: Arc<Fetcher>,
    settings: Arc<SrSettings>,
    url: String,
    runtime: Handle,
    /// Dropping it ends the thread.
    _stop: oneshot::Sender<()>,
}

impl Registry {
    /// Starts the client. It makes no request yet: the registry may be away now and come later.
    ///
    /// # Errors
    /// [`RegistryError::Settings`] for a URL or timeout that cannot work, [`RegistryError::NotStarted`] when
    /// the system gives no thread or no HTTP client.
    pub fn connect(settings: RegistrySettings) -> Result<Registry, RegistryError> {
        Registry::connect_at(settings, Pace::default())
    }

    pub(crate) fn connect_at(settings: RegistrySettings, pace: Pace) -> Result<Registry, RegistryError> {
        let url = settings.checked_url()?;
        let not_started = |reason: String| RegistryError::NotStarted { url: url.clone(), reason };
        let client = settings.client(&url).map_err(|error| not_started(failure::chain(&error)))?;
        let (stop, stopped) = oneshot::channel();
        let runtime = start_thread(stopped).map_err(|error| not_started(error.to_string()))?;
        let client = Arc::new(client);
        let fetcher = Arc::new(Fetcher::new(Arc::clone(&client), pace));
        let connection = Connection { fetcher, settings: client, url, runtime, _stop: stop };
        Ok(Registry { connection: Arc::new(connection) })
    }

    /// The schema with this id, as far as it is known. Never blocks: the first ask for an unknown id starts a
    /// request in the background.
    ///
    /// At most 1,000 schemas (and 32 MiB of their text) are kept, the least recently asked for is given up
    /// first. At most 1,000 ids are pending or answered with "no" at a time; further ones are pending without
    /// a request until there is room.
    pub fn schema(&self, id: u32) -> Lookup {
        let Some(known) = self.connection.fetcher.find(id) else {
            if self.connection.fetcher.open(id) {
                self.connection.runtime.spawn(Arc::clone(&self.connection.fetcher).settle(id));
            }
            return Lookup::Pending;
        };
        known
    }

    /// What keeps pending ids pending: the last failed request among them. None when nothing is pending, or
    /// nothing has failed.
    pub fn trouble(&self) -> Option<String> {
        let trouble = self.connection.fetcher.trouble()?;
        Some(format!("the schema registry at {}: {trouble}", self.connection.url))
    }

    /// Registers an Avro schema under a subject and gives its id, the existing one when it stands there
    /// already. Blocks, at most for the timeout.
    ///
    /// # Errors
    /// [`RegistryError::Unreachable`] when there is no answer; [`RegistryError::Refused`] for a schema that
    /// the registry does not take, such as one incompatible with those registered before.
    pub fn register(&self, subject: &str, schema: &str) -> Result<u32, RegistryError> {
        let settings = Arc::clone(&self.connection.settings);
        let supplied = SuppliedSchema::new(None, SchemaType::Avro, schema.to_owned());
        let name = subject.to_owned();
        self.ask(async move { post_schema(&settings, name, supplied).await })
            .map(|registered| registered.id)
            .map_err(|failure| self.error(failure, &format!("register a schema under `{subject}`")))
    }

    /// The id under which exactly this schema stands in the subject; None if it does not. Blocks, at most for
    /// the timeout.
    ///
    /// # Errors
    /// [`RegistryError::Unreachable`] when there is no answer; [`RegistryError::Refused`] when the registry
    /// takes no such question from this client, or cannot read the schema.
    pub fn id_of(&self, subject: &str, schema: &str) -> Result<Option<u32>, RegistryError> {
        let settings = Arc::clone(&self.connection.settings);
        let body = serde_json::json!({ "schema": schema, "schemaType": "AVRO" }).to_string();
        let name = subject.to_owned();
        let asked =
            self.ask(async move { perform_sr_call(&settings, SrCall::PostForVersion(&name, &body)).await });
        match asked {
            Ok(registered) => Ok(registered.id),
            Err(Failure::Absent) => Ok(None),
            Err(failure) => Err(self.error(failure, &format!("look up a schema under `{subject}`"))),
        }
    }

    /// The id and text of the subject's latest schema; None if the subject has none. Blocks, at most for the
    /// timeout.
    ///
    /// # Errors
    /// [`RegistryError::Unreachable`] when there is no answer; [`RegistryError::Refused`] when the registry
    /// takes no such question from this client; [`RegistryError::NotAvro`] for a schema of another kind.
    pub fn latest(&self, subject: &str) -> Result<Option<(u32, String)>, RegistryError> {
        let settings = Arc::clone(&self.connection.settings);
        let name = subject.to_owned();
        let asked = self.ask(async move { get_schema_by_subject_and_version(&settings, &name, None).await });
        match asked {
            Ok(latest) if latest.schema_type == SchemaType::Avro => Ok(Some((latest.id, latest.schema))),
            Ok(_) => {
                Err(RegistryError::NotAvro { url: self.connection.url.clone(), subject: subject.to_owned() })
            }
            Err(Failure::Absent) => Ok(None),
            Err(failure) => Err(self.error(failure, &format!("give the latest schema of `{subject}`"))),
        }
    }

    /// Runs a request on the client's thread and waits for it; its own timeout bounds the wait.
    fn ask<T: Send + 'static>(
        &self,
        question: impl Future<Output = Result<T, SRCError>> + Send + 'static,
    ) -> Result<T, Failure> {
        let (tell, told) = mpsc::sync_channel(1);
        self.connection.runtime.spawn(async move {
            // Nobody listens any more only when the asking thread has panicked.
            let _ = tell.send(question.await);
        });
        match told.recv() {
            Ok(answer) => answer.map_err(|error| Failure::of(&error)),
            Err(_) => Err(Failure::Silent("the client's thread has ended".to_owned())),
        }
    }

    fn error(&self, failure: Failure, task: &str) -> RegistryError {
        failure.into_error(&self.connection.url, task)
    }
}

impl RegistrySettings {
    /// Settings for this URL, without authentication, with a timeout of 5 s.
    pub fn new(url: impl Into<String>) -> RegistrySettings {
        RegistrySettings { url: url.into(), user: None, password: None, timeout_ms: 5_000 }
    }

    fn checked_url(&self) -> Result<String, RegistryError> {
        let url = self.url.trim_end_matches('/');
        let refuse = |reason: &str| {
            // Whatever stands before an `@` may be a password, so it is not repeated.
            let shown = url.rsplit('@').next().unwrap_or_default().to_owned();
            Err(RegistryError::Settings { url: shown, reason: reason.to_owned() })
        };
        let Some(rest) = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://")) else {
            return refuse("it does not begin with http:// or https://");
        };
        if rest.is_empty() || rest.starts_with(['/', ':']) {
            return refuse("it names no host");
        }
        if rest.contains('@') {
            return refuse("user and password do not belong in it, they have settings of their own");
        }
        if rest
            .contains(|letter: char| letter.is_whitespace() || letter.is_control() || "?#".contains(letter))
        {
            return refuse("it has a blank, a query or a fragment");
        }
        if self.timeout_ms == 0 {
            return refuse("its timeout is 0 ms, in which nothing can be answered");
        }
        Ok(url.to_owned())
    }

    fn client(&self, url: &str) -> Result<SrSettings, SRCError> {
        let mut builder = SrSettings::new_builder(url.to_owned());
        builder.set_timeout(Duration::from_millis(self.timeout_ms));
        if let Some(user) = &self.user {
            builder.set_basic_authorization(user, self.password.as_deref());
        }
        // A proxy, which the environment may name, cannot reach what listens on this machine alone.
        if ["://127.", "://localhost", "://[::1]"].iter().any(|own| url.contains(own)) {
            builder.no_proxy();
        }
        builder.build()
    }
}

impl Default for Pace {
    fn default() -> Pace {
        Pace {
            first: Duration::from_millis(100),
            longest: Duration::from_secs(5),
            believed: Duration::from_secs(30),
        }
    }
}

impl fmt::Debug for RegistrySettings {
    /// Shows everything but the password.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("RegistrySettings")
            .field("url", &self.url)
            .field("user", &self.user)
            .field("password", &self.password.as_ref().map(|_| "…"))
            .field("timeout_ms", &self.timeout_ms)
            .finish()
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Registry").field("url", &self.connection.url).finish_non_exhaustive()
    }
}

/// Starts the thread that drives the requests until the other end of `stopped` is dropped.
fn start_thread(stopped: oneshot::Receiver<()>) -> std::io::Result<Handle> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    thread::Builder::new().name("schema-registry".to_owned()).spawn(move || {
        // An error is how the receiver learns that the last client is gone.
        let _ = runtime.block_on(stopped);
        // A name lookup that hangs must not keep the thread.
        runtime.shutdown_background();
    })?;
    Ok(handle)
}
