//! The addresses by which brokers make themselves known, replaced in their answers by ports of the proxy, so
//! that a client never learns of any other way.
//!
//! Brokers name addresses in three answers: the metadata, the coordinators and the description of the
//! cluster. The hints about new leaders in answers to Produce and Fetch (KIP-951) are not rewritten: a client
//! that took one would leave the proxy, so tests that move leaders need more than this.

use kafka_protocol::messages::{ApiKey, DescribeClusterResponse, FindCoordinatorResponse, MetadataResponse};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};

use super::frame::split;

/// Where clients are sent instead.
const HOST: &str = "127.0.0.1";

/// Rewrites a response; none where it names no addresses. `port_of` gives the proxy's port for a broker.
pub(super) fn rewritten(
    key: ApiKey,
    version: i16,
    response: &[u8],
    mut port_of: impl FnMut(&str, i32) -> u16,
) -> Option<Vec<u8>> {
    let (header, mut body) = split(key, version, response);
    let mut bytes = header.to_vec();
    let mut replace = |host: &mut StrBytes, port: &mut i32| {
        // A coordinator that is not known yet has no address.
        if *port > 0 {
            *port = i32::from(port_of(host, *port));
            *host = StrBytes::from_static_str(HOST);
        }
    };
    match key {
        ApiKey::Metadata => {
            let mut body = MetadataResponse::decode(&mut body, version).unwrap();
            body.brokers.iter_mut().for_each(|broker| replace(&mut broker.host, &mut broker.port));
            body.encode(&mut bytes, version).unwrap();
        }
        ApiKey::FindCoordinator => {
            let mut body = FindCoordinatorResponse::decode(&mut body, version).unwrap();
            replace(&mut body.host, &mut body.port);
            body.coordinators.iter_mut().for_each(|found| replace(&mut found.host, &mut found.port));
            body.encode(&mut bytes, version).unwrap();
        }
        ApiKey::DescribeCluster => {
            let mut body = DescribeClusterResponse::decode(&mut body, version).unwrap();
            body.brokers.iter_mut().for_each(|broker| replace(&mut broker.host, &mut broker.port));
            body.encode(&mut bytes, version).unwrap();
        }
        _ => return None,
    }
    Some(bytes)
}
