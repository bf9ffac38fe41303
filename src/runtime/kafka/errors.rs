//! Errors of librdkafka, translated into what to do. Only three ways lead on: the same call again within a
//! budget, new clients, or the end of the process.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::runtime::fault::{ExitCode, Fault};

/// What to do about an error outside a transactional call.
pub(super) fn fault(doing: &str, error: &KafkaError) -> Fault {
    let text = format!("{doing}: {error}");
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::FencedInstanceId) => Fault::stop(
            ExitCode::Fenced,
            format!("{text}. Another process uses this one's group.instance.id: give each its own ordinal"),
        ),
        Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange) => Fault::stop(
            ExitCode::Inconsistent,
            format!(
                "{text}. Records between the committed offset and the start of the log are gone, or the \
                 topic was recreated: decide where to go on and set the group's offset there"
            ),
        ),
        Some(
            RDKafkaErrorCode::TopicAuthorizationFailed
            | RDKafkaErrorCode::GroupAuthorizationFailed
            | RDKafkaErrorCode::ClusterAuthorizationFailed
            | RDKafkaErrorCode::TransactionalIdAuthorizationFailed
            | RDKafkaErrorCode::SaslAuthenticationFailed
            | RDKafkaErrorCode::Authentication,
        ) => Fault::stop(ExitCode::Misconfigured, format!("{text}. Check the credentials and the ACLs")),
        Some(RDKafkaErrorCode::InconsistentGroupProtocol) => Fault::stop(
            ExitCode::Misconfigured,
            format!(
                "{text}. Other members of the group use another assignor: stop all of them before changing it"
            ),
        ),
        _ if is_transient(error) || passes_with_new_clients(error) => Fault::restart("broker", text),
        code => Fault::stop(
            ExitCode::Unknown,
            format!(
                "{text} ({code:?}). Nothing here knows this error, and going on might lose or double records. \
                 Nothing committed is lost: start the process again, and report this line if it comes back"
            ),
        ),
    }
}

/// Whether an error reported while polling says only that a broker is away, which librdkafka mends alone.
pub(super) fn is_transient(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    let code = error.rdkafka_error_code();
    matches!(
        code,
        Some(
            Code::BrokerTransportFailure
                | Code::AllBrokersDown
                | Code::Resolve
                | Code::OperationTimedOut
                | Code::RequestTimedOut
                | Code::NotCoordinator
                | Code::CoordinatorNotAvailable
                | Code::CoordinatorLoadInProgress
                | Code::LeaderNotAvailable
                | Code::NotLeaderForPartition
                | Code::ReplicaNotAvailable
                | Code::BrokerNotAvailable
                | Code::NetworkException
                | Code::RebalanceInProgress
                | Code::FencedLeaderEpoch
                | Code::UnknownLeaderEpoch
                | Code::MessageTimedOut
        )
    )
}

/// Whether an error is about the client's own standing, with its group or a broker, or about something that is
/// not there yet: new clients begin anew.
fn passes_with_new_clients(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    let code = error.rdkafka_error_code();
    matches!(
        code,
        Some(
            Code::UnknownMemberId
                | Code::IllegalGeneration
                | Code::MemberIdRequired
                | Code::PollExceeded
                | Code::AssignmentLost
                | Code::WaitingForCoordinator
                | Code::UnknownTopicOrPartition
                | Code::UnknownTopic
                | Code::UnknownPartition
                | Code::UnstableOffsetCommit
                | Code::OffsetNotAvailable
                | Code::NotEnoughReplicas
                | Code::NotEnoughReplicasAfterAppend
                | Code::ThrottlingQuotaExceeded
                | Code::InvalidProducerEpoch
                | Code::InvalidTransactionalState
                | Code::ProducerFenced
                | Code::Fenced
                | Code::State
                | Code::Fail
                | Code::Outdated
                | Code::Retry
                | Code::PurgeQueue
                | Code::PurgeInflight
                | Code::InProgress
                | Code::PreviousInProgress
                | Code::Interrupted
                | Code::KafkaStorageError
                | Code::UnknownBroker
                | Code::Unknown
        )
    )
}

/// A client that could not be made: its settings are wrong.
pub(super) fn refused(what: &str, error: &KafkaError) -> Fault {
    Fault::stop(
        ExitCode::Misconfigured,
        format!("{what} could not be made: {error}. Check the section `kafka`"),
    )
}
