//! What stands inside requests as bytes of their own: batches of records and subscriptions.

use kafka_protocol::records::{Compression, Record, RecordBatchEncoder, RecordEncodeOptions, TimestampType};

use super::simulation::log::Producer;

/// A batch of a transaction, numbered from `sequence` on.
pub(crate) fn batch((id, epoch): Producer, sequence: i32, values: &[&str]) -> Vec<u8> {
    let record = |(at, value): (usize, &&str)| Record {
        transactional: true,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: -1,
        producer_id: id.cast_signed(),
        producer_epoch: epoch,
        timestamp_type: TimestampType::Creation,
        offset: at as i64,
        sequence: sequence + at as i32,
        timestamp: 1_767_571_200_000,
        key: None,
        value: Some(value.as_bytes().to_vec().into()),
        headers: Default::default(),
    };
    let records: Vec<Record> = values.iter().enumerate().map(record).collect();
    let mut bytes = Vec::new();
    let options = RecordEncodeOptions { version: 2, compression: Compression::None };
    RecordBatchEncoder::encode(&mut bytes, &records, &options).unwrap();
    bytes
}

/// A subscription to one topic in the consumer protocol: version 0, no user data.
pub(crate) fn subscription(topic: &str) -> Vec<u8> {
    let mut bytes = vec![0, 0, 0, 0, 0, 1];
    bytes.extend((topic.len() as u16).to_be_bytes());
    bytes.extend(topic.as_bytes());
    bytes.extend((-1_i32).to_be_bytes());
    bytes
}
