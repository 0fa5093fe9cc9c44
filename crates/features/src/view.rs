//! The definition of a view: a value that writers, stores and readers agree on.

use crate::{
    row::FeatureRow,
    value::{Value, ValueType},
};

/// One field of a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Unique within the view.
    pub name: String,
    /// Of every known value.
    pub value_type: ValueType,
    /// The sentence by which a reader can recompute the value by hand.
    pub doc: String,
}

impl Field {
    /// A field by name, type and meaning.
    #[must_use]
    pub fn new(name: &str, value_type: ValueType, doc: &str) -> Self {
        Self {
            name: name.to_owned(),
            value_type,
            doc: doc.to_owned(),
        }
    }
}

/// What the rows of one view hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeatureView {
    /// Unique in the registry.
    pub name: String,
    /// What an entity key names, for instance `bgp_session`.
    pub entity: String,
    /// How long after its event time a row may be served, in microseconds.
    pub ttl_us: i64,
    /// What the view is for.
    pub doc: String,
    /// In the order of every row.
    pub fields: Vec<Field>,
}

/// How a row and its view disagree.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum ViewError {
    /// The row is of another view.
    #[error("row of view {found} given to view {wanted}")]
    OtherView {
        /// Name in the row.
        found: String,
        /// Name of the view.
        wanted: String,
    },
    /// A value is not of the field's type.
    #[error("{view}.{field} is {found}, the view declares {wanted}")]
    OtherType {
        /// Name of the view.
        view: String,
        /// Name of the field.
        field: String,
        /// Type of the value.
        found: ValueType,
        /// Type in the definition.
        wanted: ValueType,
    },
}

impl FeatureView {
    /// The field of this name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// True when a row of this event time is too old to be served at `now_us`.
    #[must_use]
    pub fn is_expired(&self, event_time_us: i64, now_us: i64) -> bool {
        now_us.saturating_sub(event_time_us) > self.ttl_us
    }

    /// The row's values in the order of the definition; what the row lacks is unknown, what the
    /// view does not define is left out (a row of an older or newer definition).
    ///
    /// # Errors
    /// When the row is of another view, or a value of another type.
    pub fn values<'a>(&self, row: &'a FeatureRow) -> Result<Vec<Option<&'a Value>>, ViewError> {
        if row.view != self.name {
            return Err(ViewError::OtherView {
                found: row.view.to_string(),
                wanted: self.name.clone(),
            });
        }
        self.fields
            .iter()
            .map(|field| match row.get(&field.name) {
                Some(value) if value.value_type() != field.value_type => {
                    Err(ViewError::OtherType {
                        view: self.name.clone(),
                        field: field.name.clone(),
                        found: value.value_type(),
                        wanted: field.value_type,
                    })
                }
                value => Ok(value),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use weir_events::position::{TopicEpoch, Version};

    use super::*;
    use crate::row::Feature;

    fn view() -> FeatureView {
        FeatureView {
            name: "parking".to_owned(),
            entity: "garage".to_owned(),
            ttl_us: 10,
            doc: String::new(),
            fields: vec![
                Field::new("free", ValueType::Int64, "Free spaces."),
                Field::new("open", ValueType::Boolean, "The gate is open."),
            ],
        }
    }

    fn row(view: &'static str, features: Vec<Feature>) -> FeatureRow {
        FeatureRow {
            view: view.into(),
            entity: "garage-1".into(),
            event_time_us: 0,
            version: Version::new(TopicEpoch(1), 1, false),
            features,
            synthetic: false,
        }
    }

    #[test]
    fn values_come_in_the_order_of_the_definition() {
        let row = row(
            "parking",
            vec![
                Feature::new("open", Some(true)),
                Feature::new("height", Some(2.1)),
                Feature::new("free", Some(3)),
            ],
        );
        let values = view().values(&row).unwrap();
        assert_eq!(
            values,
            [Some(&Value::Int64(3)), Some(&Value::Boolean(true))]
        );
    }

    #[test]
    fn a_row_of_another_view_or_type_is_refused() {
        assert!(matches!(
            view().values(&row("weather", vec![])),
            Err(ViewError::OtherView { .. })
        ));
        let wrong = row("parking", vec![Feature::new("free", Some("many"))]);
        assert_eq!(
            view().values(&wrong).unwrap_err().to_string(),
            "parking.free is text, the view declares int64"
        );
    }

    #[test]
    fn a_row_may_be_served_up_to_its_time_to_live() {
        assert!(!view().is_expired(100, 110));
        assert!(view().is_expired(100, 111));
        assert!(!view().is_expired(100, 50));
    }
}
