//! The admin port: probes for Kubernetes, metrics for Prometheus.
//!
//! Answers come from the workers' facts alone, so a probe never waits for a broker, a disk or a worker. Text
//! is for people and probes; `/readyz` gives the same as JSON, with every worker, when asked by
//! `Accept: application/json`. Nothing here writes, and nothing here shows a person's data. The port has no
//! authentication: bind it to loopback or keep it inside the cluster's network.

mod patient;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};
use tokio::net::{TcpListener, ToSocketAddrs};

use self::patient::PatientListener;
use super::Clock;
use super::metrics::Metrics;
use crate::runtime::instruments::Instruments;
use crate::runtime::instruments::facts::WorkerFacts;
use crate::runtime::instruments::vitals::Vitals;

/// How long a request may take, and how long a peer may be silent.
const REQUEST_AGE_MAX: Duration = Duration::from_secs(10);
/// How many bytes a request's headers may have; nobody who probes needs more.
const HEADER_BYTES_MAX: usize = 16 * 1024;
/// How many bytes a request's body may have.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// How many connections may be open at once.
const CONNECTIONS_MAX: usize = 64;

/// What the answers are made from.
#[derive(Clone)]
pub struct Sources {
    /// The workers' facts.
    pub vitals: Arc<Vitals>,
    /// The instruments, for the progress of restores.
    pub instruments: Instruments,
    /// The metrics.
    pub metrics: Metrics,
    /// The monotonic time since the process started, on the clock of the workers' facts.
    pub clock: Clock,
}

/// The server, bound but not yet serving.
#[derive(Debug)]
pub struct HttpServer {
    listener: TcpListener,
    address: SocketAddr,
}

impl HttpServer {
    /// Takes the address; port 0 takes any free one.
    ///
    /// # Errors
    /// When the address cannot be had, for instance because another process has it.
    pub async fn bind(address: impl ToSocketAddrs) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// The address that was taken.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `stop` is done, then lets open requests finish.
    ///
    /// # Errors
    /// When the listener fails for good.
    pub async fn serve(
        self,
        sources: Sources,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        tracing::info!(event = "http_serving", address = %self.address, "probes and metrics are served");
        let listener = PatientListener::new(self.listener, REQUEST_AGE_MAX, CONNECTIONS_MAX);
        axum::serve(listener, router(sources)).with_graceful_shutdown(stop).await
    }
}

fn router(sources: Sources) -> Router {
    Router::new()
        .route("/livez", get(live))
        .route("/readyz", get(ready))
        .route("/startupz", get(started))
        .route("/metrics", get(metrics))
        .fallback(not_found)
        .method_not_allowed_fallback(not_allowed)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(from_fn(within_limits))
        .with_state(sources)
}

async fn live(State(sources): State<Sources>) -> Response {
    verdict(sources.vitals.live((sources.clock)()), "live")
}

async fn started(State(sources): State<Sources>) -> Response {
    verdict(sources.vitals.started(), "started")
}

async fn ready(State(sources): State<Sources>, headers: HeaderMap) -> Response {
    let now = (sources.clock)();
    let answer = sources.vitals.ready(now);
    if !wants_json(&headers) {
        return verdict(answer, "ready");
    }
    let status = status(&answer);
    let body = readiness(answer, &sources, now).to_string();
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

async fn metrics(State(sources): State<Sources>) -> Response {
    match sources.metrics.text() {
        Ok(text) => {
            ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
        }
        Err(error) => {
            problem(StatusCode::INTERNAL_SERVER_ERROR, &format!("metrics cannot be encoded: {error}"))
        }
    }
}

async fn not_found() -> Response {
    problem(StatusCode::NOT_FOUND, "there is /livez, /readyz, /startupz and /metrics")
}

async fn not_allowed() -> Response {
    problem(StatusCode::METHOD_NOT_ALLOWED, "everything here is read with GET")
}

async fn within_limits(request: Request, next: Next) -> Response {
    let header_bytes: usize =
        request.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if header_bytes > HEADER_BYTES_MAX {
        let detail = format!("the headers have {header_bytes} bytes; {HEADER_BYTES_MAX} are allowed");
        return problem(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, &detail);
    }
    let body_bytes = request.headers().get(header::CONTENT_LENGTH).and_then(length).unwrap_or_default();
    if body_bytes > BODY_BYTES_MAX {
        let detail = format!("the body has {body_bytes} bytes; {BODY_BYTES_MAX} are allowed");
        return problem(StatusCode::PAYLOAD_TOO_LARGE, &detail);
    }
    match tokio::time::timeout(REQUEST_AGE_MAX, next.run(request)).await {
        Ok(response) => response,
        Err(_) => problem(StatusCode::GATEWAY_TIMEOUT, "the answer took longer than 10 s"),
    }
}

fn length(value: &HeaderValue) -> Option<usize> {
    value.to_str().ok()?.parse().ok()
}

fn wants_json(headers: &HeaderMap) -> bool {
    let accepted = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accepted.split(',').any(|kind| kind.split(';').next().unwrap_or_default().trim() == "application/json")
}

fn status(answer: &Result<(), String>) -> StatusCode {
    if answer.is_ok() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

fn verdict(answer: Result<(), String>, word: &str) -> Response {
    let status = status(&answer);
    let text = match answer {
        Ok(()) => format!("{word}\n"),
        Err(reason) => format!("not {word}: {reason}\n"),
    };
    (status, text).into_response()
}

fn readiness(answer: Result<(), String>, sources: &Sources, now: Duration) -> Value {
    let workers: Vec<Value> = sources.vitals.workers().iter().map(|facts| worker(facts, now)).collect();
    let restoring: Vec<Value> = sources
        .instruments
        .restoring()
        .iter()
        .map(|progress| {
            json!({
                "partition": progress.partition,
                "restored_records": progress.restored_records,
                "remaining_records": progress.remaining_records,
            })
        })
        .collect();
    json!({ "ready": answer.is_ok(), "reason": answer.err(), "workers": workers, "restoring": restoring })
}

fn worker(facts: &WorkerFacts, now: Duration) -> Value {
    let age_ms = |since: Duration| u64::try_from(now.saturating_sub(since).as_millis()).unwrap_or(u64::MAX);
    json!({
        "worker": facts.worker,
        "state": facts.state.name(),
        "state_age_ms": age_ms(facts.state_since),
        "step": facts.step.name(),
        "step_age_ms": age_ms(facts.step_since),
        "turns": facts.turns,
        "turn_age_ms": age_ms(facts.last_turn),
        "commit_age_ms": facts.last_commit.map(age_ms),
        "lag_age_ms": facts.lag_since.map(age_ms),
        "stalled": facts.stalled.as_ref().map(|stalled| json!({
            "topic": stalled.topic, "partition": stalled.partition, "offset": stalled.offset,
            "age_ms": age_ms(stalled.since),
        })),
        "in_hand": facts.in_hand.as_ref().map(|held| json!({
            "topic": held.topic, "partition": held.partition, "offset": held.offset,
        })),
    })
}

/// An error as RFC 9457 has it.
fn problem(status: StatusCode, detail: &str) -> Response {
    let title = status.canonical_reason().unwrap_or("Error");
    let body = json!({ "type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail });
    (status, [(header::CONTENT_TYPE, "application/problem+json")], body.to_string()).into_response()
}

#[cfg(test)]
mod tests;
