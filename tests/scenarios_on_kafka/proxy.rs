//! A proxy that passes bytes on, or does to them what a bad network does. It knows no Kafka.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What becomes of the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Network {
    /// They arrive.
    Whole,
    /// What clients send does not arrive, and nobody is told.
    DeafBroker,
    /// What brokers send does not arrive, and nobody is told.
    DeafClients,
    /// Nothing arrives either way.
    Cut,
    /// Every connection is ended, and so is every new one.
    Refused,
    /// Each piece arrives 0 to 400 ms late.
    Slow,
    /// One byte a second.
    Trickle,
    /// In pieces of a few bytes.
    Sliced,
}

/// A running proxy. Dropped, it ends its connections.
pub(crate) struct Proxy {
    state: Arc<State>,
}

struct State {
    network: Mutex<Network>,
    ended: AtomicBool,
    connections: Mutex<Vec<TcpStream>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    ToBroker,
    ToClient,
}

impl Proxy {
    /// Listens on one port of this machine and passes on to another.
    pub(crate) fn start(listen: u16, broker: u16) -> Proxy {
        let listener = TcpListener::bind(("127.0.0.1", listen)).unwrap();
        let state = State {
            network: Mutex::new(Network::Whole),
            ended: AtomicBool::new(false),
            connections: Mutex::default(),
        };
        let state = Arc::new(state);
        let accepting = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if accepting.ended.load(Ordering::Relaxed) {
                    return;
                }
                if accepting.network() != Network::Refused
                    && let Ok(server) = TcpStream::connect(("127.0.0.1", broker))
                {
                    accepting.join(&client, &server);
                }
            }
        });
        Proxy { state }
    }

    /// Changes the network, for connections that are there too.
    pub(crate) fn set(&self, network: Network) {
        *self.state.network.lock().unwrap() = network;
        if network == Network::Refused {
            self.state.close_all();
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.ended.store(true, Ordering::Relaxed);
        self.state.close_all();
    }
}

impl State {
    fn network(&self) -> Network {
        *self.network.lock().unwrap()
    }

    fn close_all(&self) {
        for connection in self.connections.lock().unwrap().drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }

    fn join(self: &Arc<State>, client: &TcpStream, server: &TcpStream) {
        let copy = |stream: &TcpStream| stream.try_clone().unwrap();
        self.connections.lock().unwrap().extend([copy(client), copy(server)]);
        for (from, to, way) in
            [(copy(client), copy(server), Way::ToBroker), (copy(server), copy(client), Way::ToClient)]
        {
            let state = Arc::clone(self);
            thread::spawn(move || {
                state.pump(&from, &to, way);
                let _ = from.shutdown(Shutdown::Both);
                let _ = to.shutdown(Shutdown::Both);
            });
        }
    }

    /// Passes bytes on until one side is gone.
    fn pump(&self, mut from: &TcpStream, mut to: &TcpStream, way: Way) {
        let mut buffer = [0; 16 << 10];
        let mut chance = 1_u64;
        let _ = to.set_nodelay(true);
        while !self.ended.load(Ordering::Relaxed) {
            let Ok(count @ 1..) = from.read(&mut buffer) else { return };
            let mut rest = &buffer[..count];
            while !rest.is_empty() {
                chance =
                    chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let random = (chance >> 33) as usize;
                let Some((length, wait_ms)) = self.network().step(way, rest.len(), random) else {
                    // What was sent waits on the way, as it does in buffers and retries of a real network.
                    thread::sleep(Duration::from_millis(20));
                    if self.ended.load(Ordering::Relaxed) {
                        return;
                    }
                    continue;
                };
                self.sleep(wait_ms);
                let (piece, behind) = rest.split_at(length);
                if to.write_all(piece).is_err() {
                    return;
                }
                rest = behind;
            }
        }
    }

    /// Sleeps, but no longer than the network stays as it is.
    fn sleep(&self, milliseconds: u64) {
        let before = self.network();
        for _ in 0..milliseconds.div_ceil(10) {
            if self.network() != before || self.ended.load(Ordering::Relaxed) {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Network {
    /// How many bytes go on next and after how many milliseconds; none where nothing does.
    fn step(self, way: Way, length: usize, random: usize) -> Option<(usize, u64)> {
        match self {
            Network::Whole => Some((length, 0)),
            Network::DeafBroker if way == Way::ToBroker => None,
            Network::DeafClients if way == Way::ToClient => None,
            Network::DeafBroker | Network::DeafClients => Some((length, 0)),
            Network::Cut | Network::Refused => None,
            Network::Slow => Some((length, (random % 400) as u64)),
            Network::Trickle => Some((1, 1_000)),
            Network::Sliced => Some((length.min(1 + random % 40), random.is_multiple_of(64).into())),
        }
    }
}
