//! What is promised, what is not, and which test holds each sentence.
//!
//! Nothing here is code. `tests/house.rs` checks that every test named on this page exists; `./dev prove help`
//! lists the proofs that a person can run in any dose.
//!
//! # Promised
//!
//! Each record of a source has its effect once: on the state, on the offsets and on every output, whatever
//! happens to processes, brokers, disks and networks, for consumers that read with
//! `isolation.level=read_committed`.
//!
//! | promise | held by |
//! | --- | --- |
//! | No record is lost or counted twice when processes are killed at any moment. | `tests/kafka/crashes.rs::killed_at_five_random_moments`, `tests/simulation.rs::whatever_goes_wrong_everything_is_processed_exactly_once` |
//! | Outputs, changelog and input offsets of a transaction become visible together or not at all. | `tests/simulation.rs::whatever_goes_wrong_everything_is_processed_exactly_once`, `tests/conformance/transactions.rs::open_and_aborted_transactions_are_hidden_and_all_behind_an_open_one_too` |
//! | A request of a transaction that arrives late, inside the next one, is refused by its epoch. | `tests/late.rs::late_requests_never_tear_a_transaction`, `tests/late.rs::every_loss_gives_a_new_epoch` |
//! | A process that stood still, and one whose place another has taken, write nothing that is seen. | `tests/scenarios_on_kafka/zombies.rs::scenario_04_a_zombie_whose_partitions_another_member_has` |
//! | One person's records keep their order, and decisions say the same again on a replay. | `tests/kafka/plain.rs::a_replay_of_the_command_log_gives_the_same_bytes` |
//! | The disk never leads: after any kill a store reopens as a prefix of what was committed. | `tests/store_kill.rs::a_killed_store_without_a_log_reopens_as_a_prefix` |
//! | A damaged store is right or is rebuilt from the changelog, at most once an hour, and never loops. | `tests/store_damage.rs::scenario_10_a_damaged_store_is_right_or_rebuilt` |
//! | A lost or an old state directory is caught up from the changelog. | `tests/kafka/state.rs::a_lost_state_directory_is_restored`, `tests/kafka/state.rs::an_old_copy_of_the_state_directory_catches_up` |
//! | Records that were deleted before they were read stop the process, and the message says which. | `tests/scenarios_on_kafka/trimmed.rs::scenario_08_input_is_trimmed_while_nobody_reads` |
//! | A restore gives the state that was committed, row for row, or is refused. | `tests/runtime/restores.rs::a_changelog_that_lacks_one_old_row_is_refused`, `tests/scenarios_on_kafka/changelog.rs::scenario_09_a_changelog_made_anew_under_a_running_process` |
//! | A changelog that was trimmed or emptied is refused. | `tests/scenarios_on_kafka/changelog.rs::scenario_09_a_trimmed_changelog_is_no_backup`, `tests/log.rs::an_empty_changelog_behind_a_group_that_has_read_is_no_new_application` |
//! | A record that cannot be used becomes one dead letter with its own bytes, and its neighbours go on. | `tests/kafka/poison.rs::poison_becomes_dead_letters_and_its_neighbours_go_on` |
//! | A change of definitions, content or site shares is answered on the status topic, once, in the transaction that takes it. | `tests/log.rs::what_became_of_a_change_stands_on_the_status_topic` |
//! | A full disk stops commits, loses nothing, and is left by itself when there is room again. | `tests/scenarios_on_kafka/space.rs::scenario_11_the_disk_is_full` |
//! | Of two processes under one name or with one directory at most one goes on. | `tests/scenarios_on_kafka/twins.rs::scenario_14_two_processes_with_one_name`, `tests/scenarios_on_kafka/twins.rs::scenario_14_two_processes_with_one_state_directory` |
//! | A process that is asked to end commits what it holds and is gone within 25 seconds. | `tests/scenarios_on_kafka/ends.rs::scenario_23_asked_to_end_under_load` |
//! | A worker that has to end while it joins the group is gone in time. | `tests/kafka/leaving.rs::a_member_that_ends_while_it_joins_is_gone_in_time` |
//! | A client that has died ends the process; it is never ready and idle. | `tests/scenarios_on_kafka/twins.rs::scenario_22_a_fatal_client_error_ends_the_process` |
//!
//! The checks are checked: the simulated Kafka against the real one in `tests/conformance.rs`, and all of them
//! against deliberate defects (`tests/mutants.rs::every_mutant_is_found`, and the first race of
//! `tests/late/mutant.rs::the_checks_see_what_a_kept_producer_tears`).
//!
//! # What it takes
//!
//! - **Brokers.** Transactions with `min.insync.replicas` above half of the replicas, unclean leader election
//!   off, and transaction verification on (`transaction.partition.verification.enable`, the default). With one
//!   replica the promise ends with that broker's disk. The release matters, see below.
//! - **Topics.** The changelog is compacted and nothing else; `bespoke topics check` says what is wrong.
//! - **Consumers.** Who reads with `read_uncommitted`, the default of many clients, sees records of
//!   transactions that are later aborted.
//! - **Names.** `group.instance.id` and `transactional.id` derive from the ordinal: each process needs its own.
//!
//! # What is done about KIP-890
//!
//! Since KIP-890 (part 2) Kafka's own client takes a new producer epoch with every transaction, which keeps a
//! late EndTxn out of the next one. librdkafka does not have it: it repeats EndTxn inside the library, says so
//! to nobody, and uses one epoch for all transactions of a producer. So a producer is replaced, with a new
//! epoch, before the next transaction begins: after every abort, after every failed or timed-out call, and
//! after every commit during which its client lost a connection or a request ([`crate::runtime::transaction`]).
//! librdkafka reports such a loss reliably in its debug lines alone, which is where it is read from.
//!
//! # Not promised
//!
//! - **Partitions without any leader, on Kafka 4.3.0 to 4.4.0.** A coordinator of these releases drops the
//!   markers on their way to a partition that has no leader, as if its topic had been deleted, and calls the
//!   transaction complete (KAFKA-20734, open). The records stand open in the log until the next marker of the
//!   same producer decides about them, whichever way it goes. Two campaigns of two with a single broker that was
//!   killed found torn transactions; the log of one was read marker by marker: of a transaction that had been
//!   committed, two partitions and the offsets were aborted by the next one and the rest was committed by the
//!   one after it. With several replicas all of them have to be gone at once. 4.3.0, 4.3.1 and 4.4.0 show the
//!   fault and 4.2.2 does not when `./dev prove markers` provokes it without Bespoke; all proofs run on 4.2.2.
//! - **Power loss of a single broker** with one replica: Kafka acknowledges before its disk has synced.
//! - **Which of two processes under one name goes on**, when one of them stood still for longer than its session:
//!   its client joins anew under its name, and takes it back. If only some of its threads do, both end with 71,
//!   and whoever starts them again settles it.
//! - **A changelog that somebody forges.** The digest of the state finds loss and defects; it is no seal.
//! - **Exactly once beyond Kafka.** Who acts on a decision has to know its `decision_id` again.
//! - **Repetitions by senders outside the horizon.** A message id is known again within `dedupe.horizon` of event
//!   time and among the last `dedupe.ids_max` of a person; `bespoke_lost_to_limits_total{what="message_ids"}` counts
//!   those that were forgotten before.
//! - **Erasure, consent and upgrades** from an older release: these features do not exist yet, so nothing is
//!   proved about them (`./dev prove scenario list`).
