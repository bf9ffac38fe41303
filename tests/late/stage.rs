//! An application behind the proxy, fed while a race runs.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use kafka_protocol::ResponseError;

use super::app::{App, Shape};
use super::cluster::{Cluster, Sent, send};
use super::load;
use super::proxy::{Connection, Lost, Moment, Order, Proxy, Race, Wanted};

/// How many records are sent in one go, and how long after it nothing is sent.
const HANDFUL: usize = 20;
const PAUSE: Duration = Duration::from_millis(20);
/// Enough for a race of 15 seconds.
const RECORDS_OF_A_RACE: usize = 15_000;
/// A race takes a second; one that librdkafka must find out about by a timeout some more.
const RACE_TIMEOUT: Duration = Duration::from_secs(40);

/// How a test says that a broker did not answer it.
const UNANSWERED: &str = "on an `Err` value: Restart";
const CHECKS_MAX: usize = 5;

/// The application, the proxy, and what was not sent yet.
pub(crate) struct Stage {
    pub(crate) app: App,
    pub(crate) proxy: Proxy,
    /// The client whose requests are lost: the producer of the first worker.
    pub(crate) client: String,
    records: Vec<Sent>,
    sent: AtomicUsize,
}

impl Stage {
    /// Makes an application whose processes reach Kafka through the proxy alone. The test itself goes past it.
    pub(crate) fn create(cluster: &Cluster, name: &str, races: usize) -> Stage {
        let proxy = Proxy::start(&cluster.bootstrap);
        let behind = Cluster { bootstrap: proxy.bootstrap.clone() };
        let mut app = App::create(&behind, name, &Shape::default());
        app.cluster = cluster.clone();
        app.config.kafka.bootstrap = cluster.bootstrap.as_str().into();
        let client = format!("{}-0-0-producer", app.id);
        let records = load::records(&app, 17, RECORDS_OF_A_RACE * races);
        Stage { app, proxy, client, records, sent: AtomicUsize::new(0) }
    }

    /// Runs a race under load: until the late request has been answered, or the lost answer's next transaction
    /// has begun, or time is over.
    pub(crate) fn race(&self, wanted: Wanted, lost: Lost, connection: Connection) -> Race {
        // When each does the most harm.
        let moment = if wanted == Wanted::Abort { Moment::Offsets } else { Moment::FirstProduce };
        self.proxy.order(Order { client: self.client.clone(), wanted, lost, connection, moment });
        if wanted == Wanted::Abort {
            self.proxy.refuse_offsets(&self.client);
        }
        self.under_load(|| {
            self.proxy.await_race(RACE_TIMEOUT, |race| match lost {
                Lost::Request => race.over,
                Lost::Answer => race.next.is_some(),
            });
        });
        self.proxy.race()
    }

    /// Waits until everything is processed and compares it; the error is the first difference. A broker that
    /// was too busy to answer the test is asked again: that says nothing about the application.
    pub(crate) fn check(&self) -> Result<(), String> {
        let mut said = String::new();
        for _ in 0..CHECKS_MAX {
            let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.app.check())) else { return Ok(()) };
            said = panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "the check panicked".to_owned());
            if !said.contains(UNANSWERED) {
                return Err(said);
            }
        }
        panic!("{CHECKS_MAX} times: {said}");
    }

    /// Sends records until `meanwhile` has returned.
    pub(crate) fn under_load(&self, meanwhile: impl FnOnce()) {
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let producer = self.app.cluster.producer();
                while !over.load(Ordering::Relaxed) {
                    let from = self.sent.fetch_add(HANDFUL, Ordering::Relaxed);
                    let until = (from + HANDFUL).min(self.records.len());
                    assert!(from < until, "there are no more records to send");
                    send(&producer, &self.records[from..until]);
                    std::thread::sleep(PAUSE);
                }
            });
            meanwhile();
            over.store(true, Ordering::Relaxed);
        });
    }
}

/// A race in words.
pub(crate) fn told(race: &Race) -> String {
    let epoch = |identity: Option<super::proxy::Identity>| {
        identity.map_or("none".to_owned(), |identity| format!("{}:{}", identity.id, identity.epoch))
    };
    let answer = match race.answer {
        None => "no late request was answered".to_owned(),
        Some(code) => {
            let name =
                ResponseError::try_from_code(code).map_or("accepted".into(), |error| format!("{error:?}"));
            format!("the late request was answered with {code} {name}")
        }
    };
    format!(
        "held of {}, {} new epochs, next transaction of {}; {answer}",
        epoch(race.held),
        race.initialised.len(),
        epoch(race.next)
    )
}
