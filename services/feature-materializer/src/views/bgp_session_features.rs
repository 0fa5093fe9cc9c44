//! `bgp_session_features`: how one BGP session of a collector is doing. Entity `bgp_session` =
//! `address:ASN` of the peer.
//!
//! A value that the source cannot know is unknown, never 0. Sliding counts have a resolution of
//! five minutes (`session/window.rs`).

use weir_events::{
    position::Version,
    time::{DAY_US, SECOND_US},
};
use weir_features::{EntityKey, Feature, FeatureRow, FeatureView, Field, Value, ValueType};

use crate::session::{Session, state_name};

/// Name of the view.
pub const NAME: &str = "bgp_session_features";

const FIELDS: [(&str, ValueType, &str); 10] = [
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

/// The row of a session as of its own time.
pub(crate) fn row(entity: EntityKey, session: &Session, version: Version) -> FeatureRow {
    let now = session.as_of_us;
    let uptime = session
        .established_since()
        .map(|since| (now - since).max(0) / SECOND_US);
    let counts = session.counts_at(now);
    let values: [Option<Value>; FIELDS.len()] = [
        uptime.map(Value::Int64),
        session.hold_time().map(|seconds| i64::from(seconds).into()),
        None,
        Some(count(session.prefixes)),
        session
            .as_path_length
            .map(|length| i64::from(length).into()),
        state_name(session.state()).map(Value::from),
        Some(count(counts.flaps)),
        session.last_flap_us.map(Value::Timestamp),
        Some(count(counts.received)),
        None,
    ];
    FeatureRow {
        view: NAME.into(),
        entity,
        event_time_us: now,
        version,
        features: FIELDS
            .iter()
            .zip(values)
            .map(|((name, ..), value)| Feature::new(*name, value))
            .collect(),
        synthetic: session.synthetic,
    }
}

fn count(value: u64) -> Value {
    Value::Int64(i64::try_from(value).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_the_fields_of_the_definition_in_order_and_of_their_types() {
        let view = definition();
        let mut session = Session::default();
        session.up(5, false);
        let row = row("192.0.2.1:64496".into(), &session, Version(1));
        view.values(&row).unwrap();
        let names: Vec<_> = row.features.iter().map(|feature| &*feature.name).collect();
        let defined: Vec<_> = view.fields.iter().map(|field| &*field.name).collect();
        assert_eq!(names, defined);
        assert_eq!(row.get("keepalive"), None);
        assert_eq!(row.get("sent_updates_24h"), None);
    }
}
