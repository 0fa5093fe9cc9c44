//! One router: what its messages become, whichever way they come here.

use std::net::IpAddr;

use rustc_hash::FxHashSet;
use weir_routing::{
    Message, Peer,
    decode::bmp::{BmpError, BmpMessage, PeerHeader},
};

use super::{
    meters::Meters,
    peers::{Heard, Peers, Reason, Rules, Said},
};
use crate::{
    clamp,
    run::RunError,
    writer::{Outlet, Writer},
};

/// A router and its peers.
pub(crate) struct Router {
    peers: Peers,
    /// What the log of the process has been told of it.
    told: FxHashSet<&'static str>,
    /// It is heard from somewhere in the middle: a peer that says something must be up.
    assumes: bool,
}

/// Where what a router says is written.
pub(crate) struct Desk<'a> {
    pub(crate) writer: &'a mut Writer,
    pub(crate) outlet: &'a mut Outlet,
    pub(crate) meters: &'a Meters,
    /// When the bytes of the message were received here.
    pub(crate) received_us: i64,
}

impl Router {
    /// A router at this address whose connection begins.
    pub(super) fn connected(rules: Rules, address: IpAddr) -> Self {
        Self {
            peers: Peers::new(rules, address),
            told: FxHashSet::default(),
            assumes: false,
        }
    }

    /// A router at this address, whose messages others have received and handed on: nobody knows which came before. A
    /// table that is not over after `dump_us` is.
    pub(crate) fn overheard(address: IpAddr, dump_us: i64) -> Self {
        let rules = Rules {
            dump_us,
            ..Rules::default()
        };
        Self {
            assumes: true,
            ..Self::connected(rules, address)
        }
    }

    /// Its collector was heard before: its tables are news.
    pub(crate) fn seed_no_more(&mut self) {
        self.peers.seed_no_more();
    }

    /// Writes what a message says of peers; who speaks, and why it ends, is for who holds the connection. `heard_us` is
    /// when it came from the router. Gives why an UPDATE cannot be read: it is lost alone.
    pub(crate) fn hear(
        &mut self,
        message: &BmpMessage<'_>,
        heard_us: i64,
        desk: &mut Desk<'_>,
    ) -> Result<Option<BmpError>, RunError> {
        let (header, said) = match message {
            BmpMessage::PeerUp(header, up) => (header, self.peers.up(header, up, heard_us)),
            BmpMessage::PeerDown(header, down) => {
                let opened = self.assume(header, heard_us);
                (header, opened.and_then(|()| self.peers.down(header, *down)))
            }
            BmpMessage::RouteMonitoring(header, raw) => {
                let opened = self.assume(header, heard_us);
                let heard = match opened {
                    Ok(()) => self.peers.routes(header, raw, heard_us),
                    Err(reason) => Heard::NotTaken(reason),
                };
                match heard {
                    Heard::Said { said, late } => {
                        if let Some(peer) = late {
                            tell_late(peer, desk);
                        }
                        (header, Ok(said))
                    }
                    Heard::NotTaken(reason) => (header, Err(reason)),
                    Heard::Undecodable(error) => return Ok(Some(error)),
                }
            }
            // They are counted.
            BmpMessage::Initiation(_)
            | BmpMessage::Termination(_)
            | BmpMessage::Statistics(..)
            | BmpMessage::RouteMirroring(..)
            | BmpMessage::Unknown { .. } => return Ok(None),
        };
        match said {
            Ok(said) => self.say(header, said, heard_us, desk)?,
            Err(reason) => self.leave(header, reason, desk),
        }
        Ok(None)
    }

    fn assume(&mut self, header: &PeerHeader, heard_us: i64) -> Result<(), Reason> {
        if self.assumes {
            self.peers.assume(header, heard_us)
        } else {
            Ok(())
        }
    }

    /// Nobody heard it for a while up to this time: forgets the peers that have said nothing since, and names them.
    pub(crate) fn interrupted(&mut self, until_us: i64) -> Vec<Peer> {
        self.peers.interrupted(until_us)
    }

    fn say(
        &mut self,
        header: &PeerHeader,
        said: Said,
        heard_us: i64,
        desk: &mut Desk<'_>,
    ) -> Result<(), RunError> {
        let received_us = desk.received_us;
        let told = header.time_us.unwrap_or(heard_us);
        let mut event_time_us = told;
        if !clamp::live_admits(told, received_us) {
            event_time_us = received_us;
            desk.meters.ahead.increment(1);
            if self.told.insert("clock") {
                tracing::warn!(
                    collector = desk.writer.collector(),
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
            desk.writer.message(desk.outlet, &message, received_us)?;
        }
        Ok(())
    }

    /// Counts a message of a peer that is not taken; each reason is named once per router.
    fn leave(&mut self, header: &PeerHeader, reason: Reason, desk: &Desk<'_>) {
        desk.meters.left(reason);
        if self.told.insert(reason.name()) {
            tracing::info!(
                collector = desk.writer.collector(),
                peer = %header,
                view = header.view.name(),
                reason = reason.name(),
                "messages like this one are not taken"
            );
        }
    }
}

fn tell_late(peer: Peer, desk: &Desk<'_>) {
    desk.meters.late.increment(1);
    tracing::warn!(
        collector = desk.writer.collector(),
        %peer,
        "the table of this peer has not ended in time: from now on its routes count as news"
    );
}
