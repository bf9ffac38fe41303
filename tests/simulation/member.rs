//! A group member's client, as librdkafka behaves: it joins, keeps its session alive by itself, queues what
//! the group says until it is polled for, and waits for the answer before it goes on.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bespoke::runtime::broker::{Partition, Polled};

use super::group::{Group, GroupRefusal, Identity, Protocol};

const HEARTBEAT_MS: u64 = 600;

/// A member of the group.
pub(crate) struct MemberClient {
    pub(crate) instance: String,
    identity: u64,
    generation: i32,
    state: State,
    heartbeat_ms: u64,
    events: VecDeque<Polled>,
    unanswered: usize,
    pub(crate) assigned: BTreeSet<Partition>,
    /// The next offset to be handed out.
    pub(crate) positions: BTreeMap<Partition, i64>,
    /// Where to go on with partitions that are not read now.
    pub(crate) held: BTreeMap<Partition, i64>,
    /// A partition of which one record is handed out although it is held: it had been fetched already.
    pub(crate) stray: Option<Partition>,
    /// The group has thrown the member out while the application had not answered yet. Until it has, the client
    /// keeps its old identity, which the coordinator refuses.
    thrown_out: bool,
    /// Another process has come under this name.
    pub(crate) fenced: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    New,
    Joining,
    Stable,
    /// Waits for the application's answer; then joins again or is stable.
    Answering {
        rejoin: bool,
    },
}

impl MemberClient {
    pub(crate) fn new(instance: &str) -> MemberClient {
        MemberClient {
            instance: instance.to_owned(),
            identity: 0,
            generation: -1,
            state: State::New,
            heartbeat_ms: 0,
            events: VecDeque::new(),
            unanswered: 0,
            assigned: BTreeSet::new(),
            positions: BTreeMap::new(),
            held: BTreeMap::new(),
            stray: None,
            thrown_out: false,
            fenced: false,
        }
    }

    pub(crate) fn identity(&self) -> Identity {
        Identity { instance: self.instance.clone(), identity: self.identity, generation: self.generation }
    }

    pub(crate) fn describe(&self) -> String {
        let names: Vec<String> = self.assigned.iter().map(ToString::to_string).collect();
        let held: Vec<String> = self.held.keys().map(ToString::to_string).collect();
        format!(
            "{:?} generation {} has {} holds {}",
            self.state,
            self.generation,
            names.join(" "),
            held.join(" ")
        )
    }

    pub(crate) fn is_stable(&self) -> bool {
        self.state == State::Stable
    }

    /// What the client's own thread does, while the process is not stopped and reaches the cluster.
    pub(crate) fn work(&mut self, group: &mut Group, now_ms: u64) {
        match self.state {
            State::New => {
                self.identity = group.come(&self.instance, now_ms);
                self.state = State::Joining;
            }
            State::Joining => {
                let _ = group.heartbeat(&self.identity(), now_ms);
                match group.assignment(&self.instance, self.identity) {
                    Ok(None) => {}
                    Ok(Some((generation, assignment))) => self.synced(group.protocol, generation, assignment),
                    Err(GroupRefusal::Rebalancing) => self.rejoin(group, now_ms),
                    Err(refusal) => self.refused(refusal),
                }
            }
            State::Stable | State::Answering { .. } if now_ms < self.heartbeat_ms => {}
            State::Answering { .. } => {
                self.heartbeat_ms = now_ms + HEARTBEAT_MS;
                if let Err(refusal @ (GroupRefusal::FencedInstance | GroupRefusal::UnknownMember)) =
                    group.heartbeat(&self.identity(), now_ms)
                {
                    self.refused(refusal);
                }
            }
            State::Stable => {
                self.heartbeat_ms = now_ms + HEARTBEAT_MS;
                match group.heartbeat(&self.identity(), now_ms) {
                    Ok(()) => {}
                    Err(GroupRefusal::Rebalancing) => self.join_again(group, now_ms),
                    Err(refusal) => self.refused(refusal),
                }
            }
        }
    }

    /// What the application is told next.
    pub(crate) fn event(&mut self) -> Option<Polled> {
        let event = self.events.pop_front()?;
        self.unanswered += 1;
        Some(event)
    }

    /// The application has answered.
    pub(crate) fn answered(&mut self, group: &mut Group, now_ms: u64) {
        self.unanswered = self.unanswered.saturating_sub(1);
        if let State::Answering { rejoin } = self.state
            && self.unanswered == 0
            && self.events.is_empty()
        {
            match (self.thrown_out, rejoin) {
                (true, _) => self.lose(),
                (false, true) => self.rejoin(group, now_ms),
                (false, false) => self.state = State::Stable,
            }
        }
    }

    fn join_again(&mut self, group: &mut Group, now_ms: u64) {
        if group.protocol == Protocol::Eager && !self.assigned.is_empty() {
            self.events.push_back(Polled::Revoked(self.assigned.iter().cloned().collect()));
            self.state = State::Answering { rejoin: true };
        } else {
            self.rejoin(group, now_ms);
        }
    }

    fn rejoin(&mut self, group: &mut Group, now_ms: u64) {
        match group.rejoin(&self.identity(), &self.assigned, now_ms) {
            Ok(()) => self.state = State::Joining,
            Err(refusal) => self.refused(refusal),
        }
    }

    fn synced(&mut self, protocol: Protocol, generation: i32, assignment: BTreeSet<Partition>) {
        self.generation = generation;
        let revoked: Vec<Partition> = self.assigned.difference(&assignment).cloned().collect();
        let added: Vec<Partition> = assignment.difference(&self.assigned).cloned().collect();
        let rejoin = protocol == Protocol::Cooperative && !revoked.is_empty();
        if !revoked.is_empty() {
            self.events.push_back(Polled::Revoked(revoked));
        }
        if !added.is_empty() || !rejoin {
            self.events.push_back(Polled::Assigned(added));
        }
        self.state = State::Answering { rejoin };
    }

    fn refused(&mut self, refusal: GroupRefusal) {
        if refusal == GroupRefusal::FencedInstance {
            self.fenced = true;
            return;
        }
        if self.unanswered > 0 || !self.events.is_empty() {
            self.thrown_out = true;
        } else {
            self.lose();
        }
    }

    /// Tells the application that everything is gone, or begins anew where there is nothing.
    fn lose(&mut self) {
        self.thrown_out = false;
        if self.assigned.is_empty() {
            (self.state, self.generation) = (State::New, -1);
        } else {
            self.events.push_back(Polled::Lost(std::mem::take(&mut self.assigned).into_iter().collect()));
            self.state = State::Answering { rejoin: false };
        }
    }
}
