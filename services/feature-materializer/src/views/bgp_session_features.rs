//! `bgp_session_features`: how one BGP session of a collector is doing. Entity `bgp_session` =
//! `address:ASN` of the peer. Its definition is `weir_features::declared::bgp_session_features`.
//!
//! A value that the source cannot know is unknown, never 0. Sliding counts have a resolution of
//! five minutes (`session/window.rs`).

use weir_events::{position::Version, time::SECOND_US};
pub use weir_features::declared::bgp_session_features::NAME;
use weir_features::{
    EntityKey, Feature, FeatureRow, Value, declared::bgp_session_features::FIELDS,
};

use crate::session::{Session, state_name};

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
    use weir_features::declared::bgp_session_features::definition;

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
