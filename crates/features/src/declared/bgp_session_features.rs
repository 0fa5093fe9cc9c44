//! `bgp_session_features`: how one BGP session of a collector is doing. Entity `bgp_session` =
//! `address:ASN` of the peer. A value that the source cannot know is unknown, never 0.

use weir_events::time::DAY_US;

use crate::{FeatureView, Field, ValueType};

/// Name of the view.
pub const NAME: &str = "bgp_session_features";

/// Its fields in their order, with what each means.
pub const FIELDS: [(&str, ValueType, &str); 10] = [
    (
        "peer_uptime_seconds",
        ValueType::Int64,
        "Whole seconds from the start of the present session to the row's event time; unknown \
         when the session is not established, or its start was not seen or lies before a gap in \
         the data. Refreshed every five minutes of stream time in silence.",
    ),
    (
        "hold_time",
        ValueType::Int64,
        "Seconds: the smaller of the hold times in the OPENs sent and received (RFC 4271, 4.2), \
         or the only one that was seen; unknown when the session's OPENs were not seen, and \
         between sessions.",
    ),
    (
        "keepalive",
        ValueType::Int64,
        "Seconds between KEEPALIVEs as configured; unknown, since no message carries it.",
    ),
    (
        "prefix_count",
        ValueType::Int64,
        "Distinct prefixes that the peer has announced and not withdrawn, RIB dumps included, \
         since its session began or was first seen. The end of a session empties the set (RFC \
         4271, 8.2.2 deletes its routes), a new session starts with an empty one; a gap in the \
         data leaves it as it was.",
    ),
    (
        "as_path_length",
        ValueType::Int64,
        "Length of the AS_PATH in the latest UPDATE that announced something: each AS of a \
         sequence counts 1, an AS_SET counts 1 (RFC 4271, 9.1.2.2). RIB dumps do not count, \
         they are in no order of time.",
    ),
    (
        "session_state",
        ValueType::Text,
        "State of the session (RFC 4271, 8.2.2) as last told or implied: idle, connect, active, \
         open-sent, open-confirm, established. An UPDATE proves established.",
    ),
    (
        "flap_count_24h",
        ValueType::Int64,
        "Times in the last 24 hours that the session left established. A NOTIFICATION, a state \
         change and a peer-down record of the same end count once.",
    ),
    (
        "last_flap_timestamp",
        ValueType::Timestamp,
        "Event time of the latest of those, however old; unknown when none was seen.",
    ),
    (
        "received_updates_24h",
        ValueType::Int64,
        "UPDATE messages received from the peer in the last 24 hours; RIB entries do not count.",
    ),
    (
        "sent_updates_24h",
        ValueType::Int64,
        "UPDATE messages sent to the peer in the last 24 hours; unknown on a collector, whose \
         files and streams tell only what it receives.",
    ),
];

/// The view as a value.
#[must_use]
pub fn definition() -> FeatureView {
    FeatureView {
        name: NAME.to_owned(),
        entity: "bgp_session".to_owned(),
        ttl_us: 90 * DAY_US,
        doc: "How one BGP session of a collector is doing.".to_owned(),
        fields: FIELDS
            .iter()
            .map(|(name, value_type, doc)| Field::new(name, *value_type, doc))
            .collect(),
    }
}
