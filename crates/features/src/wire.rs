//! Rows to and from `weir.v1.FeatureRow`, the message of topic `feature-rows`: the only place that
//! names protobuf types.

use weir_events::{position::Version, v1};

use crate::{
    row::{EntityKey, Feature, FeatureRow},
    value::Value,
};

/// A message that is no row.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum WireError {
    /// A field that must be there is empty.
    #[error("the row has no {what}")]
    Missing {
        /// Name of the field.
        what: &'static str,
    },
}

/// The message of a row.
#[must_use]
pub fn encode(row: &FeatureRow) -> v1::FeatureRow {
    v1::FeatureRow {
        view: row.view.to_string(),
        entity: row.entity.to_string(),
        event_time_us: row.event_time_us,
        version: row.version.0,
        features: row.features.iter().map(feature).collect(),
        synthetic: row.synthetic,
    }
}

fn feature(feature: &Feature) -> v1::Feature {
    use v1::feature::Value as Wire;
    v1::Feature {
        name: feature.name.to_string(),
        value: feature.value.as_ref().map(|value| match value {
            Value::Int64(value) => Wire::Int64(*value),
            Value::Float64(value) => Wire::Float64(*value),
            Value::Text(value) => Wire::Text(value.clone()),
            Value::Boolean(value) => Wire::Boolean(*value),
            Value::Timestamp(value) => Wire::TimestampUs(*value),
        }),
    }
}

/// Checks a message.
///
/// # Errors
/// When it names no view, entity or field.
pub fn decode(wire: v1::FeatureRow) -> Result<FeatureRow, WireError> {
    use v1::feature::Value as Wire;
    let features = wire
        .features
        .into_iter()
        .map(|feature| {
            Ok(Feature {
                name: named("field name", feature.name)?.into(),
                value: feature.value.map(|value| match value {
                    Wire::Int64(value) => Value::Int64(value),
                    Wire::Float64(value) => Value::Float64(value),
                    Wire::Text(value) => Value::Text(value),
                    Wire::Boolean(value) => Value::Boolean(value),
                    Wire::TimestampUs(value) => Value::Timestamp(value),
                }),
            })
        })
        .collect::<Result<_, _>>()?;
    Ok(FeatureRow {
        view: named("view", wire.view)?.into(),
        entity: EntityKey::from(named("entity", wire.entity)?),
        event_time_us: wire.event_time_us,
        version: Version(wire.version),
        features,
        synthetic: wire.synthetic,
    })
}

fn named(what: &'static str, text: String) -> Result<String, WireError> {
    if text.is_empty() {
        Err(WireError::Missing { what })
    } else {
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![
            any::<i64>().prop_map(Value::Int64),
            prop::num::f64::NORMAL.prop_map(Value::Float64),
            any::<String>().prop_map(Value::Text),
            any::<bool>().prop_map(Value::Boolean),
            any::<i64>().prop_map(Value::Timestamp),
        ]
    }

    proptest! {
        #[test]
        fn a_row_comes_back_as_it_was(
            view in ".{1,9}",
            entity in ".{1,9}",
            event_time_us in any::<i64>(),
            version in any::<u64>(),
            synthetic in any::<bool>(),
            features in prop::collection::vec((".{1,9}", prop::option::of(value())), 0..9),
        ) {
            let row = FeatureRow {
                view: view.into(),
                entity: entity.into(),
                event_time_us,
                version: Version(version),
                features: features
                    .into_iter()
                    .map(|(name, value)| Feature { name: name.into(), value })
                    .collect(),
                synthetic,
            };
            prop_assert_eq!(decode(encode(&row)), Ok(row));
        }
    }

    #[test]
    fn a_row_without_an_entity_is_refused() {
        let wire = v1::FeatureRow {
            view: "parking".to_owned(),
            ..v1::FeatureRow::default()
        };
        assert_eq!(decode(wire), Err(WireError::Missing { what: "entity" }));
    }
}
