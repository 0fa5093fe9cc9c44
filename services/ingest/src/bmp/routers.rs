//! The writers of routers: one per router, a new life of each per connection (docs/detector.md 1).

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use rustc_hash::{FxHashMap, FxHashSet};
use tokio::sync::Notify;
use weir_routing::{
    Message,
    decode::bmp::{self, BmpMessage, Initiation, PeerHeader},
};

use super::{
    meters::Meters,
    names::Names,
    peers::{Heard, Peers, Reason, Rules, Said},
    sockets::Word,
};
use crate::{
    clamp,
    config::Bmp,
    live::{self, Clock},
    run::{Context, RunError},
    writer::{DeadLetter, Outlet, Writer},
};

/// Collectors of one run, those whose routers are gone included.
const MOST_COLLECTORS: usize = 4096;
/// A dead letter holds no more of a message.
const MOST_PAYLOAD: usize = 64 << 10;
/// What a message of no collector is attributed to.
const UNKNOWN: &str = "bmp";

pub(super) struct Routers<'a> {
    context: &'a Context,
    names: Names,
    rules: Rules,
    outlet: Outlet,
    clock: Clock,
    meters: Meters,
    writers: BTreeMap<String, Live>,
    connections: FxHashMap<u64, Connection>,
}

/// The writer of a collector. It tells the time when its router is gone, too.
struct Live {
    writer: Writer,
    /// From where its router is connected, by which connection.
    router: Option<(IpAddr, u64)>,
}

struct Connection {
    address: IpAddr,
    close: Arc<Notify>,
    /// Known once the router has said who it is.
    collector: Option<String>,
    peers: Peers,
    messages: u64,
    /// What the log of the process has been told of it.
    told: FxHashSet<&'static str>,
}

impl<'a> Routers<'a> {
    pub(super) fn new(context: &'a Context, config: &Bmp, names: Names) -> Self {
        let dump_us = i64::try_from(config.dump_timeout_ms.saturating_mul(1000));
        Self {
            context,
            names,
            rules: Rules {
                distinguishers: config.distinguishers.clone(),
                adj_rib_out: config.adj_rib_out,
                dump_us: dump_us.unwrap_or(i64::MAX),
            },
            outlet: Outlet::new(context.publisher.clone()),
            clock: Clock::default(),
            meters: Meters::new(),
            writers: BTreeMap::new(),
            connections: FxHashMap::default(),
        }
    }

    pub(super) fn word(&mut self, word: Word) -> Result<(), RunError> {
        match word {
            Word::Connected {
                connection,
                address,
                close,
            } => {
                self.outlet.stats.connections += 1;
                let peers = Peers::new(self.rules.clone(), address);
                let new = Connection {
                    address,
                    close,
                    collector: None,
                    peers,
                    messages: 0,
                    told: FxHashSet::default(),
                };
                self.connections.insert(connection, new);
                Ok(())
            }
            Word::Message {
                connection,
                received_us,
                bytes,
                ..
            } => self.message(connection, received_us, &bytes),
            Word::Lost {
                connection,
                reason,
                garbage,
            } => self.close(connection, &reason, garbage.then_some("garbage")),
        }
    }

    fn message(&mut self, id: u64, received_us: i64, bytes: &[u8]) -> Result<(), RunError> {
        // Of a connection that is closed, what was under way is not read any more.
        let Some(connection) = self.connections.get_mut(&id) else {
            return Ok(());
        };
        connection.messages += 1;
        let message = match bmp::decode(bytes) {
            Ok(message) => message,
            Err(error) => {
                let (ends, error) = (error.ends_session(), error.to_string());
                self.dead_letter(id, bytes, &error, received_us)?;
                return if ends {
                    self.close(id, &error, Some("garbage"))
                } else {
                    Ok(())
                };
            }
        };
        self.meters.message(&message);
        if connection.collector.is_none() {
            return match message {
                BmpMessage::Initiation(told) => self.begin(id, &told),
                other => {
                    let reason = format!("its first message is {}; want initiation", other.name());
                    self.close(id, &reason, Some("garbage"))
                }
            };
        }
        match message {
            BmpMessage::PeerUp(header, up) => {
                let said = connection.peers.up(&header, &up, received_us);
                self.say_or_leave(id, &header, said, received_us)
            }
            BmpMessage::PeerDown(header, down) => {
                let said = connection.peers.down(&header, down);
                self.say_or_leave(id, &header, said, received_us)
            }
            BmpMessage::RouteMonitoring(header, raw) => {
                match connection.peers.routes(&header, &raw, received_us) {
                    Heard::Said { said, late } => {
                        if let Some(peer) = late {
                            self.meters.late.increment(1);
                            let collector = connection.collector.as_deref();
                            tracing::warn!(
                                collector,
                                %peer,
                                "the table of this peer has not ended in time: from now on its routes count as news"
                            );
                        }
                        self.say(id, &header, said, received_us)
                    }
                    Heard::NotTaken(reason) => {
                        self.leave(id, &header, reason);
                        Ok(())
                    }
                    Heard::Undecodable(error) => {
                        self.dead_letter(id, bytes, &error.to_string(), received_us)
                    }
                }
            }
            BmpMessage::Termination(told) => {
                let texts = told.texts.join("; ");
                let reason = format!("the router ends it: {} {texts}", told.words());
                self.close(id, reason.trim_end(), None)
            }
            // They are counted.
            BmpMessage::Initiation(_)
            | BmpMessage::Statistics(..)
            | BmpMessage::RouteMirroring(..)
            | BmpMessage::Unknown { .. } => Ok(()),
        }
    }

    /// A router says who it is: its writer begins.
    fn begin(&mut self, id: u64, told: &Initiation) -> Result<(), RunError> {
        let Some(connection) = self.connections.get(&id) else {
            return Ok(());
        };
        let address = connection.address;
        let collector = self.names.of(address, told.name.as_deref());
        match self.writers.get(&collector).map(|live| live.router) {
            Some(Some((theirs, _))) if theirs != address => {
                let reason = format!(
                    "collector {collector} is the router at {theirs}, which is connected: give each \
                     a name with routers of [ingest.source]"
                );
                return self.close(id, &reason, Some("name-taken"));
            }
            Some(Some((_, other))) => self.close(other, "connected again", None)?,
            Some(None) => {}
            None if self.writers.len() >= MOST_COLLECTORS => {
                let reason = format!("there are {MOST_COLLECTORS} collectors already");
                return self.close(id, &reason, Some("full"));
            }
            None => {}
        }
        let writer = live::begin(self.context, &mut self.outlet, &collector)?;
        let description = told.description.as_deref();
        tracing::info!(collector, %address, description, "a router is connected");
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.collector = Some(collector.clone());
            if !writer.is_in_its_first_life() {
                connection.peers.seed_no_more();
            }
        }
        let router = Some((address, id));
        self.writers.insert(collector, Live { writer, router });
        self.show();
        Ok(())
    }

    fn say_or_leave(
        &mut self,
        id: u64,
        header: &PeerHeader,
        said: Result<Said, Reason>,
        received_us: i64,
    ) -> Result<(), RunError> {
        match said {
            Ok(said) => self.say(id, header, said, received_us),
            Err(reason) => {
                self.leave(id, header, reason);
                Ok(())
            }
        }
    }

    fn say(
        &mut self,
        id: u64,
        header: &PeerHeader,
        said: Said,
        received_us: i64,
    ) -> Result<(), RunError> {
        let Some(connection) = self.connections.get_mut(&id) else {
            return Ok(());
        };
        let collector = connection.collector.as_deref().unwrap_or(UNKNOWN);
        let Some(live) = self.writers.get_mut(collector) else {
            return Ok(());
        };
        let told = header.time_us.unwrap_or(received_us);
        let mut event_time_us = told;
        if !clamp::live_admits(told, received_us) {
            event_time_us = received_us;
            self.meters.ahead.increment(1);
            if connection.told.insert("clock") {
                tracing::warn!(
                    collector,
                    ahead_s = (told - received_us) / 1_000_000,
                    "the clock of this router is ahead: its messages get the time of their receipt"
                );
            }
        }
        for (peer, body) in said {
            let message = Message {
                event_time_us,
                peer,
                body,
            };
            live.writer
                .message(&mut self.outlet, &message, received_us)?;
        }
        Ok(())
    }

    /// Counts a message of a peer that is not taken; each reason is named once per connection.
    fn leave(&mut self, id: u64, header: &PeerHeader, reason: Reason) {
        self.meters.left(reason);
        if let Some(connection) = self.connections.get_mut(&id)
            && connection.told.insert(reason.name())
        {
            tracing::info!(
                collector = connection.collector.as_deref(),
                peer = %header,
                view = header.view.name(),
                reason = reason.name(),
                "messages like this one are not taken"
            );
        }
    }

    fn dead_letter(
        &mut self,
        id: u64,
        bytes: &[u8],
        error: &str,
        received_us: i64,
    ) -> Result<(), RunError> {
        let connection = self.connections.get(&id);
        let collector = connection.and_then(|connection| connection.collector.as_deref());
        let letter = DeadLetter {
            class: "undecodable",
            error,
            payload: bytes.get(..bytes.len().min(MOST_PAYLOAD)).unwrap_or(bytes),
            origin: collector.unwrap_or(UNKNOWN),
            record: connection.map_or(0, |connection| connection.messages),
        };
        match collector.and_then(|name| self.writers.get_mut(name)) {
            Some(live) => live
                .writer
                .dead_letter(&mut self.outlet, &letter, received_us)?,
            // A router that has not said who it is must not make a collector.
            None => Writer::new(UNKNOWN, 0, false).dead_letter(
                &mut self.outlet,
                &letter,
                received_us,
            )?,
        }
        Ok(())
    }

    /// A connection is over, or is to be: `refused` says what was wrong with it.
    fn close(
        &mut self,
        id: u64,
        reason: &str,
        refused: Option<&'static str>,
    ) -> Result<(), RunError> {
        let Some(connection) = self.connections.remove(&id) else {
            return Ok(());
        };
        connection.close.notify_one();
        if let Some(kind) = refused {
            metrics::counter!("weir_bmp_refused_total", "reason" => kind).increment(1);
        }
        let (address, messages) = (connection.address, connection.messages);
        let collector = connection.collector.as_deref();
        tracing::warn!(collector, %address, messages, reason, "connection of a router is over");
        self.meters.lost.increment(1);
        if let Some(live) = collector.and_then(|name| self.writers.get_mut(name)) {
            live.router = None;
            live::gap(&mut live.writer, &mut self.outlet, 0, reason)?;
        }
        self.show();
        Ok(())
    }

    fn show(&self) {
        let connected = self.writers.values().filter(|live| live.router.is_some());
        self.meters.routers(connected.count());
    }

    /// Each second of the clock, in silence too.
    pub(super) fn tick(&mut self) -> Result<(), RunError> {
        let writers = self.writers.values_mut().map(|live| &mut live.writer);
        self.clock.tick(self.context, &mut self.outlet, writers)
    }

    /// Waits until everything is in the log.
    pub(super) fn flush(&mut self) -> Result<(), RunError> {
        live::flush(self.context, &mut self.outlet)
    }
}
