//! A registry in a mood: a little HTTP server before the real one, which passes requests on, refuses them,
//! fails, or takes its time.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    /// It is passed on.
    Fine,
    /// It is answered with this status and a word about it.
    Status(u16),
    /// It is answered by nobody for so long that clients give up.
    Silent,
}

/// The server. It ends with the process of the tests.
pub(crate) struct MoodyRegistry {
    mood: Arc<Mutex<Mood>>,
    port: u16,
}

impl MoodyRegistry {
    /// Stands before the registry at this address, `http://host:port`.
    pub(crate) fn before(url: &str) -> MoodyRegistry {
        let real = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let mood = Arc::new(Mutex::new(Mood::Fine));
        let asked = Arc::clone(&mood);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (mood, real) = (Arc::clone(&asked), real.clone());
                thread::spawn(move || answer(client, &mood, &real));
            }
        });
        MoodyRegistry { mood, port }
    }

    /// Where clients find it.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Changes its mood for requests that come from now on.
    pub(crate) fn be(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }
}

/// Answers one request, and says that no more will be answered on this connection.
fn answer(mut client: TcpStream, mood: &Mutex<Mood>, real: &str) {
    let mut request = Vec::new();
    let mut buffer = [0; 4_096];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        match client.read(&mut buffer) {
            Ok(count @ 1..) => request.extend_from_slice(&buffer[..count]),
            _ => return,
        }
    }
    let mood = *mood.lock().unwrap();
    match mood {
        Mood::Fine => pass_on(client, &only_one(&request), real),
        Mood::Silent => thread::sleep(Duration::from_secs(20)),
        Mood::Status(status) => {
            let body = r#"{"error_code":1,"message":"in a mood"}"#;
            let head = format!(
                "HTTP/1.1 {status} Mood\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
                 Connection: close\r\n\r\n",
                body.len()
            );
            let _ = client.write_all(head.as_bytes()).and_then(|()| client.write_all(body.as_bytes()));
        }
    }
}

/// The request with the wish that no other comes on its connection: it might come in another mood.
fn only_one(request: &[u8]) -> Vec<u8> {
    let line = request.windows(2).position(|end| end == b"\r\n").map_or(0, |at| at + 2);
    [&request[..line], b"Connection: close\r\n", &request[line..]].concat()
}

fn pass_on(mut client: TcpStream, request: &[u8], real: &str) {
    let Ok(mut server) = TcpStream::connect(real) else { return };
    if server.write_all(request).is_err() {
        return;
    }
    let (mut back, mut answers) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    thread::spawn(move || {
        let _ = std::io::copy(&mut answers, &mut back);
        let _ = back.shutdown(Shutdown::Both);
    });
    // The rest of the request's body, if there is one.
    let _ = std::io::copy(&mut client, &mut server);
    let _ = server.shutdown(Shutdown::Both);
}
