//! What a registry may answer: whole HTTP answers, and the schemas in them. The first byte chooses between a
//! schema for admission and a raw answer that a client of the product is given.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;

use bespoke::codec::registry::admission::admit;
use bespoke::codec::registry::{Registry, RegistrySettings};

use crate::target::{Run, Target, kind};

pub(crate) const TARGET: Target = Target { name: "registry", seeds, words: WORDS, generate: None, open };

const WORDS: &[&str] = &[
    "{\"type\":\"array\",\"items\":",
    "{\"type\":\"record\",\"name\":\"A\",\"fields\":[",
    "\"A\"",
    "[\"null\",",
    "\"logicalType\":\"decimal\"",
    "\"precision\":99999999999",
    "\"size\":18446744073709551615",
    "\"default\":",
    "\"namespace\":\"..\"",
    "[",
    "{",
    "}",
    "]",
    "HTTP/1.1 200 OK\r\n",
    "Content-Length: 99999999999\r\n",
    "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
    "\r\n",
    "{\"error_code\":40403}",
    "\"schema\":",
];

fn seeds() -> Vec<Vec<u8>> {
    let schema = r#"{"type":"record","name":"E","namespace":"n","fields":[{"name":"a","type":["null","string"],"default":null},{"name":"b","type":{"type":"array","items":{"type":"enum","name":"K","symbols":["X"]}}},{"name":"c","type":{"type":"fixed","name":"F","size":4}},{"name":"d","type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}}]}"#;
    let answer = |status: &str, body: &str| {
        let length = body.len();
        format!(
            "\u{1}HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        )
    };
    let latest =
        r#"{"subject":"s","version":1,"id":7,"schema":"\"string\"","schemaType":"AVRO","references":[]}"#;
    vec![
        format!("\0{schema}").into_bytes(),
        answer("200 OK", latest).into_bytes(),
        answer("404 Not Found", r#"{"error_code":40401,"message":"no subject"}"#).into_bytes(),
        answer("500 Oops", r#"{"error_code":50001,"message":"away"}"#).into_bytes(),
    ]
}

fn open() -> Run {
    let answer = Arc::new(Mutex::new(Vec::new()));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let given = Arc::clone(&answer);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let mut asked = [0; 4096];
            let _ = stream.read(&mut asked);
            let bytes: Vec<u8> = given.lock().unwrap().clone();
            let _ = stream.write_all(&bytes);
        }
    });
    let registry =
        Registry::connect(RegistrySettings { timeout_ms: 200, ..RegistrySettings::new(url) }).unwrap();
    Box::new(move |input| {
        let Some((choice, rest)) = input.split_first() else { return Ok(0) };
        if choice % 2 == 0 {
            return Ok(admit(&String::from_utf8_lossy(rest)).map_or_else(|reason| kind(&reason), |_| 1));
        }
        *answer.lock().unwrap() = rest.to_vec();
        match registry.latest("s") {
            Ok(None) => Ok(2),
            Ok(Some((_, schema))) => Ok(admit(&schema).map_or_else(|reason| kind(&reason), |_| 3)),
            Err(error) => Ok(kind(&error.to_string())),
        }
    })
}
