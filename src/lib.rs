//! Bespoke: behavioural event streams in, live user profiles and content decisions out, exactly once, on
//! Apache Kafka.
//!
//! # The path of one record
//!
//! ```text
//! source topics            <app>-commands               state + outputs
//! (any key, Avro/JSON)     (keyed by person)
//! clickstream  ─┐
//! orders       ─┼ intake: decode, validate,   task: load the person's profile,
//! requests     ─┤ correct clocks, key by  ──► react (pure), stage the changes,  ──► profile-updates (compacted)
//! content      ─┤ person; or broadcast        commit all in one transaction     ──► content-decisions
//! definitions  ─┤        │                              │                       ──► segment-changes
//! site-shares  ─┘        └─► dead-letters, status       └─► <app>-profile-changelog (compacted)
//! ```
//!
//! 1. [`runtime::worker`] polls a record. One worker is one thread, one group member and one transactional
//!    producer; nothing is shared with other workers.
//! 2. A source's record goes through [`runtime::intake`]: [`codec::wire`] makes an event of it or says why
//!    not; the event becomes a command in the partition of its person, the reject a dead letter. Content,
//!    definitions and site shares become commands in every partition, so that they are ordered with the events.
//! 3. A command goes to the [`runtime::task`] of its partition, which raises stream time, finds the profile
//!    in its [`store::overlay`], and hands both to [`domain::react`].
//! 4. `react` settles what is due, applies the event and answers with emissions. Decisions and segment
//!    changes are sent at once, inside the open transaction.
//! 5. The transaction is committed by whichever comes first of its age, its records and its bytes. Before
//!    that, each changed profile is encoded once, for the changelog and for its update. Input offsets,
//!    outputs and changelog become visible together.
//! 6. Only then the store may hear of it. Committed rows stay in the overlay until they are enough, or a
//!    partition is given back; then the store absorbs them with the position that they lead to, in one write.
//!
//! # What holds at every instant
//!
//! **Kafka first, disk second.** The store may lag behind the changelog, never lead it, so no crash needs it
//! to be wiped.
//!
//! | crash or fault | what is true | repair |
//! | --- | --- | --- |
//! | before the commit | the transaction aborts, the overlay is gone, offsets are old | records are read again |
//! | the commit's answer is lost | a new producer's epoch settles it | go on from what the broker says was committed |
//! | between the commit and the store's write, or in it | the store is behind by whole commits | replay the changelog from the stored position |
//! | partitions are revoked | commit, settle, save, give back | the new owner restores |
//! | the group rebalances while offsets are committed | the commit is refused | abort, a new producer, back to the committed offsets, in the group |
//! | partitions are lost, or the producer is fenced | abort, discard, settle nothing | new clients |
//! | the group did not answer for a whole session | the same, even if it takes the member for another's | new clients |
//! | the store is damaged | it is put aside | rebuild from the changelog, at most once an hour |
//! | a restored state has another digest than was committed | the changelog has lost records | stop, and say so |
//! | state and group offsets disagree after a restore | a transaction was torn | stop, and say so |
//! | a restored state has not the digest that was committed last | something is missing from the changelog | stop, and say so |
//!
//! A fault of a transaction has one repair, [`runtime::fault::Fault::Restart`]: drop both clients and all
//! tasks, make new ones, go on from the broker's answer. Only a commit that a rebalance refused is repaired
//! inside the group, [`runtime::fault::Fault::Rewind`]: a static member that leaves in the middle of a
//! cooperative rebalance leaves partitions behind that are nobody's. Both go back to the last commit, and
//! both take a new producer epoch.
//!
//! **Time is event time.** Stream time is the highest event time of a partition and part of its state. What
//! falls with time falls without an event: an index by due time finds the persons, and `react` settles them
//! in the order of due times, so that a sweep may run early, late or not at all between two events of a
//! person with the same outputs. The wall clock decides nothing and is written nowhere.
//!
//! **A replay says the same.** Decisions and segment changes derive from the command log alone: their ids
//! from the message's own id, never from offsets or clocks.
//!
//! # Floors
//!
//! Imports point downward only; `tests/house.rs` holds it.
//!
//! | floor | module | what it is |
//! | --- | --- | --- |
//! | 5 | [`cli`] | one file per command |
//! | 4 | [`service`] | the process: build, start workers, serve HTTP, drain; the only asynchronous code |
//! | 3 | [`runtime`] | workers, tasks, transactions, restores; librdkafka has its home in `runtime::kafka` |
//! | 2 | [`store`] | one partition's state; RocksDB has its home in `store::rocks` |
//! | 1 | [`config`], [`codec`] | text and bytes to domain and back |
//! | 0 | [`domain`] | pure: no I/O, no clock, cannot fail |
//!
//! # Deliberate absences
//!
//! No callbacks and no plug-ins: what an application wants to know and to do is declared, and conditions are
//! CEL. No second clock, no randomness. No state shared between threads. No repair of a transaction that
//! went wrong. No dependence on the wall clock in anything that is written.

pub mod cli;
pub mod codec;
pub mod config;
pub mod domain;
pub mod guarantees;
pub mod mutant;
pub mod runtime;
pub mod service;
pub mod shop;
pub mod store;
