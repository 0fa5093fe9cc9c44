//! What a feature may hold. Unknown is `None`, and never a value such as 0 or "".

use std::fmt;

/// One known value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A count, or a duration in the unit that the field's name says.
    Int64(i64),
    /// A measure.
    Float64(f64),
    /// A name or a state.
    Text(String),
    /// A fact that is so, or is not.
    Boolean(bool),
    /// Microseconds since the Unix epoch, UTC.
    Timestamp(i64),
}

/// The type that a view declares for a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ValueType {
    /// [`Value::Int64`].
    Int64,
    /// [`Value::Float64`].
    Float64,
    /// [`Value::Text`].
    Text,
    /// [`Value::Boolean`].
    Boolean,
    /// [`Value::Timestamp`].
    Timestamp,
}

impl Value {
    /// Its type.
    #[must_use]
    pub fn value_type(&self) -> ValueType {
        match self {
            Self::Int64(_) => ValueType::Int64,
            Self::Float64(_) => ValueType::Float64,
            Self::Text(_) => ValueType::Text,
            Self::Boolean(_) => ValueType::Boolean,
            Self::Timestamp(_) => ValueType::Timestamp,
        }
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int64(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Float64(value)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl fmt::Display for Value {
    /// For people: timestamps as RFC 3339.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int64(value) => value.fmt(f),
            Self::Float64(value) => value.fmt(f),
            Self::Text(value) => value.fmt(f),
            Self::Boolean(value) => value.fmt(f),
            Self::Timestamp(micros) => f.write_str(&weir_events::time::rfc3339(*micros)),
        }
    }
}

impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Int64 => "int64",
            Self::Float64 => "float64",
            Self::Text => "text",
            Self::Boolean => "boolean",
            Self::Timestamp => "timestamp",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_reads_as_a_time_and_a_count_as_a_number() {
        assert_eq!(
            Value::Timestamp(1).to_string(),
            "1970-01-01T00:00:00.000001Z"
        );
        assert_eq!(Value::from(7).to_string(), "7");
        assert_eq!(Value::from("idle").value_type().to_string(), "text");
    }
}
