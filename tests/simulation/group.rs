//! The group coordinator with static members, as the classic protocol has it: generations, two ways of
//! spreading partitions, sessions, and offsets that belong to a transaction until its marker comes.

use std::collections::{BTreeMap, BTreeSet};

use bespoke::runtime::broker::Partition;

use super::log::Producer;

/// How long a member may be silent.
pub(crate) const SESSION_MS: u64 = 6_000;

/// How partitions change hands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// All give everything back, then all are given anew.
    Eager,
    /// Only what moves is given back, and given away in a second round.
    Cooperative,
}

/// The one group.
pub(crate) struct Group {
    pub(crate) protocol: Protocol,
    partitions: Vec<Partition>,
    generation: i32,
    preparing: bool,
    members: BTreeMap<String, Member>,
    identities: u64,
    committed: BTreeMap<Partition, i64>,
    /// Offsets of open transactions, with the epoch that sent them.
    pending: BTreeMap<u64, (i16, BTreeMap<Partition, i64>)>,
    /// The newest epoch of each producer that is known here.
    epochs: BTreeMap<u64, i16>,
}

struct Member {
    identity: u64,
    heard_ms: u64,
    joined: bool,
    owned: BTreeSet<Partition>,
    assignment: BTreeSet<Partition>,
}

/// Who a member is, for the checks of KIP-447.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) instance: String,
    pub(crate) identity: u64,
    pub(crate) generation: i32,
}

/// Why the group refuses a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GroupRefusal {
    /// Somebody else has come under this instance's name.
    FencedInstance,
    UnknownMember,
    IllegalGeneration,
    /// A heartbeat is told to join again.
    Rebalancing,
    /// The producer has been fenced.
    FencedProducer,
    /// The group's offsets are no part of the producer's open transaction.
    InvalidState,
}

impl Group {
    pub(crate) fn new(protocol: Protocol, partitions: Vec<Partition>) -> Group {
        Group {
            protocol,
            partitions,
            generation: 0,
            preparing: false,
            members: BTreeMap::new(),
            identities: 0,
            committed: BTreeMap::new(),
            pending: BTreeMap::new(),
            epochs: BTreeMap::new(),
        }
    }

    /// JoinGroup of somebody who comes new, perhaps under a name that is known. Answers the identity.
    pub(crate) fn come(&mut self, instance: &str, now_ms: u64) -> u64 {
        self.identities += 1;
        let identity = self.identities;
        match self.members.get_mut(instance) {
            Some(member) => {
                // A static member that comes back is no reason to rebalance.
                (member.identity, member.heard_ms) = (identity, now_ms);
                if self.preparing {
                    (member.joined, member.owned) = (true, BTreeSet::new());
                }
            }
            None => {
                let (owned, assignment) = (BTreeSet::new(), BTreeSet::new());
                let member = Member { identity, heard_ms: now_ms, joined: true, owned, assignment };
                self.members.insert(instance.to_owned(), member);
                self.prepare();
                if let Some(member) = self.members.get_mut(instance) {
                    member.joined = true;
                }
            }
        }
        identity
    }

    /// JoinGroup of a member, with what it owns.
    pub(crate) fn rejoin(
        &mut self,
        who: &Identity,
        owned: &BTreeSet<Partition>,
        now_ms: u64,
    ) -> Result<(), GroupRefusal> {
        self.known(who)?;
        if !self.preparing {
            self.prepare();
        }
        if let Some(member) = self.members.get_mut(&who.instance) {
            (member.joined, member.heard_ms) = (true, now_ms);
            member.owned.clone_from(owned);
        }
        Ok(())
    }

    /// SyncGroup: the generation and the assignment, when the round is over.
    pub(crate) fn assignment(
        &self,
        instance: &str,
        identity: u64,
    ) -> Result<Option<(i32, BTreeSet<Partition>)>, GroupRefusal> {
        let member = self.members.get(instance).ok_or(GroupRefusal::UnknownMember)?;
        if member.identity != identity {
            return Err(GroupRefusal::FencedInstance);
        }
        if self.preparing && !member.joined {
            // The round that it waited for was overtaken by another.
            return Err(GroupRefusal::Rebalancing);
        }
        Ok((!self.preparing).then(|| (self.generation, member.assignment.clone())))
    }

    pub(crate) fn heartbeat(&mut self, who: &Identity, now_ms: u64) -> Result<(), GroupRefusal> {
        self.known(who)?;
        if let Some(member) = self.members.get_mut(&who.instance) {
            member.heard_ms = now_ms;
        }
        if self.preparing {
            return Err(GroupRefusal::Rebalancing);
        }
        if who.generation != self.generation { Err(GroupRefusal::IllegalGeneration) } else { Ok(()) }
    }

    /// A member leaves for good.
    pub(crate) fn leave(&mut self, instance: &str) {
        if self.members.remove(instance).is_some() {
            self.prepare();
        }
    }

    /// Ends sessions and rounds.
    pub(crate) fn pass_time(&mut self, now_ms: u64) {
        let silent = |member: &Member| now_ms.saturating_sub(member.heard_ms) > SESSION_MS;
        let before = self.members.len();
        self.members.retain(|_, member| !silent(member));
        if self.members.len() < before && !self.members.is_empty() {
            self.prepare();
        }
        if self.preparing && self.members.values().all(|member| member.joined) {
            self.assign();
        }
    }

    /// All members get new sessions, as after a restart of the coordinator.
    pub(crate) fn forget_silence(&mut self, now_ms: u64) {
        self.members.values_mut().for_each(|member| member.heard_ms = now_ms);
    }

    /// TxnOffsetCommit.
    pub(crate) fn add_offsets(
        &mut self,
        producer: Producer,
        who: &Identity,
        offsets: &[(Partition, i64)],
    ) -> Result<(), GroupRefusal> {
        let (id, epoch) = producer;
        if self.epochs.get(&id).is_some_and(|known| epoch < *known) {
            return Err(GroupRefusal::FencedProducer);
        }
        self.epochs.insert(id, epoch);
        self.known(who)?;
        if who.generation != self.generation {
            return Err(GroupRefusal::IllegalGeneration);
        }
        let (sent_by, pending) = self.pending.entry(id).or_insert((epoch, BTreeMap::new()));
        *sent_by = epoch;
        pending.extend(offsets.iter().cloned());
        Ok(())
    }

    /// The marker of a transaction.
    pub(crate) fn end_transaction(&mut self, producer: Producer, commit: bool) {
        let (id, epoch) = producer;
        let known = self.epochs.entry(id).or_insert(epoch);
        *known = (*known).max(epoch);
        if let Some((_, offsets)) = self.pending.remove(&id)
            && commit
        {
            self.committed.extend(offsets);
        }
    }

    /// The committed offset of a partition; nothing while a transaction has one pending.
    pub(crate) fn stable_offset(&self, partition: &Partition) -> Result<Option<i64>, ()> {
        let pending = self.pending.values().any(|(_, offsets)| offsets.contains_key(partition));
        if pending { Err(()) } else { Ok(self.committed.get(partition).copied()) }
    }

    pub(crate) fn committed(&self) -> &BTreeMap<Partition, i64> {
        &self.committed
    }

    fn known(&self, who: &Identity) -> Result<(), GroupRefusal> {
        match self.members.get(&who.instance) {
            None => Err(GroupRefusal::UnknownMember),
            Some(member) if member.identity != who.identity => Err(GroupRefusal::FencedInstance),
            Some(_) => Ok(()),
        }
    }

    fn prepare(&mut self) {
        if !self.preparing {
            self.preparing = true;
            self.members.values_mut().for_each(|member| member.joined = false);
        }
    }

    fn assign(&mut self) {
        self.preparing = false;
        self.generation += 1;
        let names: Vec<String> = self.members.keys().cloned().collect();
        let wanted = match self.protocol {
            Protocol::Eager => self.spread_by_range(&names),
            Protocol::Cooperative => self.spread_by_stickiness(&names),
        };
        let owners: BTreeMap<Partition, String> = self
            .members
            .iter()
            .flat_map(|(name, member)| member.owned.iter().map(|partition| (partition.clone(), name.clone())))
            .collect();
        let cooperative = self.protocol == Protocol::Cooperative;
        for (name, member) in &mut self.members {
            let mine = wanted.iter().filter(|(partition, owner)| {
                let free = owners.get(*partition).is_none_or(|present| present == name);
                *owner == name && (free || !cooperative)
            });
            member.assignment = mine.map(|(partition, _)| partition.clone()).collect();
        }
    }

    /// Topic by topic, each gets its share of neighbours; the first ones get what is left over.
    fn spread_by_range(&self, names: &[String]) -> BTreeMap<Partition, String> {
        let mut topics: BTreeMap<&str, Vec<&Partition>> = BTreeMap::new();
        for partition in &self.partitions {
            topics.entry(&partition.topic).or_default().push(partition);
        }
        let mut wanted = BTreeMap::new();
        for partitions in topics.values() {
            let (share, left_over) =
                (partitions.len() / names.len().max(1), partitions.len() % names.len().max(1));
            let mut rest = partitions.iter();
            for (at, name) in names.iter().enumerate() {
                let count = share + usize::from(at < left_over);
                wanted
                    .extend(rest.by_ref().take(count).map(|partition| ((*partition).clone(), name.clone())));
            }
        }
        wanted
    }

    /// Each keeps what it owns, what is nobody's goes to whoever has least, and then the first partitions of
    /// whoever has most move until nobody has two more than another.
    fn spread_by_stickiness(&self, names: &[String]) -> BTreeMap<Partition, String> {
        let mut wanted: BTreeMap<Partition, String> = BTreeMap::new();
        for (name, member) in &self.members {
            for partition in &member.owned {
                wanted.entry(partition.clone()).or_insert_with(|| name.clone());
            }
        }
        let count = |wanted: &BTreeMap<Partition, String>, name: &String| {
            wanted.values().filter(|owner| *owner == name).count()
        };
        for partition in &self.partitions {
            let least = names.iter().min_by_key(|name| count(&wanted, name));
            if let (false, Some(least)) = (wanted.contains_key(partition), least) {
                wanted.insert(partition.clone(), least.clone());
            }
        }
        let partitions: Vec<Partition> = wanted.keys().cloned().collect();
        for partition in partitions {
            let has = count(&wanted, &wanted[&partition]);
            let least = names.iter().min_by_key(|name| count(&wanted, name));
            if let Some(least) = least.filter(|least| has > count(&wanted, least) + 1) {
                wanted.insert(partition, least.clone());
            }
        }
        wanted
    }
}
