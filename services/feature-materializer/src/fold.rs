//! The state of one task: records of one partition of `bgp-messages` in, rows out.
//!
//! Rows leave at Ticks, for sessions that changed since their last row: at most one row per
//! session and second of stream time, with the position of the Tick as version. So the rows are a
//! function of the log alone, whatever the size of batches and whenever a process died. No clock,
//! no log: only records, and the task's own redb file.

mod prefixes;
mod state;
#[cfg(test)]
mod tests;

use std::{path::Path, sync::Arc};

use prost::Message as _;
use redb::Database;
use rustc_hash::FxHashMap;
use weir_events::{
    position::{TopicEpoch, Version, WriterSeq},
    time::SECOND_US,
    topics::{self, BGP_MESSAGES},
    v1::{self, control::Kind},
};
use weir_features::{EntityKey, FeatureRow};
use weir_objects::snapshots::Encode;
use weir_routing::{Body, Message, Peer, SessionState, Update, wire};

use self::prefixes::{Owner, PrefixSet};
pub use self::state::StateError;
pub(crate) use self::state::{Standing, bring};
use crate::{
    session::{Session, window::bucket_of},
    views::bgp_session_features,
};

/// Why a record was not folded.
#[derive(Debug, thiserror::Error)]
pub enum FoldError {
    /// The record is no message that we could believe: it belongs in the dead-letter topic, and
    /// the fold goes on behind it.
    #[error("{reason}")]
    Record {
        /// What is wrong with it.
        reason: String,
    },
    /// The state failed: the task cannot go on.
    #[error(transparent)]
    State(#[from] StateError),
}

#[derive(Default)]
struct Slot {
    session: Session,
    /// Not stored yet.
    dirty: bool,
}

/// One partition's sessions.
pub(crate) struct Fold {
    database: Arc<Database>,
    partition: u32,
    standing: Standing,
    writers: FxHashMap<String, WriterSeq>,
    sessions: FxHashMap<Peer, Slot>,
    prefixes: PrefixSet,
    /// Sessions whose next row is due at the next Tick.
    changed: Vec<Peer>,
    dirty: Vec<Peer>,
    rows: Vec<FeatureRow>,
}

impl Fold {
    /// Opens the state of a partition, empty when there is none.
    pub(crate) fn open(path: &Path, partition: u32) -> Result<Self, StateError> {
        let (database, stored) = state::open(path)?;
        let mut sessions = FxHashMap::default();
        let mut changed = Vec::new();
        for (peer, session) in stored.sessions {
            let Ok(peer) = peer.parse::<Peer>() else {
                return Err(StateError::Corrupt { what: peer });
            };
            if session.changed {
                changed.push(peer);
            }
            let slot = Slot {
                session,
                dirty: false,
            };
            sessions.insert(peer, slot);
        }
        Ok(Self {
            prefixes: PrefixSet::open(&database)?,
            database,
            partition,
            standing: stored.standing.unwrap_or_default(),
            writers: stored.writers.into_iter().collect(),
            sessions,
            changed,
            dirty: Vec::new(),
            rows: Vec::new(),
        })
    }

    pub(crate) fn standing(&self) -> &Standing {
        &self.standing
    }

    /// The life of the topic that the state belongs to.
    pub(crate) fn begin(&mut self, epoch: TopicEpoch) {
        self.standing.topic_epoch = epoch.0;
    }

    pub(crate) fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// Rows that have become due.
    pub(crate) fn take_rows(&mut self) -> Vec<FeatureRow> {
        std::mem::take(&mut self.rows)
    }

    /// Folds the record at `offset`. After an error in the record itself, go on with the next.
    pub(crate) fn apply(&mut self, offset: i64, payload: &[u8]) -> Result<(), FoldError> {
        self.standing.next_offset = offset + 1;
        let folded = self.record(payload);
        if matches!(folded, Err(FoldError::Record { .. })) {
            self.standing.dead_letters += 1;
        }
        folded
    }

    fn record(&mut self, payload: &[u8]) -> Result<(), FoldError> {
        let refused = |reason: String| FoldError::Record { reason };
        let record = v1::BgpMessage::decode(payload).map_err(|error| refused(error.to_string()))?;
        if let Some(v1::bgp_message::Body::Control(v1::Control {
            kind: Some(Kind::TopicStart(_)),
        })) = &record.body
        {
            return Ok(());
        }
        let seen = WriterSeq {
            writer_epoch: record.writer_epoch,
            seq: record.seq,
        };
        let before = self.writers.get(&record.collector).copied();
        if before.is_some_and(|before| seen <= before) {
            self.standing.duplicates += 1;
            return Ok(());
        }
        match self.writers.get_mut(&record.collector) {
            Some(last) => *last = seen,
            None => {
                self.writers.insert(record.collector.clone(), seen);
            }
        }
        let (time_us, synthetic) = (record.event_time_us, record.synthetic);
        if let Some(v1::bgp_message::Body::Control(control)) = record.body {
            let kind = control
                .kind
                .ok_or_else(|| refused("a control of no kind".to_owned()))?;
            let restarted = before.is_some_and(|before| before.writer_epoch < seen.writer_epoch);
            return self.control(kind, time_us, &record.collector, synthetic, restarted);
        }
        let collector = record.collector.clone();
        let message = wire::message(record).map_err(|error| refused(error.to_string()))?;
        self.standing.messages_in += 1;
        self.message(&message, &collector, synthetic)
    }

    fn message(
        &mut self,
        message: &Message,
        collector: &str,
        synthetic: bool,
    ) -> Result<(), FoldError> {
        let time_us = message.event_time_us;
        if let Body::Update(update) = &message.body {
            return self.update(message.peer, time_us, update, collector, synthetic);
        }
        self.change(
            message.peer,
            time_us,
            collector,
            synthetic,
            |session| match &message.body {
                Body::Open(open) => session.open(time_us, open),
                Body::Notification(_) => session.down(time_us),
                Body::Keepalive => session.keepalive(time_us),
                Body::StateChange { from, to } => {
                    session.state_change(time_us, from.map(wire_state), wire_state(*to));
                }
                Body::EndOfRib | Body::Update(_) => {}
            },
        );
        Ok(())
    }

    fn update(
        &mut self,
        peer: Peer,
        time_us: i64,
        update: &Update,
        collector: &str,
        synthetic: bool,
    ) -> Result<(), FoldError> {
        let elements = update.elements() as u64;
        self.standing.elements_in += elements;
        let path = update
            .attributes
            .as_ref()
            .filter(|_| !update.announced.is_empty())
            .map(|attributes| u32::try_from(attributes.as_path.length()).unwrap_or(u32::MAX));
        let from_rib = update.from_rib;
        self.change(peer, time_us, collector, synthetic, |session| {
            if !from_rib {
                session.update(time_us, path);
            }
        });
        let Some(Slot { session, .. }) = self.sessions.get_mut(&peer) else {
            return Ok(());
        };
        let owner = Owner {
            slot: session.slot,
            generation: session.generation,
        };
        // Where one message withdraws and announces a prefix, the announcement holds.
        for nlri in &update.withdrawn {
            if self.prefixes.withdraw(owner, nlri, session.prefixes)? {
                session.prefixes -= 1;
            }
        }
        for nlri in &update.announced {
            if self.prefixes.announce(owner, nlri, session.prefixes)? {
                session.prefixes += 1;
            }
        }
        self.standing.elements_out += elements;
        Ok(())
    }

    fn control(
        &mut self,
        kind: Kind,
        time_us: i64,
        collector: &str,
        synthetic: bool,
        restarted: bool,
    ) -> Result<(), FoldError> {
        let checked = |peer: Option<v1::Peer>| {
            wire::peer(peer).map_err(|error| FoldError::Record {
                reason: error.to_string(),
            })
        };
        match kind {
            Kind::PeerUp(v1::PeerUp { peer }) => {
                let peer = checked(peer)?;
                if self.is_ours(peer) {
                    self.change(peer, time_us, collector, synthetic, |session| {
                        session.up(time_us, false);
                    });
                }
            }
            Kind::PeerDown(v1::PeerDown { peer, .. }) => {
                let peer = checked(peer)?;
                if self.is_ours(peer) {
                    self.change(peer, time_us, collector, synthetic, |session| {
                        session.down(time_us);
                    });
                }
            }
            Kind::Gap(v1::Gap { peer, .. }) => {
                let peer = peer.map(|peer| checked(Some(peer))).transpose()?;
                self.gap(time_us, collector, peer);
            }
            Kind::SourceStart(_) if restarted => self.gap(time_us, collector, None),
            Kind::Tick(_) => self.tick(time_us),
            Kind::EndOfInput(_) => self.emit(),
            Kind::TopicStart(_)
            | Kind::SourceStart(_)
            | Kind::EndOfRib(_)
            | Kind::KnowledgeChanged(_) => {}
        }
        Ok(())
    }

    /// Controls go to every partition, sessions live in one.
    fn is_ours(&self, peer: Peer) -> bool {
        topics::partition(&BGP_MESSAGES, peer.to_string().as_bytes()) == self.partition
    }

    /// Changes one session, which is made when it is new.
    fn change(
        &mut self,
        peer: Peer,
        time_us: i64,
        collector: &str,
        synthetic: bool,
        change: impl FnOnce(&mut Session),
    ) {
        let next_slot = &mut self.standing.next_slot;
        let slot = self.sessions.entry(peer).or_insert_with(|| {
            let session = Session::new(*next_slot, time_us);
            *next_slot += 1;
            Slot {
                session,
                dirty: false,
            }
        });
        let session = &mut slot.session;
        if session.collector != collector {
            collector.clone_into(&mut session.collector);
        }
        session.synthetic |= synthetic;
        let before = Owner {
            slot: session.slot,
            generation: session.generation,
        };
        change(session);
        if session.generation != before.generation {
            self.prefixes.leave(before);
        }
        if !session.changed {
            self.changed.push(peer);
        }
        session.touch(time_us);
        if !slot.dirty {
            slot.dirty = true;
            self.dirty.push(peer);
        }
    }

    fn gap(&mut self, time_us: i64, collector: &str, peer: Option<Peer>) {
        self.sweep(|of, session| {
            let concerned = session.collector == collector && peer.is_none_or(|peer| peer == of);
            (concerned && session.gap()).then_some(time_us)
        });
    }

    fn tick(&mut self, time_us: i64) {
        let before = self.standing.stream_time_us;
        if before.is_some_and(|before| time_us <= before) {
            return;
        }
        self.standing.stream_time_us = Some(time_us);
        if before.is_none_or(|before| bucket_of(before) != bucket_of(time_us)) {
            self.sweep(|_, session| session.pass(time_us).then_some(time_us));
        }
        let second = |time_us: i64| time_us.div_euclid(SECOND_US);
        if before.is_none_or(|before| second(before) != second(time_us)) {
            self.emit();
        }
    }

    /// Looks at every session; those for which `change` gives a time have something new to tell.
    fn sweep(&mut self, mut change: impl FnMut(Peer, &mut Session) -> Option<i64>) {
        for (peer, slot) in &mut self.sessions {
            if let Some(time_us) = change(*peer, &mut slot.session) {
                if !slot.session.changed {
                    self.changed.push(*peer);
                }
                slot.session.touch(time_us);
                if !slot.dirty {
                    slot.dirty = true;
                    self.dirty.push(*peer);
                }
            }
        }
    }

    fn emit(&mut self) {
        let epoch = TopicEpoch(self.standing.topic_epoch);
        let version = Version::new(epoch, self.standing.next_offset, false);
        let mut changed = std::mem::take(&mut self.changed);
        changed.sort_unstable();
        for peer in changed.drain(..) {
            let Some(slot) = self.sessions.get_mut(&peer) else {
                continue;
            };
            let entity = EntityKey::new(peer.to_string());
            self.rows
                .push(bgp_session_features::row(entity, &slot.session, version));
            slot.session.changed = false;
            if !slot.dirty {
                slot.dirty = true;
                self.dirty.push(peer);
            }
            self.standing.rows_out += 1;
        }
        self.changed = changed;
    }

    /// What writes a snapshot of everything that is stored.
    pub(crate) fn snapshot(&self) -> Result<Encode, StateError> {
        state::snapshot(&self.database)
    }

    /// Stores everything below the next offset. Every row that was taken must be in the log.
    pub(crate) fn commit(&mut self) -> Result<(), StateError> {
        let dirty = self.dirty.iter().filter_map(|peer| {
            let slot = self.sessions.get(peer)?;
            Some((peer.to_string(), &slot.session))
        });
        let writers = self.writers.iter().map(|(name, seq)| (name.as_str(), *seq));
        state::store(
            &self.database,
            &self.standing,
            writers,
            dirty,
            &mut self.prefixes,
        )?;
        self.prefixes.written(&self.database)?;
        for peer in self.dirty.drain(..) {
            if let Some(slot) = self.sessions.get_mut(&peer) {
                slot.dirty = false;
            }
        }
        Ok(())
    }
}

fn wire_state(state: SessionState) -> v1::state_change::State {
    use v1::state_change::State;
    match state {
        SessionState::Idle => State::Idle,
        SessionState::Connect => State::Connect,
        SessionState::Active => State::Active,
        SessionState::OpenSent => State::OpenSent,
        SessionState::OpenConfirm => State::OpenConfirm,
        SessionState::Established => State::Established,
    }
}
