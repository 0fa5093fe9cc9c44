//! One entity's features as of one event time.

use std::{borrow::Cow, fmt};

use weir_events::position::Version;

use crate::value::Value;

/// Names one entity within a view, for instance `192.0.2.1:64496`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntityKey(String);

impl EntityKey {
    /// A key of this text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for EntityKey {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for EntityKey {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Display for EntityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One field of a row.
#[derive(Clone, Debug, PartialEq)]
pub struct Feature {
    /// As the view's definition spells it.
    pub name: Cow<'static, str>,
    /// `None` = unknown.
    pub value: Option<Value>,
}

impl Feature {
    /// A field and its value, if that is known.
    pub fn new(name: impl Into<Cow<'static, str>>, value: Option<impl Into<Value>>) -> Self {
        Self {
            name: name.into(),
            value: value.map(Into::into),
        }
    }
}

/// All features of one entity in one view.
#[derive(Clone, Debug, PartialEq)]
pub struct FeatureRow {
    /// Name of the view.
    pub view: Cow<'static, str>,
    /// Whose features.
    pub entity: EntityKey,
    /// As of when, microseconds since the Unix epoch, UTC.
    pub event_time_us: i64,
    /// Where in the log it was derived: orders rows of equal event time.
    pub version: Version,
    /// In the order of the view's definition.
    pub features: Vec<Feature>,
    /// True when it rests on made-up events.
    pub synthetic: bool,
}

impl FeatureRow {
    /// Of two rows of one entity, the one with the greater order is the newer one.
    #[must_use]
    pub fn order(&self) -> (i64, Version) {
        (self.event_time_us, self.version)
    }

    /// The value of a field; `None` when it is unknown or the row does not have the field.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.features
            .iter()
            .find(|feature| feature.name == name)
            .and_then(|feature| feature.value.as_ref())
    }

    /// `view/entity`: keys the record in `feature-rows`.
    #[must_use]
    pub fn record_key(&self) -> String {
        format!("{}/{}", self.view, self.entity)
    }
}

#[cfg(test)]
mod tests {
    use weir_events::position::TopicEpoch;

    use super::*;

    fn row(event_time_us: i64, next_offset: i64) -> FeatureRow {
        FeatureRow {
            view: "parking".into(),
            entity: "garage-1".into(),
            event_time_us,
            version: Version::new(TopicEpoch(1), next_offset, false),
            features: vec![
                Feature::new("free", Some(7)),
                Feature::new("price", None::<f64>),
            ],
            synthetic: false,
        }
    }

    #[test]
    fn event_time_orders_rows_and_the_version_breaks_ties() {
        assert!(row(5, 1).order() > row(4, 9).order());
        assert!(row(5, 2).order() > row(5, 1).order());
    }

    #[test]
    fn an_unknown_value_and_an_absent_field_are_both_none() {
        let row = row(1, 1);
        assert_eq!(row.get("free"), Some(&Value::Int64(7)));
        assert_eq!(row.get("price"), None);
        assert_eq!(row.get("height"), None);
        assert_eq!(row.record_key(), "parking/garage-1");
    }
}
