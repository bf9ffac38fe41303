//! A proxy between Kafka's clients and brokers that understands their frames, so that a test can lose exactly
//! the one request or answer that it wants to be lost, and let it arrive when it does the most harm.
//!
//! Clients are given its address as the bootstrap address and never learn of another: it has one port for each
//! broker and writes those into every answer that names brokers. It speaks plaintext, opens a connection to a
//! broker for each that a client opens, and passes on whatever it has no order about, byte for byte. It is for
//! tests: two threads a connection, and a frame that it cannot read is a failed test.

mod addresses;
mod frame;
mod race;

use std::collections::HashMap;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kafka_protocol::messages::{ApiKey, InitProducerIdResponse};
use kafka_protocol::protocol::Decodable;

pub(crate) use frame::Identity;
use frame::Request;
use race::Treatment;
pub(crate) use race::{Connection, Lost, Moment, Order, Race, Wanted};

/// A late request has had no answer within this time: something is badly wrong.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);

/// The proxy. Its threads live as long as the test's process.
pub(crate) struct Proxy {
    /// Where clients connect, as host:port.
    pub(crate) bootstrap: String,
    hub: Arc<Hub>,
}

/// What all connections share.
#[derive(Default)]
struct Hub {
    ports: Mutex<HashMap<String, u16>>,
    numbers: AtomicU64,
    orders: Mutex<Orders>,
    changed: Condvar,
}

#[derive(Default)]
struct Orders {
    current: Option<(Order, Race)>,
    /// The request held, and the broker that it was for.
    held: Option<(Request, String)>,
    /// The client whose next offsets are to carry a stale generation.
    stale: Option<String>,
}

/// A client's connection and ours to the broker in its place.
struct Link {
    number: u64,
    broker: String,
    to_client: TcpStream,
    to_broker: TcpStream,
    client: Mutex<String>,
    /// Requests on their way, by correlation: what they are, and whether their answer is to be lost.
    pending: Mutex<HashMap<i32, (ApiKey, i16, bool)>>,
    silent: AtomicBool,
}

impl Proxy {
    /// Starts a proxy before the brokers of which one is at this address.
    pub(crate) fn start(bootstrap: &str) -> Proxy {
        let hub = Arc::<Hub>::default();
        let port = hub.port_of(bootstrap);
        Proxy { bootstrap: format!("127.0.0.1:{port}"), hub }
    }

    /// Gives an order, and begins its race. The order before is forgotten.
    pub(crate) fn order(&self, order: Order) {
        let mut orders = self.hub.orders();
        *orders = Orders { current: Some((order, Race::default())), ..Orders::default() };
    }

    /// Lets the group refuse the client's next offsets, by their generation: the client will abort.
    pub(crate) fn refuse_offsets(&self, client: &str) {
        self.hub.orders().stale = Some(client.to_owned());
    }

    /// How far the race has come.
    pub(crate) fn race(&self) -> Race {
        self.hub.orders().current.as_ref().map(|(_, race)| race.clone()).unwrap_or_default()
    }

    /// Waits until the race has come to where `reached` says yes; says whether it has, within this time.
    pub(crate) fn await_race(&self, timeout: Duration, reached: impl Fn(&Race) -> bool) -> bool {
        let hub = &self.hub;
        let not_yet = |orders: &mut Orders| !orders.current.as_ref().is_some_and(|(_, race)| reached(race));
        let waited = hub.changed.wait_timeout_while(hub.orders(), timeout, not_yet);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }
}

impl Hub {
    /// The port for a broker, which is opened when it is first asked for.
    fn port_of(self: &Arc<Hub>, broker: &str) -> u16 {
        let mut ports = locked(&self.ports);
        if let Some(port) = ports.get(broker) {
            return *port;
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        ports.insert(broker.to_owned(), port);
        let (hub, broker) = (Arc::clone(self), broker.to_owned());
        std::thread::spawn(move || {
            for client in listener.incoming() {
                hub.accept(client.unwrap(), &broker);
            }
        });
        port
    }

    fn accept(self: &Arc<Hub>, client: TcpStream, broker: &str) {
        // A broker that is away is away for the client too: its connection is closed.
        let Ok(to_broker) = TcpStream::connect(broker) else { return };
        client.set_nodelay(true).unwrap();
        to_broker.set_nodelay(true).unwrap();
        let link = Arc::new(Link {
            number: self.numbers.fetch_add(1, Ordering::Relaxed),
            broker: broker.to_owned(),
            to_client: client,
            to_broker,
            client: Mutex::default(),
            pending: Mutex::default(),
            silent: AtomicBool::new(false),
        });
        let (hub, other) = (Arc::clone(self), Arc::clone(&link));
        std::thread::spawn(move || hub.pass_requests(&other));
        let hub = Arc::clone(self);
        std::thread::spawn(move || hub.pass_responses(&link));
    }

    fn pass_requests(&self, link: &Link) {
        let mut from = link.to_client.try_clone().unwrap();
        while let Ok(Some(bytes)) = frame::read(&mut from) {
            if link.silent.load(Ordering::Relaxed) {
                continue;
            }
            if self.request(link, bytes).is_none() {
                break;
            }
        }
        link.close();
    }

    /// Treats a request; none when the connection is to be closed.
    fn request(&self, link: &Link, bytes: Vec<u8>) -> Option<()> {
        let Some(mut request) = Request::parse(bytes.clone()) else {
            return frame::write(&link.to_broker, &bytes).ok();
        };
        request.client.clone_into(&mut locked(&link.client));
        let (treatment, connection) = self.treatment(link, &mut request);
        if treatment == Treatment::Hold {
            link.silent.store(true, Ordering::Relaxed);
            return (connection == Connection::Silent).then_some(());
        }
        if treatment == Treatment::Deliver {
            self.deliver();
        }
        let lost = treatment == Treatment::DropAnswer;
        locked(&link.pending).insert(request.correlation, (request.key, request.version, lost));
        frame::write(&link.to_broker, &request.bytes).ok()
    }

    fn treatment(&self, link: &Link, request: &mut Request) -> (Treatment, Connection) {
        let mut orders = self.orders();
        if request.key == ApiKey::TxnOffsetCommit && orders.stale.as_ref() == Some(&request.client) {
            orders.stale = None;
            *request = request.with_stale_generation();
        }
        let Some((order, race)) = &mut orders.current else { return (Treatment::Pass, Connection::Cut) };
        if request.client != order.client {
            return (Treatment::Pass, Connection::Cut);
        }
        let connection = order.connection;
        let treatment = race.request(order, link.number, request);
        if treatment == Treatment::Hold {
            orders.held = Some((request.clone(), link.broker.clone()));
        }
        self.changed.notify_all();
        (treatment, connection)
    }

    fn pass_responses(self: &Arc<Hub>, link: &Link) {
        let mut from = link.to_broker.try_clone().unwrap();
        while let Ok(Some(bytes)) = frame::read(&mut from) {
            if link.silent.load(Ordering::Relaxed) {
                continue;
            }
            if self.response(link, bytes).is_none() {
                break;
            }
        }
        // A connection that has fallen silent stays open until the client gives it up.
        if !link.silent.load(Ordering::Relaxed) {
            link.close();
        }
    }

    /// Treats a response; none when the connection is to be closed.
    fn response(self: &Arc<Hub>, link: &Link, bytes: Vec<u8>) -> Option<()> {
        let correlation = frame::correlation(&bytes);
        let Some((key, version, lost)) = locked(&link.pending).remove(&correlation) else {
            return frame::write(&link.to_client, &bytes).ok();
        };
        if lost {
            if !self.keeps_silent() {
                return None;
            }
            link.silent.store(true, Ordering::Relaxed);
            return Some(());
        }
        if self.is_moment(link, correlation, key, version, &bytes) {
            self.deliver();
        }
        let port_of = |host: &str, port: i32| self.port_of(&format!("{host}:{port}"));
        let rewritten = addresses::rewritten(key, version, &bytes, port_of);
        frame::write(&link.to_client, &rewritten.unwrap_or(bytes)).ok()
    }

    /// Whether the connection of the current order stays open in silence.
    fn keeps_silent(&self) -> bool {
        let orders = self.orders();
        orders.current.as_ref().is_some_and(|(order, _)| order.connection == Connection::Silent)
    }

    fn is_moment(&self, link: &Link, correlation: i32, key: ApiKey, version: i16, bytes: &[u8]) -> bool {
        let mut orders = self.orders();
        let Some((order, race)) = &mut orders.current else { return false };
        if *locked(&link.client) != order.client {
            return false;
        }
        let error = frame::error_code(key, version, bytes);
        if key == ApiKey::InitProducerId && error == Some(0) {
            let (_, mut body) = frame::split(key, version, bytes);
            let body = InitProducerIdResponse::decode(&mut body, version).unwrap();
            race.initialised(Identity { id: body.producer_id.0, epoch: body.producer_epoch });
        }
        let moment = race.response(order, link.number, correlation, key, error);
        self.changed.notify_all();
        moment
    }

    /// Lets the request held arrive, on a connection of its own, and keeps the answer. Until it has come, the
    /// client waits for an answer that its transaction needs, and cannot end it.
    fn deliver(&self) {
        let held = self.orders().held.take();
        let answer = held.and_then(|(request, broker)| answer_to(&request, &broker));
        let mut orders = self.orders();
        if let Some((_, race)) = &mut orders.current {
            (race.answer, race.over) = (answer, true);
        }
        self.changed.notify_all();
    }

    fn orders(&self) -> MutexGuard<'_, Orders> {
        locked(&self.orders)
    }
}

impl Link {
    fn close(&self) {
        let _ = self.to_client.shutdown(Shutdown::Both);
        let _ = self.to_broker.shutdown(Shutdown::Both);
    }
}

/// Sends a request to a broker, and returns the error code of the answer.
fn answer_to(request: &Request, broker: &str) -> Option<i16> {
    let mut stream = TcpStream::connect(broker).unwrap();
    stream.set_read_timeout(Some(ANSWER_TIMEOUT)).unwrap();
    frame::write(&stream, &request.bytes).unwrap();
    let bytes = frame::read(&mut stream).unwrap()?;
    frame::error_code(request.key, request.version, &bytes)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
