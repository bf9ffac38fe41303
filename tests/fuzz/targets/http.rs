//! Requests to the admin port, byte by byte as a peer may send them. Whatever they are, the answer is a whole
//! one or none, and never one that says that something is wrong inside.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use bespoke::runtime::instruments::Instruments;
use bespoke::runtime::instruments::facts::WorkerState;
use bespoke::runtime::instruments::vitals::Vitals;
use bespoke::service::http::{HttpServer, Sources};
use bespoke::service::metrics::Metrics;

use crate::target::{Run, Target, law};

pub(crate) const TARGET: Target = Target { name: "http", seeds, words: WORDS, generate: None, open };

const WORDS: &[&str] = &[
    "GET ",
    "POST ",
    "/livez",
    "/readyz",
    "/startupz",
    "/metrics",
    " HTTP/1.1\r\n",
    " HTTP/1.0\r\n",
    "\r\n\r\n",
    "\r\n",
    "Host: a\r\n",
    "Content-Length: 5\r\n",
    "Content-Length: 99999999999999999999\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Connection: close\r\n",
    "Connection: upgrade\r\n",
    "Expect: 100-continue\r\n",
    "Accept: application/json\r\n",
    "%00",
    "/../",
    "?",
    "#",
    "\0",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "ffffffffffffffff\r\n",
];

fn seeds() -> Vec<Vec<u8>> {
    ["/livez", "/readyz", "/startupz", "/metrics", "/nothing"]
        .map(|path| {
            format!("GET {path} HTTP/1.1\r\nHost: a\r\nAccept: application/json\r\nConnection: close\r\n\r\n")
                .into_bytes()
        })
        .to_vec()
}

fn open() -> Run {
    let vitals = Vitals::new(1, vec!["clicks".to_owned()], 10_000);
    let worker = vitals.worker(0);
    worker.state(WorkerState::Running, Duration::from_secs(1));
    worker.turn(Duration::from_secs(1));
    let sources = Sources {
        vitals,
        instruments: Instruments::silent(),
        metrics: Metrics::new("fuzz").unwrap(),
        clock: Arc::new(|| Duration::from_secs(2)),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let server = runtime.block_on(HttpServer::bind("127.0.0.1:0")).unwrap();
    let address = server.address();
    runtime.spawn(server.serve(sources, std::future::pending()));
    Box::new(move |input| {
        let _worker = (&worker, &runtime);
        let mut stream = TcpStream::connect(address).map_err(|error| format!("no connection: {error}"))?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        // The server may close before it has read everything.
        let _ = stream.write_all(input);
        let _ = stream.shutdown(Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        law(answer.is_empty() || answer.starts_with(b"HTTP/1."), "no HTTP answer")?;
        let status = answer.get(9..12).unwrap_or(b"000");
        law(status[0] != b'5', "a server's error")?;
        Ok(u64::from_be_bytes([0, 0, 0, 0, 0, status[0], status[1], status[2]]))
    })
}
