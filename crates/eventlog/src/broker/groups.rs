//! Classic consumer groups: join, sync, heartbeat, leave, static members (KIP-345).
//!
//! A group waits in `Joining` until every known member has asked to join or the rebalance time is
//! over, then in `Syncing` until the leader has sent the assignment. Timers are one clock task that
//! calls [`Groups::expire`].

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::error_code as code;

/// Waits for members that start at the same moment.
const FIRST_JOIN: Duration = Duration::from_millis(50);
const GROUP_LIMIT: usize = 1_000;
const MEMBER_LIMIT: usize = 1_000;
const SESSION_MS: (i32, i32) = (100, 1_800_000);

/// Where a group stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Empty,
    Joining,
    Syncing,
    Stable,
}

impl State {
    /// The name that Kafka gives it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Joining => "PreparingRebalance",
            Self::Syncing => "CompletingRebalance",
            Self::Stable => "Stable",
        }
    }
}

/// A request to join.
#[derive(Clone, Debug)]
pub(crate) struct Join {
    pub(crate) member: String,
    pub(crate) instance: Option<String>,
    pub(crate) client: String,
    pub(crate) host: String,
    pub(crate) session_ms: i32,
    pub(crate) rebalance_ms: i32,
    pub(crate) protocol_type: String,
    pub(crate) protocols: Vec<(String, Vec<u8>)>,
    /// The client understands that it must come again with the id it is given (KIP-394).
    pub(crate) comes_twice: bool,
}

/// The answer to a join.
#[derive(Clone, Debug, Default)]
pub(crate) struct Joined {
    pub(crate) error: i16,
    pub(crate) generation: i32,
    pub(crate) protocol: String,
    pub(crate) leader: String,
    pub(crate) member: String,
    /// (member, instance, metadata), for the leader only.
    pub(crate) members: Vec<(String, Option<String>, Vec<u8>)>,
}

impl Joined {
    pub(crate) fn failed(error: i16, member: &str) -> Self {
        Self {
            error,
            generation: -1,
            member: member.to_owned(),
            ..Self::default()
        }
    }
}

/// The answer to a sync: an error code, and the member's assignment.
pub(crate) type Synced = (i16, Vec<u8>);

/// An answer that is ready, or that comes when the group has moved on.
#[derive(Debug)]
pub(crate) enum Answer<T> {
    Now(T),
    Later(oneshot::Receiver<T>),
}

#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) instance: Option<String>,
    pub(crate) client: String,
    pub(crate) host: String,
    pub(crate) assignment: Vec<u8>,
    pub(crate) protocols: Vec<(String, Vec<u8>)>,
    session: Duration,
    rebalance: Duration,
    seen: Instant,
    joining: Option<oneshot::Sender<Joined>>,
    syncing: Option<oneshot::Sender<Synced>>,
}

impl Member {
    pub(crate) fn metadata(&self, protocol: &str) -> Vec<u8> {
        let found = self.protocols.iter().find(|(name, _)| name == protocol);
        found.map(|(_, bytes)| bytes.clone()).unwrap_or_default()
    }

    fn waits(&self) -> bool {
        self.joining.as_ref().is_some_and(|join| !join.is_closed())
    }
}

#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) state: State,
    pub(crate) generation: i32,
    pub(crate) protocol_type: String,
    pub(crate) protocol: String,
    pub(crate) leader: String,
    pub(crate) members: BTreeMap<String, Member>,
    pending: HashMap<String, Instant>,
    /// While joining: not before, and not after.
    join_from: Instant,
    join_until: Instant,
}

impl Group {
    fn new() -> Self {
        let now = Instant::now();
        Self {
            state: State::Empty,
            generation: 0,
            protocol_type: String::new(),
            protocol: String::new(),
            leader: String::new(),
            members: BTreeMap::new(),
            pending: HashMap::new(),
            join_from: now,
            join_until: now,
        }
    }

    fn id_of_instance(&self, instance: &str) -> Option<String> {
        let holds = |(_, member): &(&String, &Member)| member.instance.as_deref() == Some(instance);
        self.members.iter().find(holds).map(|(id, _)| id.clone())
    }

    /// Checks who speaks: 0, UNKNOWN_MEMBER_ID or FENCED_INSTANCE_ID.
    fn check(&self, member: &str, instance: Option<&str>) -> i16 {
        if let Some(instance) = instance {
            match self.id_of_instance(instance) {
                Some(holder) if holder != member => return code::FENCED_INSTANCE_ID,
                Some(_) => {}
                None => return code::UNKNOWN_MEMBER_ID,
            }
        }
        if self.members.contains_key(member) {
            code::NONE
        } else {
            code::UNKNOWN_MEMBER_ID
        }
    }

    fn join(&mut self, join: Join) -> Answer<Joined> {
        let refuse = |error| Answer::Now(Joined::failed(error, &join.member));
        if !(SESSION_MS.0..=SESSION_MS.1).contains(&join.session_ms) {
            return refuse(code::INVALID_SESSION_TIMEOUT);
        }
        let speaks = |name: &str, member: &Member| member.protocols.iter().any(|(p, _)| p == name);
        let shared = |(name, _): &(String, Vec<u8>)| {
            self.members.values().all(|member| speaks(name, member))
        };
        let alone = self.members.is_empty();
        let mismatch = !alone && self.protocol_type != join.protocol_type;
        if join.protocols.is_empty() || mismatch || !join.protocols.iter().any(shared) {
            return refuse(code::INCONSISTENT_GROUP_PROTOCOL);
        }
        if self.members.len() + self.pending.len() >= MEMBER_LIMIT {
            return refuse(code::GROUP_MAX_SIZE_REACHED);
        }
        let static_holder = join
            .instance
            .as_deref()
            .and_then(|instance| self.id_of_instance(instance));
        let id = if join.member.is_empty() {
            let id = format!("{}-{}", join.client, Uuid::from_bytes(rand::random()));
            match &static_holder {
                Some(old) => return self.replace_static(old, id, join),
                None if join.instance.is_none() && join.comes_twice => {
                    self.pending.insert(id.clone(), Instant::now());
                    return Answer::Now(Joined::failed(code::MEMBER_ID_REQUIRED, &id));
                }
                None => id,
            }
        } else if let Some(holder) = static_holder {
            if holder != join.member {
                return refuse(code::FENCED_INSTANCE_ID);
            }
            join.member.clone()
        } else if self.pending.remove(&join.member).is_some()
            || self.members.contains_key(&join.member)
        {
            join.member.clone()
        } else {
            return refuse(code::UNKNOWN_MEMBER_ID);
        };
        let unchanged = self
            .members
            .get(&id)
            .is_some_and(|member| member.protocols == join.protocols);
        // A member that asks again without news, and is not the leader, learns where things stand.
        if self.state == State::Stable && unchanged && id != self.leader {
            if let Some(member) = self.members.get_mut(&id) {
                member.seen = Instant::now();
            }
            return Answer::Now(self.joined(&id));
        }
        if self.state == State::Syncing && unchanged {
            return Answer::Now(self.joined(&id));
        }
        let receiver = self.enter(id, join);
        self.prepare();
        self.try_complete(Instant::now());
        Answer::Later(receiver)
    }

    fn enter(&mut self, id: String, join: Join) -> oneshot::Receiver<Joined> {
        let (sender, receiver) = oneshot::channel();
        if self.members.is_empty() {
            self.protocol_type = join.protocol_type;
        }
        let ms = |value: i32| Duration::from_millis(u64::try_from(value).unwrap_or(0));
        let old = self.members.remove(&id);
        let member = Member {
            instance: join.instance,
            client: join.client,
            host: join.host,
            assignment: old.map(|old| old.assignment).unwrap_or_default(),
            protocols: join.protocols,
            session: ms(join.session_ms),
            rebalance: ms(join.rebalance_ms).min(Duration::from_secs(1_800)),
            seen: Instant::now(),
            joining: Some(sender),
            syncing: None,
        };
        self.members.insert(id, member);
        receiver
    }

    /// A static member came back under a new id: the old one is fenced; when it still speaks the
    /// same, the assignment stays and nobody else notices.
    fn replace_static(&mut self, old: &str, id: String, join: Join) -> Answer<Joined> {
        let Some(mut member) = self.members.remove(old) else {
            return Answer::Now(Joined::failed(code::UNKNOWN_MEMBER_ID, old));
        };
        if let Some(waiting) = member.joining.take() {
            let _ = waiting.send(Joined::failed(code::FENCED_INSTANCE_ID, old));
        }
        if let Some(waiting) = member.syncing.take() {
            let _ = waiting.send((code::FENCED_INSTANCE_ID, Vec::new()));
        }
        let same = member.metadata(&self.protocol)
            == join
                .protocols
                .iter()
                .find(|(name, _)| *name == self.protocol)
                .map(|(_, bytes)| bytes.clone())
                .unwrap_or_default();
        let led = self.leader == old;
        if self.state == State::Stable && same {
            member.protocols = join.protocols;
            member.seen = Instant::now();
            self.members.insert(id.clone(), member);
            let mut joined = self.joined(&id);
            if led {
                // It is told the old leader's name, so that it takes the assignment that stands.
                self.leader.clone_from(&id);
                joined.members.clear();
            }
            return Answer::Now(joined);
        }
        if led {
            self.leader.clone_from(&id);
        }
        self.members.insert(id.clone(), member);
        let receiver = self.enter(id, join);
        self.prepare();
        self.try_complete(Instant::now());
        Answer::Later(receiver)
    }

    fn joined(&self, id: &str) -> Joined {
        let members = if id == self.leader {
            let row = |(id, member): (&String, &Member)| {
                let metadata = member.metadata(&self.protocol);
                (id.clone(), member.instance.clone(), metadata)
            };
            self.members.iter().map(row).collect()
        } else {
            Vec::new()
        };
        Joined {
            error: code::NONE,
            generation: self.generation,
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            member: id.to_owned(),
            members,
        }
    }

    /// Starts a rebalance, unless one is under way.
    fn prepare(&mut self) {
        if self.state == State::Joining {
            return;
        }
        for member in self.members.values_mut() {
            if let Some(waiting) = member.syncing.take() {
                let _ = waiting.send((code::REBALANCE_IN_PROGRESS, Vec::new()));
            }
        }
        let now = Instant::now();
        let longest = self.members.values().map(|member| member.rebalance).max();
        self.join_from = match self.state {
            State::Empty => now + FIRST_JOIN,
            _ => now,
        };
        self.join_until = now + longest.unwrap_or_default();
        self.state = State::Joining;
    }

    /// Ends the joining when all are here or the time is over.
    fn try_complete(&mut self, now: Instant) {
        if self.state != State::Joining || now < self.join_from {
            return;
        }
        let all = self.members.values().all(Member::waits);
        if !all && now < self.join_until {
            return;
        }
        self.members
            .retain(|_, member| member.waits() || member.instance.is_some());
        self.generation = self.generation.wrapping_add(1).max(1);
        if self.members.is_empty() {
            self.become_empty();
            return;
        }
        self.protocol = self.choose_protocol();
        if !self.members.contains_key(&self.leader) {
            let waiting = self.members.iter().find(|(_, member)| member.waits());
            let leader = waiting.or(self.members.iter().next());
            self.leader = leader.map(|(id, _)| id.clone()).unwrap_or_default();
        }
        self.state = State::Syncing;
        let ids: Vec<_> = self.members.keys().cloned().collect();
        for id in ids {
            let joined = self.joined(&id);
            if let Some(member) = self.members.get_mut(&id) {
                member.seen = now;
                member.assignment.clear();
                if let Some(waiting) = member.joining.take() {
                    let _ = waiting.send(joined);
                }
            }
        }
    }

    /// The first that the most members put first, of those that all speak.
    fn choose_protocol(&self) -> String {
        let common = |name: &String| {
            let speaks = |member: &Member| member.protocols.iter().any(|(each, _)| each == name);
            self.members.values().all(speaks)
        };
        let mut votes: BTreeMap<&String, usize> = BTreeMap::new();
        for member in self.members.values() {
            let choice = member
                .protocols
                .iter()
                .map(|(name, _)| name)
                .find(|name| common(name));
            if let Some(choice) = choice {
                *votes.entry(choice).or_default() += 1;
            }
        }
        let winner = votes.into_iter().max_by_key(|(_, count)| *count);
        winner.map(|(name, _)| name.clone()).unwrap_or_default()
    }

    fn become_empty(&mut self) {
        self.state = State::Empty;
        self.protocol.clear();
        self.leader.clear();
    }

    fn sync(&mut self, member: &str, assignments: Vec<(String, Vec<u8>)>) -> Answer<Synced> {
        let is_leader = self.leader == member;
        match self.state {
            State::Stable => {}
            State::Syncing if is_leader => {
                for (id, assignment) in assignments {
                    if let Some(member) = self.members.get_mut(&id) {
                        member.assignment = assignment;
                    }
                }
                self.state = State::Stable;
                let now = Instant::now();
                for member in self.members.values_mut() {
                    member.seen = now;
                    if let Some(waiting) = member.syncing.take() {
                        let _ = waiting.send((code::NONE, member.assignment.clone()));
                    }
                }
            }
            State::Syncing => {
                let (sender, receiver) = oneshot::channel();
                if let Some(member) = self.members.get_mut(member) {
                    member.seen = Instant::now();
                    member.syncing = Some(sender);
                }
                return Answer::Later(receiver);
            }
            State::Joining => return Answer::Now((code::REBALANCE_IN_PROGRESS, Vec::new())),
            State::Empty => return Answer::Now((code::UNKNOWN_MEMBER_ID, Vec::new())),
        }
        let assignment = self.members.get(member).map(|each| each.assignment.clone());
        Answer::Now((code::NONE, assignment.unwrap_or_default()))
    }

    fn remove(&mut self, member: &str) {
        self.members.remove(member);
        if self.members.is_empty() && self.state != State::Joining {
            self.generation = self.generation.wrapping_add(1).max(1);
            self.become_empty();
            return;
        }
        self.prepare();
        self.try_complete(Instant::now());
    }

    fn expire(&mut self, now: Instant) {
        self.pending
            .retain(|_, since| now.duration_since(*since) < Duration::from_secs(30));
        let late: Vec<_> = self
            .members
            .iter()
            .filter(|(_, member)| {
                !member.waits() && now.duration_since(member.seen) > member.session
            })
            .map(|(id, _)| id.clone())
            .collect();
        for id in late {
            tracing::info!(member = %id, "a group member is silent for longer than its session timeout");
            self.remove(&id);
        }
        self.try_complete(now);
    }
}

/// All groups with members, now or before.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    by_id: Mutex<BTreeMap<String, Arc<Mutex<Group>>>>,
}

impl Groups {
    pub(crate) fn get(&self, group: &str) -> Option<Arc<Mutex<Group>>> {
        self.by_id.lock().get(group).cloned()
    }

    pub(crate) fn all(&self) -> Vec<(String, Arc<Mutex<Group>>)> {
        let groups = self.by_id.lock();
        let row = |(id, group): (&String, &Arc<Mutex<Group>>)| (id.clone(), Arc::clone(group));
        groups.iter().map(row).collect()
    }

    pub(crate) fn join(&self, group: &str, join: Join) -> Answer<Joined> {
        let known = {
            let mut groups = self.by_id.lock();
            if !groups.contains_key(group) && groups.len() >= GROUP_LIMIT {
                return Answer::Now(Joined::failed(code::GROUP_MAX_SIZE_REACHED, &join.member));
            }
            let known = groups
                .entry(group.to_owned())
                .or_insert_with(|| Arc::new(Mutex::new(Group::new())));
            Arc::clone(known)
        };
        known.lock().join(join)
    }

    pub(crate) fn sync(
        &self,
        group: &str,
        member: &str,
        instance: Option<&str>,
        generation: i32,
        assignments: Vec<(String, Vec<u8>)>,
    ) -> Answer<Synced> {
        let Some(group) = self.get(group) else {
            return Answer::Now((code::UNKNOWN_MEMBER_ID, Vec::new()));
        };
        let mut group = group.lock();
        let error = match group.check(member, instance) {
            code::NONE if generation != group.generation => code::ILLEGAL_GENERATION,
            error => error,
        };
        if error != code::NONE {
            return Answer::Now((error, Vec::new()));
        }
        group.sync(member, assignments)
    }

    pub(crate) fn heartbeat(
        &self,
        group: &str,
        member: &str,
        instance: Option<&str>,
        generation: i32,
    ) -> i16 {
        let Some(group) = self.get(group) else {
            return code::UNKNOWN_MEMBER_ID;
        };
        let mut group = group.lock();
        let error = group.check(member, instance);
        if error != code::NONE {
            return error;
        }
        if generation != group.generation {
            return code::ILLEGAL_GENERATION;
        }
        if let Some(member) = group.members.get_mut(member) {
            member.seen = Instant::now();
        }
        match group.state {
            State::Joining => code::REBALANCE_IN_PROGRESS,
            _ => code::NONE,
        }
    }

    pub(crate) fn leave(&self, group: &str, member: &str, instance: Option<&str>) -> i16 {
        let Some(group) = self.get(group) else {
            return code::UNKNOWN_MEMBER_ID;
        };
        let mut group = group.lock();
        let member = match instance {
            // An administrator may name the instance alone.
            Some(instance) if member.is_empty() => group.id_of_instance(instance),
            _ => Some(member.to_owned()),
        };
        let Some(member) = member else {
            return code::UNKNOWN_MEMBER_ID;
        };
        if group.pending.remove(&member).is_some() {
            return code::NONE;
        }
        let error = group.check(&member, instance);
        if error == code::NONE {
            group.remove(&member);
        }
        error
    }

    /// May this member commit? A generation below 0 is a client outside of the group protocol.
    pub(crate) fn may_commit(
        &self,
        group: &str,
        member: &str,
        instance: Option<&str>,
        generation: i32,
    ) -> i16 {
        let Some(group) = self.get(group) else {
            return if generation < 0 {
                code::NONE
            } else {
                code::ILLEGAL_GENERATION
            };
        };
        let mut group = group.lock();
        if generation < 0 && group.state == State::Empty {
            return code::NONE;
        }
        let error = group.check(member, instance);
        if error != code::NONE {
            return error;
        }
        if generation != group.generation {
            return code::ILLEGAL_GENERATION;
        }
        if let Some(member) = group.members.get_mut(member) {
            member.seen = Instant::now();
        }
        match group.state {
            State::Syncing => code::REBALANCE_IN_PROGRESS,
            _ => code::NONE,
        }
    }

    /// Forgets a group without members; `None` when it is not known here.
    pub(crate) fn delete(&self, group: &str) -> Option<i16> {
        let mut groups = self.by_id.lock();
        let state = groups.get(group)?.lock().state;
        if state != State::Empty {
            return Some(code::NON_EMPTY_GROUP);
        }
        groups.remove(group);
        Some(code::NONE)
    }

    pub(crate) fn expire(&self) {
        let now = Instant::now();
        for (_, group) in self.all() {
            group.lock().expire(now);
        }
    }
}
