//! The metrics of BMP, found once and held.

use metrics::{Counter, Gauge};
use weir_routing::decode::bmp::BmpMessage;

use super::peers::Reason;

const KINDS: [&str; 8] = [
    "initiation",
    "termination",
    "peer-up",
    "peer-down",
    "route-monitoring",
    "statistics",
    "route-mirroring",
    "unknown",
];

pub(crate) struct Meters {
    messages: Vec<(&'static str, Counter)>,
    left: Vec<(Reason, Counter)>,
    routers: Gauge,
    /// Connections that are over.
    pub(crate) lost: Counter,
    /// Peers whose table did not end in time.
    pub(crate) late: Counter,
    /// Messages with a time after their receipt.
    pub(crate) ahead: Counter,
}

impl Meters {
    pub(crate) fn new() -> Self {
        let kinds = KINDS.into_iter();
        let reasons = Reason::ALL.into_iter();
        Self {
            messages: kinds
                .map(|kind| {
                    let counter = metrics::counter!("weir_bmp_messages_total", "kind" => kind);
                    (kind, counter)
                })
                .collect(),
            left: reasons
                .map(|reason| {
                    let name = reason.name();
                    let counter = metrics::counter!("weir_bmp_left_total", "reason" => name);
                    (reason, counter)
                })
                .collect(),
            routers: metrics::gauge!("weir_bmp_routers"),
            lost: metrics::counter!("weir_bmp_connections_lost_total"),
            late: metrics::counter!("weir_bmp_tables_unended_total"),
            ahead: metrics::counter!("weir_bmp_clock_ahead_total"),
        }
    }

    pub(crate) fn message(&self, message: &BmpMessage<'_>) {
        let name = message.name();
        if let Some((_, counter)) = self.messages.iter().find(|(kind, _)| *kind == name) {
            counter.increment(1);
        }
    }

    pub(super) fn left(&self, reason: Reason) {
        if let Some((_, counter)) = self.left.iter().find(|(known, _)| *known == reason) {
            counter.increment(1);
        }
    }

    pub(crate) fn routers(&self, connected: usize) {
        self.routers
            .set(u32::try_from(connected).unwrap_or(u32::MAX));
    }
}
