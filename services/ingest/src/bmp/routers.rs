//! The writers of routers: one per router, a new life of each per connection (docs/detector.md 1).

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use rustc_hash::FxHashMap;
use tokio::sync::Notify;
use weir_routing::decode::bmp::{self, BmpMessage, Initiation};

use super::{
    meters::Meters,
    names::Names,
    peers::Rules,
    router::{Desk, Router},
    sockets::Word,
};
use crate::{
    config::Bmp,
    live::{self, Clock},
    run::{Context, RunError},
    writer::{DeadLetter, Outlet, Writer},
};

/// Collectors of one run, those whose routers are gone included.
const MOST_COLLECTORS: usize = 4096;
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
    router: Router,
    messages: u64,
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
                let new = Connection {
                    address,
                    close,
                    collector: None,
                    router: Router::connected(self.rules.clone(), address),
                    messages: 0,
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
                ..
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
        if let BmpMessage::Termination(told) = message {
            let texts = told.texts.join("; ");
            let reason = format!("the router ends it: {} {texts}", told.words());
            return self.close(id, reason.trim_end(), None);
        }
        let collector = connection.collector.as_deref();
        let Some(live) = collector.and_then(|name| self.writers.get_mut(name)) else {
            return Ok(());
        };
        let mut desk = Desk {
            writer: &mut live.writer,
            outlet: &mut self.outlet,
            meters: &self.meters,
            received_us,
        };
        match connection.router.hear(&message, received_us, &mut desk)? {
            Some(error) => self.dead_letter(id, bytes, &error.to_string(), received_us),
            None => Ok(()),
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
                connection.router.seed_no_more();
            }
        }
        let router = Some((address, id));
        self.writers.insert(collector, Live { writer, router });
        self.show();
        Ok(())
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
            payload: live::kept(bytes, live::MOST_PAYLOAD),
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
