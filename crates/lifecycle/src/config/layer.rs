//! TOML values with texts from the environment among them. What a text means is decided by the
//! type that is being read, so that the password `1234` stays a text.

use std::{collections::BTreeMap, fmt};

use serde::{
    de::{
        self, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, Visitor,
        value::{MapAccessDeserializer, SeqDeserializer},
    },
    forward_to_deserialize_any,
};
use toml::{Table, Value};

/// One value of the layers together.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Section(BTreeMap<String, Node>),
    Toml(Value),
    Text(String),
}

impl From<Table> for Node {
    fn from(table: Table) -> Self {
        Self::Section(
            table
                .into_iter()
                .map(|(key, value)| match value {
                    Value::Table(table) => (key, Self::from(table)),
                    value => (key, Self::Toml(value)),
                })
                .collect(),
        )
    }
}

impl Node {
    /// True when nothing is set.
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Section(keys) if keys.is_empty())
    }

    /// True when something is set at `path`.
    pub(super) fn has(&self, path: &[&str]) -> bool {
        match (self, path) {
            (_, []) => true,
            (Self::Section(keys), [first, rest @ ..]) => {
                keys.get(*first).is_some_and(|node| node.has(rest))
            }
            _ => false,
        }
    }

    /// Sets the key at `path`, making the sections on the way. `Err` is the length of the part of
    /// `path` that names something else than a section.
    pub(super) fn set(&mut self, path: &[String], text: String) -> Result<(), usize> {
        let mut node = self;
        for (depth, name) in path.iter().enumerate() {
            let Self::Section(keys) = node else {
                return Err(depth);
            };
            node = keys
                .entry(name.clone())
                .or_insert_with(|| Self::Section(BTreeMap::new()));
        }
        *node = Self::Text(text);
        Ok(())
    }
}

/// The outermost section: hides the tables that belong to siblings of who reads.
pub(super) struct Root(pub(super) Node);

impl<'de> Deserializer<'de> for Root {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.0.deserialize_any(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        mut self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        if let Node::Section(tables) = &mut self.0 {
            tables.retain(|name, _| {
                fields.contains(&name.as_str()) || !super::TABLES.contains(&name.as_str())
            });
        }
        self.0.deserialize_any(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// What does not fit, and where.
#[derive(Debug)]
pub(super) struct Fault {
    /// From the innermost key outwards.
    path: Vec<String>,
    message: String,
}

impl Fault {
    /// The key as `section.key`, and what is wrong.
    pub(super) fn into_parts(mut self) -> (String, String) {
        self.path.reverse();
        (self.path.join("."), self.message)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}

impl de::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self {
            path: Vec::new(),
            message: message.to_string().trim().replace('\n', ", "),
        }
    }
}

fn of_toml(error: toml::de::Error) -> Fault {
    de::Error::custom(error.message())
}

/// The keys of a section, with the key put into every fault below it.
struct Keys {
    left: std::collections::btree_map::IntoIter<String, Node>,
    current: Option<(String, Node)>,
}

impl<'de> MapAccess<'de> for Keys {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Fault> {
        self.current = self.left.next();
        self.current
            .as_ref()
            .map(|(key, _)| seed.deserialize(key.as_str().into_deserializer()))
            .transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let (key, node) = self
            .current
            .take()
            .ok_or_else(|| de::Error::custom("a value without a key"))?;
        seed.deserialize(node).map_err(|mut fault| {
            fault.path.push(key);
            fault
        })
    }
}

fn keys(section: BTreeMap<String, Node>) -> Keys {
    Keys {
        left: section.into_iter(),
        current: None,
    }
}

/// A text without a type to read it as: what it looks like.
fn guess(text: String) -> Value {
    if let Ok(boolean) = text.parse() {
        Value::Boolean(boolean)
    } else if let Ok(integer) = text.parse() {
        Value::Integer(integer)
    } else if let Ok(float) = text.parse() {
        Value::Float(float)
    } else {
        Value::String(text)
    }
}

/// `[..]` or `{..}` as TOML.
fn literal(text: &str) -> Option<Value> {
    format!("value = {text}")
        .parse::<Table>()
        .ok()?
        .remove("value")
}

/// Texts are parsed as the number that is asked for; what does not parse is shown as it is.
macro_rules! parsed {
    ($($method:ident => $parse:ty, $visit:ident;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            match self {
                Self::Text(text) => match text.trim().parse::<$parse>() {
                    Ok(value) => visitor.$visit(value),
                    Err(_) => visitor.visit_string(text),
                },
                other => other.deserialize_any(visitor),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Node {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self {
            Self::Section(section) => visitor.visit_map(keys(section)),
            Self::Toml(value) => value.deserialize_any(visitor).map_err(of_toml),
            Self::Text(text) => guess(text).deserialize_any(visitor).map_err(of_toml),
        }
    }

    parsed! {
        deserialize_bool => bool, visit_bool;
        deserialize_i8 => i64, visit_i64;
        deserialize_i16 => i64, visit_i64;
        deserialize_i32 => i64, visit_i64;
        deserialize_i64 => i64, visit_i64;
        deserialize_u8 => i64, visit_i64;
        deserialize_u16 => i64, visit_i64;
        deserialize_u32 => i64, visit_i64;
        deserialize_u64 => i64, visit_i64;
        deserialize_f32 => f64, visit_f64;
        deserialize_f64 => f64, visit_f64;
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self {
            Self::Text(text) => visitor.visit_string(text),
            other => other.deserialize_any(visitor),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self {
            Self::Text(text) if text.starts_with('[') => match literal(&text) {
                Some(value) => value.deserialize_any(visitor).map_err(of_toml),
                None => visitor.visit_string(text),
            },
            Self::Text(text) => visitor.visit_seq(SeqDeserializer::new(
                text.split(',')
                    .map(str::trim)
                    .filter(|item| !item.is_empty())
                    .map(|item| Self::Text(item.to_owned())),
            )),
            other => other.deserialize_any(visitor),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self {
            Self::Text(text) => match literal(&text) {
                Some(value) => value.deserialize_any(visitor).map_err(of_toml),
                None => visitor.visit_string(text),
            },
            other => other.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match self {
            Self::Section(section) => visitor.visit_enum(MapAccessDeserializer::new(keys(section))),
            Self::Toml(value) => value
                .deserialize_enum(name, variants, visitor)
                .map_err(of_toml),
            Self::Text(text) => visitor.visit_enum(text.into_deserializer()),
        }
    }

    forward_to_deserialize_any! {
        i128 u128 char bytes byte_buf unit unit_struct tuple tuple_struct struct identifier
        ignored_any
    }
}

impl IntoDeserializer<'_, Fault> for Node {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}
