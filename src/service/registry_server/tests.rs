//! The registry and the client of `codec::registry` against each other, over real sockets.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::thread;
use std::time::Duration;

use super::*;
use crate::codec::registry::{Lookup, Pace, Registry, RegistryError, RegistrySettings};

const SCHEMA: &str = r#"{"type":"record","name":"shop.Event","fields":[{"name":"id","type":"string"}]}"#;
const INCOMPATIBLE: &str = r#"{"type":"record","name":"shop.Event","fields":[{"name":"id","type":"long"}]}"#;

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

fn server() -> RunningRegistry {
    RegistryServer::start_on_thread(loopback(0)).unwrap()
}

/// A client that waits little, so that the tests do.
fn client(url: String) -> Registry {
    client_believing(url, Duration::from_secs(30))
}

fn client_believing(url: String, believed: Duration) -> Registry {
    let pace = Pace { first: Duration::from_millis(5), longest: Duration::from_millis(20), believed };
    Registry::connect_at(RegistrySettings::new(url), pace).unwrap()
}

/// Looks the id up until the answer satisfies, for five seconds at most.
fn wait_for(registry: &Registry, id: u32, satisfies: impl Fn(&Lookup) -> bool) -> Lookup {
    let mut last = registry.schema(id);
    for _ in 0..1_000 {
        if satisfies(&last) {
            return last;
        }
        thread::sleep(Duration::from_millis(5));
        last = registry.schema(id);
    }
    panic!("the last answer was {last:?}, the trouble {:?}", registry.trouble());
}

fn settled(lookup: &Lookup) -> bool {
    !matches!(lookup, Lookup::Pending)
}

fn ready(lookup: &Lookup) -> bool {
    matches!(lookup, Lookup::Ready(_))
}

#[test]
fn a_schema_is_registered_found_and_fetched() {
    let server = server();
    let registry = client(server.url());
    assert_eq!(registry.id_of("orders-value", SCHEMA).unwrap(), None);
    assert!(registry.latest("orders-value").unwrap().is_none());
    let id = registry.register("orders-value", SCHEMA).unwrap();
    assert_eq!(registry.register("orders-value", SCHEMA).unwrap(), id);
    assert_eq!(registry.id_of("orders-value", SCHEMA).unwrap(), Some(id));
    assert_eq!(registry.id_of("orders-value", INCOMPATIBLE).unwrap(), None);
    assert_eq!(registry.latest("orders-value").unwrap(), Some((id, SCHEMA.to_owned())));
    assert!(matches!(registry.schema(id), Lookup::Pending), "the first ask does not wait");
    let Lookup::Ready(schema) = wait_for(&registry, id, settled) else { panic!("it is there") };
    assert_eq!(schema.name().unwrap().to_string(), "shop.Event");
    assert_eq!(registry.trouble(), None);
}

#[test]
fn a_no_is_refused_with_reason_and_advice() {
    let server = server();
    let registry = client(server.url());
    registry.register("orders/value", SCHEMA).unwrap();
    let error = registry.register("orders/value", INCOMPATIBLE).unwrap_err();
    assert!(matches!(error, RegistryError::Refused { status: 409, code: 409, .. }), "{error}");
    assert!(error.to_string().contains("field") && error.to_string().contains("default"), "{error}");
    let error = registry.register("orders/value", "not a schema").unwrap_err();
    assert!(matches!(error, RegistryError::Refused { status: 422, code: 42_201, .. }), "{error}");
}

#[test]
fn an_outage_keeps_known_ids_and_ends_with_it() {
    let server = server();
    let registry = client(server.url());
    let known = registry.register("a", r#""string""#).unwrap();
    let unknown = registry.register("b", SCHEMA).unwrap();
    wait_for(&registry, known, ready);
    server.pause();
    registry.schema(unknown);
    while registry.trouble().is_none() {
        thread::sleep(Duration::from_millis(1));
    }
    assert!(matches!(registry.schema(unknown), Lookup::Pending));
    assert!(ready(&registry.schema(known)));
    let error = registry.register("a", SCHEMA).unwrap_err();
    assert!(matches!(&error, RegistryError::Unreachable { reason, .. } if reason.contains("503")), "{error}");
    server.resume();
    wait_for(&registry, unknown, ready);
    assert_eq!(registry.trouble(), None);
}

#[test]
fn a_registry_that_comes_late_is_found() {
    // Bound and not listening: connections are refused, and nobody else is given the port.
    let reserved = tokio::net::TcpSocket::new_v4().unwrap();
    reserved.bind(loopback(0)).unwrap();
    let address = reserved.local_addr().unwrap();
    let registry = client_believing(format!("http://{address}/"), Duration::from_millis(50));
    let error = registry.latest("a").unwrap_err();
    assert!(matches!(&error, RegistryError::Unreachable { .. }), "{error}");
    registry.schema(1);
    while registry.trouble().is_none() {
        thread::sleep(Duration::from_millis(1));
    }
    let trouble = registry.trouble().unwrap();
    assert!(trouble.contains(&address.to_string()) && trouble.contains("refused"), "{trouble}");
    drop(reserved);
    let server = RegistryServer::start_on_thread(address).unwrap();
    let id = client(server.url()).register("a", SCHEMA).unwrap();
    assert_eq!(id, 1);
    // The background request may have come before the schema was registered; that "no" is not for ever.
    wait_for(&registry, 1, ready);
}

#[test]
fn a_missing_id_is_asked_for_again_after_a_while() {
    let server = server();
    let registry = client_believing(server.url(), Duration::from_millis(50));
    wait_for(&registry, 1, |lookup| matches!(lookup, Lookup::Missing));
    registry.register("a", SCHEMA).unwrap();
    wait_for(&registry, 1, ready);
}

/// Answers every request with the next of these bodies, as a registry gone wrong would.
fn answering(answers: Vec<(&'static str, String)>) -> String {
    let listener = TcpListener::bind(loopback(0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for (status, body) in answers {
            let (mut connection, _) = listener.accept().unwrap();
            let mut request = [0; 4_096];
            let _ = connection.read(&mut request).unwrap();
            let length = body.len();
            let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
            connection.write_all(head.as_bytes()).unwrap();
            connection.write_all(body.as_bytes()).unwrap();
        }
    });
    url
}

#[test]
fn schemas_that_cannot_be_used_say_why() {
    let endless = r#"{"type":"record","name":"A","fields":[{"name":"a","type":"A"}]}"#;
    let long = format!("\"{}\"", "x".repeat(1 << 20));
    let body = |schema: &str, more: serde_json::Value| {
        let mut body = serde_json::json!({ "schema": schema });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        ("200 OK", body.to_string())
    };
    let reference = serde_json::json!({ "references": [{ "name": "B", "subject": "b", "version": 1 }] });
    let registry = client(answering(vec![
        body(endless, serde_json::json!({})),
        body(&long, serde_json::json!({})),
        body("message A {}", serde_json::json!({ "schemaType": "PROTOBUF" })),
        body(r#""B""#, reference),
        body(r#"{"type":"nonsense"}"#, serde_json::json!({})),
    ]));
    for (id, part) in [(1, "recursive"), (2, "1 MiB"), (3, "not an Avro"), (4, "refers"), (5, "not a valid")]
    {
        let lookup = wait_for(&registry, id, settled);
        assert!(matches!(&lookup, Lookup::Unusable(reason) if reason.contains(part)), "{lookup:?}");
    }
}

#[test]
fn what_no_registry_says_is_an_outage() {
    let unauthorized = r#"{"error_code":401,"message":"Unauthorized"}"#.to_owned();
    let good = serde_json::json!({ "schema": SCHEMA }).to_string();
    let registry = client(answering(vec![
        ("404 Not Found", "<html>no such page</html>".to_owned()),
        ("404 Not Found", r#"{"error_code":404,"message":"HTTP 404 Not Found"}"#.to_owned()),
        ("200 OK", "<html>welcome</html>".to_owned()),
        ("200 OK", "{}".to_owned()),
        ("500 Internal Server Error", String::new()),
        ("401 Unauthorized", unauthorized),
        ("200 OK", good),
    ]));
    assert!(ready(&wait_for(&registry, 1, settled)), "it was asked until it gave the schema");
}

#[test]
fn a_registry_that_takes_the_question_and_says_nothing_is_an_outage() {
    let listener = TcpListener::bind(loopback(0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let settings = RegistrySettings { timeout_ms: 50, ..RegistrySettings::new(url) };
    let registry = Registry::connect(settings).unwrap();
    let error = registry.latest("a").unwrap_err();
    assert!(
        matches!(&error, RegistryError::Unreachable { reason, .. } if reason.contains("timed out")),
        "{error}"
    );
}

#[test]
fn settings_that_cannot_work_are_refused_without_showing_a_password() {
    for url in ["registry:8081", "http://", "http://me:secret@registry", "http://a b", "http://a/?x=1"] {
        let error = Registry::connect(RegistrySettings::new(url)).unwrap_err();
        assert!(matches!(error, RegistryError::Settings { .. }), "{error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
    let settings = RegistrySettings { timeout_ms: 0, ..RegistrySettings::new("http://registry") };
    assert!(Registry::connect(settings).is_err());
    let password = Some("secret".to_owned());
    let settings = RegistrySettings { password, ..RegistrySettings::new("http://registry") };
    assert!(!format!("{settings:?}").contains("secret"));
}

#[test]
fn only_loopback_addresses_are_served() {
    let error = RegistryServer::start_on_thread(SocketAddr::from(([0, 0, 0, 0], 0))).err().unwrap();
    assert!(matches!(error, RegistryServerError::NotLoopback(_)), "{error}");
    let server = server();
    let error = RegistryServer::start_on_thread(server.address()).err().unwrap();
    assert!(matches!(error, RegistryServerError::Listen { .. }), "{error}");
}

/// One request by hand: the status and the body.
fn ask(server: &RunningRegistry, method: &str, path: &str, body: &str) -> (u16, serde_json::Value) {
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: it\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    send(server, &request)
}

fn send(server: &RunningRegistry, request: &str) -> (u16, serde_json::Value) {
    let mut connection = std::net::TcpStream::connect(server.address()).unwrap();
    connection.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("application/vnd.schemaregistry.v1+json"), "{head}");
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap())
}

#[test]
fn a_body_without_end_is_refused_at_its_limit() {
    // One byte more than is taken, in a chunk that goes on: the answer comes before the body's end.
    let sent = " ".repeat((3 << 20) + 1);
    let head =
        "POST /subjects/a/versions HTTP/1.1\r\nhost: here\r\ntransfer-encoding: chunked\r\n\r\nffffff\r\n";
    let (status, body) = send(&server(), &format!("{head}{sent}"));
    assert_eq!((status, &body["error_code"]), (413, &serde_json::json!(413)));
}

#[test]
fn the_paths_that_foreign_clients_use_answer_as_confluents() {
    let server = server();
    let body = serde_json::json!({ "schema": SCHEMA, "schemaType": "AVRO" }).to_string();
    let worse = serde_json::json!({ "schema": INCOMPATIBLE }).to_string();
    let get = |path: &str| ask(&server, "GET", path, "");
    let code = |(status, body): (u16, serde_json::Value)| (status, body["error_code"].as_u64().unwrap());
    assert_eq!(code(ask(&server, "POST", "/subjects/a%2Fb", &body)), (404, 40_401));
    assert_eq!(ask(&server, "POST", "/subjects/a%2Fb/versions", &body).1["id"], 1);
    assert_eq!(ask(&server, "POST", "/subjects/a%2Fb?deleted=false", &body).1["version"], 1);
    assert_eq!(get("/schemas/types").1[0], "AVRO");
    assert_eq!(get("/subjects").1[0], "a/b");
    assert_eq!(get("/subjects/a%2Fb/versions").1[0], 1);
    assert_eq!(get("/subjects/a%2Fb/versions/latest").1["schema"], SCHEMA);
    assert_eq!(get("/subjects/a%2Fb/versions/1/schema").1["name"], "shop.Event");
    assert_eq!(get("/schemas/ids/1?subject=a%2Fb").1["schema"], SCHEMA);
    assert_eq!(get("/schemas/ids/1/schema").1["name"], "shop.Event");
    assert_eq!(get("/schemas/ids/1/subjects").1[0], "a/b");
    assert_eq!(get("/schemas/ids/1/versions").1[0]["version"], 1);
    assert_eq!(code(get("/schemas/ids/2")), (404, 40_403));
    assert_eq!(code(get("/subjects/a%2Fb/versions/2")), (404, 40_402));
    assert_eq!(code(get("/subjects/a%2Fb/versions/x")), (422, 42_202));
    assert_eq!(code(get("/nothing")), (404, 404));
    assert_eq!(code(ask(&server, "DELETE", "/subjects/a%2Fb", "")), (405, 405));
    let path = "/compatibility/subjects/a%2Fb/versions/latest";
    assert_eq!(ask(&server, "POST", path, &body).1["is_compatible"], true);
    assert_eq!(ask(&server, "POST", path, &worse).1["is_compatible"], false);
    assert_eq!(get("/config").1["compatibilityLevel"], "BACKWARD_TRANSITIVE");
    assert_eq!(code(ask(&server, "PUT", "/config", r#"{"compatibility":"NONE"}"#)), (422, 42_203));
    let protobuf = r#"{"schema":"message A {}","schemaType":"PROTOBUF"}"#;
    assert_eq!(code(ask(&server, "POST", "/subjects/c/versions", protobuf)), (422, 42_201));
    assert_eq!(code(ask(&server, "POST", "/subjects/c/versions", "{")), (422, 422));
    let long = serde_json::json!({ "schema": "x".repeat((1 << 20) + 1) }).to_string();
    assert_eq!(code(ask(&server, "POST", "/subjects/c/versions", &long)), (422, 42_201));
}
