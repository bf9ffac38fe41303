//! One connection to a broker: a request goes out as bytes, its answer comes back. No retries, no state.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use kafka_protocol::messages::{ApiKey, RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, Request, StrBytes};

/// A connection.
pub(crate) struct Connection(TcpStream);

impl Connection {
    pub(crate) fn open(bootstrap: &str) -> Connection {
        let stream = TcpStream::connect(bootstrap).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream.set_nodelay(true).unwrap();
        Connection(stream)
    }

    pub(crate) fn ask<R: Request>(&mut self, version: i16, request: &R) -> R::Response {
        self.send(version, request);
        self.receive::<R>(version)
    }

    pub(crate) fn send<R: Request>(&mut self, version: i16, request: &R) {
        let key = ApiKey::try_from(R::KEY).unwrap();
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_client_id(Some(StrBytes::from_static_str("conformance")));
        let mut frame = vec![0; 4];
        header.encode(&mut frame, key.request_header_version(version)).unwrap();
        request.encode(&mut frame, version).unwrap();
        let length = (frame.len() - 4) as u32;
        frame[..4].copy_from_slice(&length.to_be_bytes());
        self.0.write_all(&frame).unwrap();
    }

    pub(crate) fn receive<R: Request>(&mut self, version: i16) -> R::Response {
        let mut length = [0; 4];
        self.0.read_exact(&mut length).unwrap();
        let mut frame = vec![0; u32::from_be_bytes(length) as usize];
        self.0.read_exact(&mut frame).unwrap();
        let mut rest = frame.as_slice();
        let key = ApiKey::try_from(R::KEY).unwrap();
        ResponseHeader::decode(&mut rest, key.response_header_version(version)).unwrap();
        R::Response::decode(&mut rest, version).unwrap()
    }
}
