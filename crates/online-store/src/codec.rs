//! How a row is kept: event time and version in front, so that two rows are compared without
//! decoding either, then the features as a `weir.v1.FeatureRow` without what the key already says.
//!
//! Layout: format byte, event time (i64, big-endian), version (u64, big-endian), protobuf.

use prost::Message;
use weir_events::{position::Version, v1};
use weir_features::{EntityKey, FeatureRow, wire};

use crate::error::OnlineStoreError;

const FORMAT: u8 = 1;
const HEADER: usize = 17;

pub(crate) fn encode(row: &FeatureRow) -> Vec<u8> {
    let mut body = wire::encode(row);
    body.view = String::new();
    body.entity = String::new();
    body.event_time_us = 0;
    body.version = 0;
    let mut bytes = Vec::with_capacity(HEADER + body.encoded_len());
    bytes.push(FORMAT);
    bytes.extend(row.event_time_us.to_be_bytes());
    bytes.extend(row.version.0.to_be_bytes());
    bytes.extend(body.encode_to_vec());
    bytes
}

/// (event time, version) of a stored row; `None` when it is damaged.
pub(crate) fn order(bytes: &[u8]) -> Option<(i64, Version)> {
    let (&format, rest) = bytes.split_first()?;
    let (time, rest) = rest.split_first_chunk::<8>()?;
    let (version, _) = rest.split_first_chunk::<8>()?;
    (format == FORMAT).then(|| {
        (
            i64::from_be_bytes(*time),
            Version(u64::from_be_bytes(*version)),
        )
    })
}

pub(crate) fn decode(
    view: &str,
    entity: &EntityKey,
    bytes: &[u8],
) -> Result<FeatureRow, OnlineStoreError> {
    let corrupt = |reason: String| OnlineStoreError::Corrupt {
        view: view.to_owned(),
        entity: entity.to_string(),
        reason,
    };
    let (event_time_us, version) =
        order(bytes).ok_or_else(|| corrupt("unknown format or too short".to_owned()))?;
    let body = v1::FeatureRow::decode(bytes.get(HEADER..).unwrap_or_default())
        .map_err(|error| corrupt(error.to_string()))?;
    wire::decode(v1::FeatureRow {
        view: view.to_owned(),
        entity: entity.to_string(),
        event_time_us,
        version: version.0,
        ..body
    })
    .map_err(|error| corrupt(error.to_string()))
}

#[cfg(test)]
mod tests {
    use weir_events::position::TopicEpoch;
    use weir_features::Feature;

    use super::*;

    #[test]
    fn a_row_comes_back_and_damage_is_named() {
        let row = FeatureRow {
            view: "parking".into(),
            entity: "garage-1".into(),
            event_time_us: -5,
            version: Version::new(TopicEpoch(2), 9, false),
            features: vec![
                Feature::new("free", Some(3)),
                Feature::new("price", None::<f64>),
            ],
            synthetic: true,
        };
        let bytes = encode(&row);
        assert_eq!(order(&bytes), Some(row.order()));
        assert_eq!(decode("parking", &row.entity, &bytes).unwrap(), row);
        let cut = decode("parking", &row.entity, &bytes[..10]).unwrap_err();
        assert!(cut.to_string().contains("parking/garage-1"), "{cut}");
    }
}
