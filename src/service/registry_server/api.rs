//! The registry's paths and bodies: the part of the Confluent API that clients for Avro use.
//!
//! Only Avro, no references, no deletion, one compatibility level: what is left out is refused in words and
//! with the codes that clients know.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::subjects::{COMPATIBILITY, Refusal, Subjects, Version};

const CONTENT_TYPE: &str = "application/vnd.schemaregistry.v1+json";
/// A schema of 1 MiB whose every byte is escaped, and the rest of the request.
const BODY_BYTES_MAX: usize = 3 << 20;

/// What the requests share.
#[derive(Default)]
pub(super) struct Shared {
    subjects: Mutex<Subjects>,
    paused: AtomicBool,
}

/// A request's schema. Members that are not named here are ignored, as other registries do.
#[derive(Deserialize)]
struct SchemaBody {
    schema: String,
    #[serde(rename = "schemaType")]
    kind: Option<String>,
    references: Option<Vec<Value>>,
}

/// An answer: JSON, or an error in the registry's form.
enum Answer {
    Json(Value),
    Error { status: u16, code: u32, message: String },
}

type Answered = Result<Answer, Answer>;

/// A request's body, or why it could not be taken, such as its length.
type Body = Result<Bytes, BytesRejection>;

pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/", get(async || Answer::Json(json!({}))))
        .route("/schemas/types", get(async || Answer::Json(json!(["AVRO"]))))
        .route("/schemas/ids/{id}", get(schema_by_id))
        .route("/schemas/ids/{id}/schema", get(schema_text_by_id))
        .route("/schemas/ids/{id}/subjects", get(subjects_by_id))
        .route("/schemas/ids/{id}/versions", get(versions_by_id))
        .route("/subjects", get(subjects))
        .route("/subjects/{subject}", post(lookup))
        .route("/subjects/{subject}/versions", get(versions).post(register))
        .route("/subjects/{subject}/versions/{version}", get(version))
        .route("/subjects/{subject}/versions/{version}/schema", get(version_text))
        .route("/compatibility/subjects/{subject}/versions", post(check_all))
        .route("/compatibility/subjects/{subject}/versions/{version}", post(check_one))
        .route("/config", get(level).put(set_level))
        .route("/config/{subject}", get(level).put(set_level))
        .route("/mode", get(async || Answer::Json(json!({ "mode": "READWRITE" }))))
        .fallback(async || {
            Answer::error(404, 404, "HTTP 404 Not Found: this small registry has no such path")
        })
        .method_not_allowed_fallback(async || {
            Answer::error(
                405,
                405,
                "HTTP 405 Method Not Allowed: this small registry deletes and changes nothing",
            )
        })
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(Arc::clone(&shared), refuse_while_paused))
        .with_state(shared)
}

impl Shared {
    pub(super) fn pause(&self, paused: bool) {
        self.paused.store(paused, Ordering::SeqCst);
    }

    /// A panic in a request cannot leave the subjects half changed: it changes them in its last steps.
    fn subjects(&self) -> MutexGuard<'_, Subjects> {
        self.subjects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn refuse_while_paused(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    if shared.paused.load(Ordering::SeqCst) {
        return Answer::error(503, 50_301, "The registry is paused").into_response();
    }
    next.run(request).await
}

async fn schema_by_id(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Answered {
    let subjects = shared.subjects();
    Ok(Answer::Json(json!({ "schema": subjects.text(number(&id)?)? })))
}

async fn schema_text_by_id(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Answered {
    parsed(shared.subjects().text(number(&id)?)?)
}

async fn subjects_by_id(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Answered {
    let subjects = shared.subjects();
    let places = subjects.places(number(&id)?)?;
    Ok(Answer::Json(places.iter().map(|(subject, _)| json!(subject)).collect()))
}

async fn versions_by_id(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Answered {
    let subjects = shared.subjects();
    let places = subjects.places(number(&id)?)?;
    let place = |(subject, version): &(&str, usize)| json!({ "subject": subject, "version": version });
    Ok(Answer::Json(places.iter().map(place).collect()))
}

async fn subjects(State(shared): State<Arc<Shared>>) -> Answer {
    Answer::Json(shared.subjects().names().map(|name| json!(name)).collect())
}

async fn versions(State(shared): State<Arc<Shared>>, Path(subject): Path<String>) -> Answered {
    Ok(Answer::Json(json!(shared.subjects().versions(&subject)?)))
}

async fn version(
    State(shared): State<Arc<Shared>>,
    Path((subject, wanted)): Path<(String, String)>,
) -> Answered {
    let subjects = shared.subjects();
    Ok(described(&subject, &subjects.version(&subject, &wanted)?))
}

async fn version_text(
    State(shared): State<Arc<Shared>>,
    Path((subject, wanted)): Path<(String, String)>,
) -> Answered {
    parsed(shared.subjects().version(&subject, &wanted)?.text)
}

async fn lookup(State(shared): State<Arc<Shared>>, Path(subject): Path<String>, body: Body) -> Answered {
    let text = schema_of(body)?;
    let subjects = shared.subjects();
    Ok(described(&subject, &subjects.lookup(&subject, &text)?))
}

async fn register(State(shared): State<Arc<Shared>>, Path(subject): Path<String>, body: Body) -> Answered {
    let text = schema_of(body)?;
    let id = shared.subjects().register(&subject, &text)?;
    Ok(Answer::Json(json!({ "id": id })))
}

async fn check_one(
    State(shared): State<Arc<Shared>>,
    Path((subject, wanted)): Path<(String, String)>,
    body: Body,
) -> Answered {
    let text = schema_of(body)?;
    verdict(shared.subjects().check(&subject, Some(&wanted), &text))
}

async fn check_all(State(shared): State<Arc<Shared>>, Path(subject): Path<String>, body: Body) -> Answered {
    let text = schema_of(body)?;
    verdict(shared.subjects().check(&subject, None, &text))
}

async fn level() -> Answer {
    Answer::Json(json!({ "compatibilityLevel": COMPATIBILITY }))
}

async fn set_level(body: Body) -> Answered {
    #[derive(Deserialize)]
    struct Level {
        compatibility: String,
    }
    let asked: Level = read(body)?;
    if asked.compatibility == COMPATIBILITY {
        return Ok(Answer::Json(json!({ "compatibility": COMPATIBILITY })));
    }
    let message = format!("The compatibility level of this small registry is always {COMPATIBILITY}");
    Err(Answer::error(422, 42_203, &message))
}

fn schema_of(body: Body) -> Result<String, Answer> {
    let body: SchemaBody = read(body)?;
    if let Some(kind) = body.kind.filter(|kind| kind != "AVRO") {
        return Err(Refusal::InvalidSchema(format!("it is of type {kind}; this registry takes AVRO")).into());
    }
    if body.references.is_some_and(|references| !references.is_empty()) {
        return Err(Refusal::InvalidSchema("it has references; write its types out".to_owned()).into());
    }
    Ok(body.schema)
}

fn read<T: DeserializeOwned>(body: Body) -> Result<T, Answer> {
    let body = body.map_err(|rejected| {
        let status = rejected.status().as_u16();
        Answer::error(status, u32::from(status), &format!("The body is not usable: {}", rejected.body_text()))
    })?;
    serde_json::from_slice(&body)
        .map_err(|error| Answer::error(422, 422, &format!("The body is not usable: {error}")))
}

fn number(id: &str) -> Result<u32, Answer> {
    id.parse().map_err(|_| Answer::error(404, 404, "HTTP 404 Not Found: a schema's id is a number"))
}

fn described(subject: &str, version: &Version<'_>) -> Answer {
    let Version { version, id, text } = version;
    Answer::Json(json!({ "subject": subject, "version": version, "id": id, "schema": text }))
}

fn parsed(text: &str) -> Answered {
    let schema = serde_json::from_str(text).map_err(|error| Refusal::InvalidSchema(error.to_string()))?;
    Ok(Answer::Json(schema))
}

fn verdict(checked: Result<(), Refusal>) -> Answered {
    match checked {
        Ok(()) => Ok(Answer::Json(json!({ "is_compatible": true }))),
        Err(refusal @ Refusal::Incompatible { .. }) => {
            Ok(Answer::Json(json!({ "is_compatible": false, "messages": [refusal.to_string()] })))
        }
        Err(refusal) => Err(refusal.into()),
    }
}

impl Answer {
    fn error(status: u16, code: u32, message: &str) -> Answer {
        Answer::Error { status, code, message: message.to_owned() }
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Answer {
        Answer::error(refusal.status(), refusal.code(), &refusal.to_string())
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let (status, body) = match self {
            Answer::Json(body) => (StatusCode::OK, body),
            Answer::Error { status, code, message } => (
                StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
                json!({ "error_code": code, "message": message }),
            ),
        };
        (status, [(header::CONTENT_TYPE, CONTENT_TYPE)], body.to_string()).into_response()
    }
}
