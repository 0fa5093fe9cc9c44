//! The keys of one table of a peering, read one by one so that what is wrong has a name.

use serde_json::{Map, Value};
use weir_routing::{AsPath, Asn, Prefix};

use super::{Status, document::DocumentError};

/// Longest text, bytes; a device or a name is a word.
const LONGEST_TEXT: usize = 255;
/// How much of a wrong value is shown, characters.
const SHOWN: usize = 60;

/// How a value is written, and how it is read.
pub(super) struct Form<T> {
    expected: &'static str,
    read: fn(&Value) -> Option<T>,
}

pub(super) const TEXT: Form<String> = Form {
    expected: "a text of 1 to 255 bytes without control characters",
    read: text,
};

/// Stores number their rows.
pub(super) const ID: Form<String> = Form {
    expected: "a text of 1 to 255 bytes without control characters, or a whole number",
    read: |value| match value {
        Value::Number(number) if number.is_u64() => Some(number.to_string()),
        other => text(other),
    },
};

pub(super) const ASN: Form<Asn> = Form {
    expected: "an AS number from 1 to 4294967295",
    read: asn,
};

pub(super) const SECONDS: Form<u16> = Form {
    expected: "whole seconds from 0 to 65535",
    read: |value| value.as_u64()?.try_into().ok(),
};

pub(super) const PREFIX: Form<Prefix> = Form {
    expected: "a prefix, as \"192.0.2.0/24\"",
    read: |value| value.as_str()?.parse().ok(),
};

pub(super) const PATH: Form<AsPath> = Form {
    expected: "a list of AS numbers, or a text as \"64496 64497 {64498,64499}\", nearest first",
    read: |value| match value {
        Value::String(text) => text.parse().ok(),
        list => {
            let asns: Option<Vec<Asn>> = list.as_array()?.iter().map(asn).collect();
            asns.map(AsPath::sequence)
        }
    },
};

pub(super) const STATUS: Form<Status> = Form {
    expected: "active, pending or disabled",
    read: |value| {
        let name = value.as_str()?;
        Status::ALL.into_iter().find(|status| status.name() == name)
    },
};

fn text(value: &Value) -> Option<String> {
    let text = value.as_str()?;
    let is_word = (1..=LONGEST_TEXT).contains(&text.len()) && !text.contains(char::is_control);
    is_word.then(|| text.to_owned())
}

fn asn(value: &Value) -> Option<Asn> {
    let asn = match value {
        Value::Number(number) => Asn(number.as_u64()?.try_into().ok()?),
        text => text.as_str()?.parse().ok()?,
    };
    (asn.0 > 0).then_some(asn)
}

/// A table of a peering.
pub(super) struct Fields<'a> {
    /// Whose, as errors name it.
    peering: &'a str,
    /// Which, with a dot behind; empty for the peering itself.
    table: String,
    values: Option<&'a Map<String, Value>>,
}

impl<'a> Fields<'a> {
    /// All keys of a peering.
    ///
    /// # Errors
    /// When it is no table, or has a key that none of `known` is.
    pub(super) fn of(
        peering: &'a str,
        value: &'a Value,
        known: &[&str],
    ) -> Result<Self, DocumentError> {
        Self::at(peering, String::new(), value, known)
    }

    fn at(
        peering: &'a str,
        table: String,
        value: &'a Value,
        known: &[&str],
    ) -> Result<Self, DocumentError> {
        let values = value.as_object().ok_or_else(|| DocumentError::NoTable {
            peering: peering.to_owned(),
            table: table.trim_end_matches('.').to_owned(),
            found: shown(value),
        })?;
        if let Some(key) = values.keys().find(|key| !known.contains(&key.as_str())) {
            return Err(DocumentError::Unknown {
                peering: peering.to_owned(),
                key: format!("{table}{key}"),
                known: known.join(", "),
            });
        }
        Ok(Self {
            peering,
            table,
            values: Some(values),
        })
    }

    /// The table in this one; without keys when it is absent.
    pub(super) fn table(&self, name: &str, known: &[&str]) -> Result<Self, DocumentError> {
        let table = format!("{}{name}.", self.table);
        match self.value(name) {
            Some(value) => Self::at(self.peering, table, value, known),
            None => Ok(Self {
                peering: self.peering,
                table,
                values: None,
            }),
        }
    }

    /// What is null is absent.
    fn value(&self, key: &str) -> Option<&'a Value> {
        self.values?.get(key).filter(|value| !value.is_null())
    }

    /// The value of a key that may be absent.
    pub(super) fn get<T>(&self, key: &str, form: &Form<T>) -> Result<Option<T>, DocumentError> {
        let Some(value) = self.value(key) else {
            return Ok(None);
        };
        let read = (form.read)(value).map(Some);
        read.ok_or_else(|| self.refused(key.to_owned(), form.expected, shown(value)))
    }

    /// The value of a key that every peering has.
    pub(super) fn need<T>(&self, key: &str, form: &Form<T>) -> Result<T, DocumentError> {
        self.get(key, form)?
            .ok_or_else(|| self.refused(key.to_owned(), form.expected, "nothing".to_owned()))
    }

    /// The values of a list; none when it is absent.
    pub(super) fn list<T>(&self, key: &str, form: &Form<T>) -> Result<Vec<T>, DocumentError> {
        let Some(value) = self.value(key) else {
            return Ok(Vec::new());
        };
        let Some(items) = value.as_array() else {
            return Err(self.refused(key.to_owned(), "a list", shown(value)));
        };
        let item = |(number, item): (usize, &Value)| {
            let named = || format!("{key}[{number}]");
            (form.read)(item).ok_or_else(|| self.refused(named(), form.expected, shown(item)))
        };
        items.iter().enumerate().map(item).collect()
    }

    fn refused(&self, key: String, expected: &'static str, found: String) -> DocumentError {
        DocumentError::Value {
            peering: self.peering.to_owned(),
            key: format!("{}{key}", self.table),
            expected,
            found,
        }
    }
}

/// A wrong value, or its beginning, as JSON.
pub(super) fn shown(value: &Value) -> String {
    let text = match value {
        Value::Object(_) => return "a table".to_owned(),
        Value::Array(_) => return "a list".to_owned(),
        other => other.to_string(),
    };
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}..", &text[..end]),
        None => text,
    }
}
