//! The other side of [`crate::decode::ris_live`]: what a server of RIS Live says and is asked.
//!
//! [`frame`] writes what clients read, [`request`] reads what they ask for, [`Filters`] holds the
//! subscriptions of one client and says which messages it wants, on values, not on text.

mod filters;
pub mod frame;
mod path;
mod request;
mod subscription;
mod told;

pub use filters::{Filters, TooMany};
pub use request::{Options, Request, RequestError, request};
pub use subscription::Subscription;
pub use told::{Record, Told};

use crate::update::{Body, Message};

/// The kinds of messages that RIS Live knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Routes come and go.
    Update,
    /// A session begins.
    Open,
    /// A session ends with an error.
    Notification,
    /// The session lives.
    Keepalive,
    /// The collector's session changed its state.
    PeerState,
}

impl Kind {
    const ALL: [Self; 5] = [
        Self::Update,
        Self::Open,
        Self::Notification,
        Self::Keepalive,
        Self::PeerState,
    ];

    /// The kind with this name; states of sessions have had two.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        if name == "STATE" {
            return Some(Self::PeerState);
        }
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Its name in frames.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Update => "UPDATE",
            Self::Open => "OPEN",
            Self::Notification => "NOTIFICATION",
            Self::Keepalive => "KEEPALIVE",
            Self::PeerState => "RIS_PEER_STATE",
        }
    }

    /// The kind of a message that is shown; `None` for what RIS Live does not tell: entries of RIB
    /// dumps, which nobody says just now, the marks of their ends, and an UPDATE that names nothing,
    /// which a reader would take for such a mark.
    #[must_use]
    pub fn of(message: &Message) -> Option<Self> {
        match &message.body {
            Body::Update(update) => {
                let says = update.attributes.is_some() || update.elements() > 0;
                (says && !update.from_rib).then_some(Self::Update)
            }
            Body::Open(_) => Some(Self::Open),
            Body::Notification(_) => Some(Self::Notification),
            Body::Keepalive => Some(Self::Keepalive),
            Body::StateChange { .. } => Some(Self::PeerState),
            Body::EndOfRib => None,
        }
    }
}

/// A key of a message's data, which a subscription may require.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    /// Of every message.
    Always(&'static str),
    Path,
    Community,
    Origin,
    Med,
    Aggregator,
    Announcements,
    Withdrawals,
    Direction,
    /// `version`, `asn`, `hold_time` or `router_id`.
    OfOpen(&'static str),
    Notification,
    State,
}

impl Field {
    pub(crate) const NAMES: [(&str, Self); 20] = [
        ("announcements", Self::Announcements),
        ("withdrawals", Self::Withdrawals),
        ("path", Self::Path),
        ("community", Self::Community),
        ("origin", Self::Origin),
        ("med", Self::Med),
        ("aggregator", Self::Aggregator),
        ("direction", Self::Direction),
        ("version", Self::OfOpen("version")),
        ("asn", Self::OfOpen("asn")),
        ("hold_time", Self::OfOpen("hold_time")),
        ("router_id", Self::OfOpen("router_id")),
        ("notification", Self::Notification),
        ("state", Self::State),
        ("timestamp", Self::Always("timestamp")),
        ("peer", Self::Always("peer")),
        ("peer_asn", Self::Always("peer_asn")),
        ("id", Self::Always("id")),
        ("host", Self::Always("host")),
        ("type", Self::Always("type")),
    ];

    /// True when the frame of this message has the key.
    fn is_in(self, body: &Body) -> bool {
        match (self, body) {
            (Self::Always(_), _)
            | (Self::OfOpen(_), Body::Open(_))
            | (Self::Notification, Body::Notification(_))
            | (Self::State, Body::StateChange { .. }) => true,
            (Self::Direction, Body::Open(open)) => open.direction.is_some(),
            (Self::Announcements, Body::Update(update)) => !update.announced.is_empty(),
            (Self::Withdrawals, Body::Update(update)) => !update.withdrawn.is_empty(),
            (field, Body::Update(update)) => {
                update.attributes.as_deref().is_some_and(|has| match field {
                    Self::Path => true,
                    Self::Community => !has.communities.is_empty(),
                    Self::Origin => has.origin.is_some(),
                    Self::Med => has.med.is_some(),
                    Self::Aggregator => has.aggregator.is_some(),
                    _ => false,
                })
            }
            _ => false,
        }
    }
}
