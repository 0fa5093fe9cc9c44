//! What a run has counted; all of it is a function of the input, so a resumed run counts the same.

use std::sync::Arc;

use parking_lot::Mutex;
use rustc_hash::FxHashSet;
use serde::{Deserialize, Serialize};
use weir_routing::{Body, Message, Peer, Prefix};

/// What was read and written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Stats {
    /// Announced + withdrawn prefixes as read, RIB entries included.
    pub elements: u64,
    /// Announced prefixes.
    pub announcements: u64,
    /// Withdrawn prefixes.
    pub withdrawals: u64,
    /// BGP messages as read; an entry of a RIB dump is one.
    pub messages: u64,
    /// Records that went to the dead letters.
    pub dead_letters: u64,
    /// Of those, refused for a time from the future.
    pub future: u64,
    /// Elements written to `bgp-updates`, context copies not counted.
    pub elements_out: u64,
    /// Elements of context copies.
    pub copies: u64,
    /// Distinct (collector, peer) pairs; only of files and the scenario.
    pub peers: u64,
    /// Distinct prefixes; only of files and the scenario.
    pub prefixes: u64,
    /// Messages dropped because the log could not keep up; only live.
    pub dropped: u64,
    /// Connections that were made; only live.
    pub connections: u64,
    /// `Gap` controls; only live.
    pub gaps: u64,
    /// Files that broke off.
    pub broken_files: u64,
    /// First event time, microseconds.
    pub first_event_us: Option<i64>,
    /// Greatest event time, microseconds.
    pub last_event_us: Option<i64>,
    /// What a person should know.
    pub warnings: Vec<String>,
}

impl Stats {
    /// One message as it was read.
    pub(crate) fn read(&mut self, message: &Message) {
        self.messages += 1;
        if let Body::Update(update) = &message.body {
            self.announcements += update.announced.len() as u64;
            self.withdrawals += update.withdrawn.len() as u64;
            self.elements += update.elements() as u64;
        }
        let time = Some(message.event_time_us);
        self.first_event_us = match self.first_event_us {
            Some(first) => Some(first.min(message.event_time_us)),
            None => time,
        };
        self.last_event_us = self.last_event_us.max(time);
    }
}

/// Peers and prefixes that were seen; grows with the routing table, not with the input.
#[derive(Default)]
pub(crate) struct Distinct {
    peers: FxHashSet<(usize, Peer)>,
    prefixes: FxHashSet<Prefix>,
}

impl Distinct {
    pub(crate) fn saw(&mut self, collector: usize, message: &Message, stats: &mut Stats) {
        if self.peers.insert((collector, message.peer)) {
            stats.peers += 1;
        }
        if let Body::Update(update) = &message.body {
            for nlri in update.announced.iter().chain(&update.withdrawn) {
                if self.prefixes.insert(nlri.prefix) {
                    stats.prefixes += 1;
                }
            }
        }
    }
}

/// The stats of a run that goes on, for whoever looks.
#[derive(Clone, Default)]
pub(crate) struct Shown(Arc<Mutex<Stats>>);

impl Shown {
    pub(crate) fn show(&self, stats: &Stats) {
        self.0.lock().clone_from(stats);
    }

    pub(crate) fn get(&self) -> Stats {
        self.0.lock().clone()
    }
}
