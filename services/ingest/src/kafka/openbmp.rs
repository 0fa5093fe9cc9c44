//! Routers whose BMP messages OpenBMP has written to the topics (`weir_routing::decode::openbmp`).
//!
//! A router is a collector, named by its router group, as RouteViews names its own; where there is none, by its address.
//! Records come by topic and partition, not in the order in which the routers spoke, and the Peer Up of a peer may lie
//! months back: so a session is assumed when its peer says something. What follows from the order of messages (that a
//! router was away for a while) goes by the time at which OpenBMP received them.

use std::{borrow::Cow, collections::BTreeMap, net::IpAddr};

use weir_events::time::SECOND_US;
use weir_routing::decode::{
    bmp::{self, BmpMessage},
    openbmp::{self, Frame},
};

use crate::{
    bmp::{
        names,
        router::{Desk, Router},
    },
    config::Bmp,
    live,
    run::RunError,
};

/// After so long in silence another router may have the name.
const SILENCE_US: i64 = 180 * SECOND_US;
/// The router group of those that are in none.
const NO_GROUP: &str = "default";

/// A record as it was read.
pub(super) struct Told<'a> {
    frame: Frame<'a>,
    message: BmpMessage<'a>,
}

/// Why a record is set aside: one word, and a sentence.
pub(super) type Refused = (&'static str, String);

/// The routers by their collectors.
pub(super) struct Routers {
    heard: BTreeMap<String, Overheard>,
    /// A table lasts no longer.
    dump_us: i64,
}

/// A router that has spoken.
struct Overheard {
    router: Router,
    address: IpAddr,
    /// When its last record was read.
    received_us: i64,
    /// When OpenBMP received the newest of its messages.
    newest_us: i64,
}

impl<'a> Told<'a> {
    pub(super) fn read(record: &'a [u8]) -> Result<Self, Refused> {
        let undecodable = |error: String| ("undecodable", error);
        let frame = openbmp::decode(record).map_err(|error| undecodable(error.to_string()))?;
        let message = bmp::decode(frame.message).map_err(|error| undecodable(error.to_string()))?;
        Ok(Self { frame, message })
    }

    /// The collector of its router.
    pub(super) fn collector(&self) -> Result<Cow<'a, str>, Refused> {
        let Frame {
            router,
            router_group,
            ..
        } = self.frame;
        let error = match router_group {
            "" | NO_GROUP if router.is_unspecified() => {
                "it has neither a router group nor the address of its router".to_owned()
            }
            "" | NO_GROUP => return Ok(names::own(router, None).into()),
            name if live::is_collector(name) => return Ok(name.into()),
            name => {
                let name: String = name.chars().take(80).collect();
                format!("the router group {name:?} is no name of a collector")
            }
        };
        Err(("collector", error))
    }
}

impl Routers {
    pub(super) fn new() -> Self {
        let dump_us = Bmp::default().dump_timeout_ms.saturating_mul(1000);
        Self {
            heard: BTreeMap::new(),
            dump_us: i64::try_from(dump_us).unwrap_or(i64::MAX),
        }
    }

    /// Writes what a record says for its collector, or gives why it is to be set aside.
    pub(super) fn hear(
        &mut self,
        collector: &str,
        told: &Told<'_>,
        mut desk: Desk<'_>,
    ) -> Result<Option<Refused>, RunError> {
        desk.meters.message(&told.message);
        let is_new = match self.meet(collector, told.frame.router, &mut desk)? {
            Ok(is_new) => is_new,
            Err(refused) => return Ok(Some(refused)),
        };
        let Some(overheard) = self.heard.get_mut(collector) else {
            return Ok(None);
        };
        overheard.received_us = desk.received_us;
        let heard_us = told.frame.time_us.unwrap_or(desk.received_us);
        let heard_us = heard_us.min(desk.received_us);
        let unread = match &told.message {
            BmpMessage::Initiation(_) if is_new && desk.writer.is_in_its_first_life() => None,
            BmpMessage::Initiation(_) => {
                overheard.interrupted(heard_us, "the router is connected again", &mut desk)?;
                None
            }
            BmpMessage::Termination(end) => {
                let texts = end.texts.join("; ");
                let reason = format!("the router ends it: {} {texts}", end.words());
                overheard.interrupted(heard_us, reason.trim_end(), &mut desk)?;
                None
            }
            message => overheard.router.hear(message, heard_us, &mut desk)?,
        };
        overheard.newest_us = overheard.newest_us.max(heard_us);
        Ok(unread.map(|error| ("undecodable", error.to_string())))
    }

    /// The router of this collector: true when it is a new one. A second one is refused, for two would contradict each
    /// other under one name, until the first has fallen silent.
    fn meet(
        &mut self,
        collector: &str,
        address: IpAddr,
        desk: &mut Desk<'_>,
    ) -> Result<Result<bool, Refused>, RunError> {
        let before = self.heard.get(collector);
        if let Some(before) = before {
            if before.address == address {
                return Ok(Ok(false));
            }
            if !before.is_silent(desk.received_us) {
                let error = format!(
                    "collector {collector} is the router at {}, not {address}: give each router a router group of its \
                     own in the settings of OpenBMP",
                    before.address
                );
                return Ok(Err(("collector", error)));
            }
            let reason = "another router has its name";
            live::gap(desk.writer, desk.outlet, 0, reason)?;
        }
        let mut router = Router::overheard(address, self.dump_us);
        if before.is_some() || !desk.writer.is_in_its_first_life() {
            router.seed_no_more();
        }
        tracing::info!(collector, %address, "a router is heard by OpenBMP");
        let overheard = Overheard {
            router,
            address,
            received_us: desk.received_us,
            newest_us: 0,
        };
        self.heard.insert(collector.to_owned(), overheard);
        desk.meters.routers(self.heard.len());
        Ok(Ok(true))
    }
}

impl Overheard {
    fn is_silent(&self, now_us: i64) -> bool {
        now_us - self.received_us >= SILENCE_US
    }

    /// It was away until this time. Messages of later times may have been read before.
    fn interrupted(
        &mut self,
        until_us: i64,
        reason: &str,
        desk: &mut Desk<'_>,
    ) -> Result<(), RunError> {
        let silent = self.router.interrupted(until_us);
        if until_us >= self.newest_us {
            // Also of peers that an earlier life has heard, or nobody yet.
            return live::gap(desk.writer, desk.outlet, 0, reason);
        }
        for peer in silent {
            live::gap_of(desk.writer, desk.outlet, peer, reason)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bmp_bytes::{INITIATION, bmp, openbmp as record};

    #[test]
    fn a_collector_is_the_group_of_its_router_else_the_address() {
        let cases = [
            ("route-views5", "192.0.2.250", Ok("route-views5")),
            ("", "192.0.2.250", Ok("bmp-192.0.2.250")),
            ("default", "2001:db8::250", Ok("bmp-2001-db8--250")),
            (
                "default",
                "0.0.0.0",
                Err("it has neither a router group nor the address of its router"),
            ),
            (
                "_control",
                "192.0.2.250",
                Err("the router group \"_control\" is no name of a collector"),
            ),
        ];
        for (group, router, expected) in cases {
            let bytes = record(group, router, 10, &bmp(INITIATION, &[]));
            let told = Told::read(&bytes).unwrap();
            let expected = expected.map(Cow::from);
            let named = told.collector();
            assert_eq!(
                named,
                expected.map_err(|error| ("collector", error.to_owned()))
            );
        }
    }

    #[test]
    fn a_name_is_free_again_after_three_minutes_of_silence() {
        let address = [192, 0, 2, 250].into();
        let heard = Overheard {
            router: Router::overheard(address, 1),
            address,
            received_us: 7,
            newest_us: 0,
        };
        let silent = [7, 180_000_006, 180_000_007].map(|now_us| heard.is_silent(now_us));
        assert_eq!(silent, [false, false, true]);
    }

    #[test]
    fn what_is_wrong_inside_is_said_too() {
        let Err(refused) = Told::read(&record("a", "192.0.2.250", 10, &[2])) else {
            panic!("no BMP is read")
        };
        let said = "version 2 where a message begins; want BMP version 3 (RFC 7854)";
        assert_eq!(refused, ("undecodable", said.to_owned()));
    }
}
