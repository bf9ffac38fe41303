//! The admin port over a real socket, with requests written by hand.

use super::*;
use crate::runtime::instruments::facts::{Step, WorkerState};
use crate::runtime::instruments::vitals::WorkerVitals;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

struct Served {
    address: SocketAddr,
    worker: WorkerVitals,
    instruments: Instruments,
    stop: oneshot::Sender<()>,
    server: JoinHandle<io::Result<()>>,
}

/// A server whose clock stands at 60 s, over one worker that turned a moment ago.
async fn serve() -> Served {
    let vitals = Vitals::new(1, vec!["clicks".to_owned()], 10_000);
    let worker = vitals.worker(0);
    worker.turn(Duration::from_secs(59));
    let metrics = Metrics::new("shop").unwrap();
    let instruments = Instruments::new(&metrics.meter(), Arc::clone(&vitals));
    let clock: Clock = Arc::new(|| Duration::from_secs(60));
    let sources = Sources { vitals, instruments: instruments.clone(), metrics, clock };
    let bound = HttpServer::bind("127.0.0.1:0").await.unwrap();
    let address = bound.address();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(bound.serve(sources, async move {
        let _ = stopped.await;
    }));
    Served { address, worker, instruments, stop, server }
}

async fn ask(address: SocketAddr, head: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("{head}\r\nHost: here\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn probes_say_what_and_why() {
    let served = serve().await;
    let answer = ask(served.address, "GET /startupz HTTP/1.1").await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("worker 0 is starting"), "{answer}");
    served.worker.state(WorkerState::Restoring, Duration::from_secs(50));
    served.worker.in_hand("clicks", 3, 99);
    for (path, line, word) in [
        ("/startupz", "HTTP/1.1 200 ", "started"),
        ("/livez", "HTTP/1.1 200 ", "live"),
        ("/readyz", "HTTP/1.1 503 ", "not ready: worker 0 has been restoring for 10.0 s"),
    ] {
        let answer = ask(served.address, &format!("GET {path} HTTP/1.1")).await;
        assert!(answer.starts_with(line) && answer.contains(word), "{path}: {answer}");
    }
    served.worker.state(WorkerState::Running, Duration::from_secs(59));
    let answer = ask(served.address, "GET /readyz HTTP/1.1").await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\nready\n"), "{answer}");
    served.worker.turn(Duration::from_secs(20));
    served.worker.step(Step::Polling, Duration::from_secs(20));
    let answer = ask(served.address, "GET /livez HTTP/1.1").await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("`poll` for 40.0 s"), "{answer}");
}

#[tokio::test]
async fn readiness_in_json_shows_workers_and_restores() {
    let served = serve().await;
    served.worker.state(WorkerState::Restoring, Duration::from_secs(50));
    served.worker.in_hand("clicks", 3, 99);
    served.instruments.restore(3, 40, 60);
    let answer =
        ask(served.address, "GET /readyz HTTP/1.1\r\nAccept: text/html, application/json;q=0.9").await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("content-type: application/json"), "{head}");
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["ready"], false);
    assert_eq!(body["workers"][0]["state"], "restoring");
    assert_eq!(body["workers"][0]["in_hand"]["offset"], 99);
    assert_eq!(
        body["restoring"][0],
        json!({"partition": 3, "restored_records": 40, "remaining_records": 60})
    );
}

#[tokio::test]
async fn metrics_are_served_in_the_text_format() {
    let served = serve().await;
    served.instruments.records_in("clicks", 2);
    let answer = ask(served.address, "GET /metrics HTTP/1.1").await;
    assert!(answer.contains("content-type: text/plain; version=0.0.4"), "{answer}");
    assert!(answer.contains("bespoke_records_in_total{topic=\"clicks\"} 2"), "{answer}");
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_a_problem_body() {
    let served = serve().await;
    let long = "x".repeat(HEADER_BYTES_MAX);
    for (head, line) in [
        ("GET /nothing HTTP/1.1", "HTTP/1.1 404 "),
        ("POST /readyz HTTP/1.1\r\nContent-Length: 0", "HTTP/1.1 405 "),
        ("POST /readyz HTTP/1.1\r\nContent-Length: 65537", "HTTP/1.1 413 "),
        (&format!("GET /livez HTTP/1.1\r\nX-Long: {long}"), "HTTP/1.1 431 "),
    ] {
        let answer = ask(served.address, head).await;
        assert!(answer.starts_with(line), "{answer}");
        assert!(answer.contains("content-type: application/problem+json"), "{answer}");
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let body: Value = serde_json::from_str(body).unwrap();
        assert!(line.contains(&body["status"].to_string()), "{body}");
    }
}

#[tokio::test]
async fn it_stops_when_told() {
    let served = serve().await;
    ask(served.address, "GET /livez HTTP/1.1").await;
    served.stop.send(()).unwrap();
    served.server.await.unwrap().unwrap();
    assert!(TcpStream::connect(served.address).await.is_err());
}

#[tokio::test]
async fn a_silent_peer_is_left_and_makes_room() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let patient = PatientListener::new(listener, Duration::from_millis(20), 1);
    tokio::spawn(async move { axum::serve(patient, Router::new().fallback(not_found)).await });
    let mut silent = TcpStream::connect(address).await.unwrap();
    silent.write_all(b"GET / HTT").await.unwrap();
    assert!(
        ask(address, "GET / HTTP/1.1").await.starts_with("HTTP/1.1 404 "),
        "the second waited for its place"
    );
    assert_eq!(silent.read(&mut [0; 8]).await.unwrap_or(0), 0, "the first was left");
}
