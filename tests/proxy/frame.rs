//! Frames of Kafka's protocol: four bytes of length, a header, a body. What the proxy has to know of them is
//! decoded here; everything else is passed on as it came.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use kafka_protocol::messages::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, AddPartitionsToTxnResponse, ApiKey, EndTxnRequest,
    EndTxnResponse, InitProducerIdResponse, ProduceRequest, ProduceResponse, ResponseHeader,
    TxnOffsetCommitRequest, TxnOffsetCommitResponse,
};
use kafka_protocol::protocol::{Decodable, Encodable, decode_request_header_from_buffer};

/// Larger than any frame of a test; what claims to be longer is no frame.
const FRAME_BYTES_MAX: usize = 128 << 20;
/// Where the producer's id and epoch stand in a batch of records.
const BATCH_PRODUCER_ID_AT: usize = 43;
const BATCH_PRODUCER_EPOCH_AT: usize = 51;

/// A request with its header read.
#[derive(Clone)]
pub(crate) struct Request {
    /// The whole frame without its length.
    pub(crate) bytes: Vec<u8>,
    pub(crate) key: ApiKey,
    pub(crate) version: i16,
    pub(crate) correlation: i32,
    pub(crate) client: String,
    body_at: usize,
}

/// Which producer, and its how-manieth life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) id: i64,
    pub(crate) epoch: i16,
}

/// Reads a frame, without its length; none at the end of the connection.
pub(super) fn read(stream: &mut TcpStream) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match stream.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        result => result?,
    }
    let length = u32::from_be_bytes(length) as usize;
    if length > FRAME_BYTES_MAX {
        return Err(io::Error::other(format!("a frame of {length} bytes")));
    }
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes)?;
    Ok(Some(bytes))
}

/// Writes a frame.
pub(super) fn write(mut stream: &TcpStream, bytes: &[u8]) -> io::Result<()> {
    let mut frame = Vec::with_capacity(bytes.len() + 4);
    frame.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
    frame.extend_from_slice(bytes);
    stream.write_all(&frame)
}

impl Request {
    /// Reads the header; none for a request that this version of the protocol's library does not know.
    pub(super) fn parse(bytes: Vec<u8>) -> Option<Request> {
        let mut rest = bytes.as_slice();
        ApiKey::try_from(i16::from_be_bytes([*bytes.first()?, *bytes.get(1)?])).ok()?;
        let header = decode_request_header_from_buffer(&mut rest).ok()?;
        let body_at = bytes.len() - rest.len();
        let client = header.client_id.as_deref().unwrap_or_default().to_owned();
        Some(Request {
            key: ApiKey::try_from(header.request_api_key).ok()?,
            version: header.request_api_version,
            correlation: header.correlation_id,
            client,
            body_at,
            bytes,
        })
    }

    /// Whose transaction it belongs to, where it belongs to one.
    pub(super) fn identity(&self) -> Option<Identity> {
        match self.key {
            ApiKey::EndTxn => {
                let body: EndTxnRequest = self.body();
                Some(Identity { id: body.producer_id.0, epoch: body.producer_epoch })
            }
            ApiKey::AddPartitionsToTxn => {
                let body: AddPartitionsToTxnRequest = self.body();
                let (id, epoch) = (body.v3_and_below_producer_id.0, body.v3_and_below_producer_epoch);
                Some(Identity { id, epoch })
            }
            ApiKey::AddOffsetsToTxn => {
                let body: AddOffsetsToTxnRequest = self.body();
                Some(Identity { id: body.producer_id.0, epoch: body.producer_epoch })
            }
            ApiKey::TxnOffsetCommit => {
                let body: TxnOffsetCommitRequest = self.body();
                Some(Identity { id: body.producer_id.0, epoch: body.producer_epoch })
            }
            ApiKey::Produce => {
                let body: ProduceRequest = self.body();
                let batch = body.topic_data.first()?.partition_data.first()?.records.clone()?;
                let id = batch.get(BATCH_PRODUCER_ID_AT..BATCH_PRODUCER_ID_AT + 8)?;
                let epoch = batch.get(BATCH_PRODUCER_EPOCH_AT..BATCH_PRODUCER_EPOCH_AT + 2)?;
                Some(Identity {
                    id: i64::from_be_bytes(id.try_into().ok()?),
                    epoch: i16::from_be_bytes(epoch.try_into().ok()?),
                })
            }
            _ => None,
        }
    }

    /// Whether it ends a transaction by committing it; none where it ends none.
    pub(super) fn commits(&self) -> Option<bool> {
        (self.key == ApiKey::EndTxn).then(|| self.body::<EndTxnRequest>().committed)
    }

    /// The same offsets of a transaction with the generation before, which the group no longer accepts.
    pub(super) fn with_stale_generation(&self) -> Request {
        let mut body: TxnOffsetCommitRequest = self.body();
        body.generation_id -= 1;
        let mut bytes = self.bytes[..self.body_at].to_vec();
        body.encode(&mut bytes, self.version).unwrap();
        Request { bytes, ..self.clone() }
    }

    fn body<Body: Decodable>(&self) -> Body {
        let mut rest = &self.bytes[self.body_at..];
        Body::decode(&mut rest, self.version).unwrap()
    }
}

/// The number by which a response finds its request.
pub(super) fn correlation(response: &[u8]) -> i32 {
    i32::from_be_bytes(response[..4].try_into().unwrap())
}

/// Splits a response into header and body.
pub(super) fn split(key: ApiKey, version: i16, response: &[u8]) -> (&[u8], &[u8]) {
    let mut rest = response;
    ResponseHeader::decode(&mut rest, key.response_header_version(version)).unwrap();
    response.split_at(response.len() - rest.len())
}

/// The error code of a response that belongs to a transaction; none for other responses.
pub(super) fn error_code(key: ApiKey, version: i16, response: &[u8]) -> Option<i16> {
    let (_, mut body) = split(key, version, response);
    match key {
        ApiKey::EndTxn => Some(EndTxnResponse::decode(&mut body, version).unwrap().error_code),
        ApiKey::InitProducerId => {
            Some(InitProducerIdResponse::decode(&mut body, version).unwrap().error_code)
        }
        ApiKey::Produce => {
            let body = ProduceResponse::decode(&mut body, version).unwrap();
            Some(body.responses.first()?.partition_responses.first()?.error_code)
        }
        ApiKey::AddPartitionsToTxn => {
            let body = AddPartitionsToTxnResponse::decode(&mut body, version).unwrap();
            let topic = body.results_by_topic_v3_and_below.first()?;
            Some(topic.results_by_partition.first()?.partition_error_code)
        }
        ApiKey::TxnOffsetCommit => {
            let body = TxnOffsetCommitResponse::decode(&mut body, version).unwrap();
            Some(body.topics.first()?.partitions.first()?.error_code)
        }
        _ => None,
    }
}
