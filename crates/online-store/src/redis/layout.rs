//! How rows are kept, so that `redis-cli HGETALL` reads well and nothing is lost on the way.
//!
//! | key | holds |
//! |---|---|
//! | `weir:VIEW:ENTITY` | a row: a hash with a field per feature and four about the row |
//! | `weir:@index:VIEW:NN` | sorted set: the entities of one of 16 shards of a view |
//! | `weir:@sink:PARTITION` | hash `fence`, `next_offset` of a writer |
//!
//! `@event_time_us` and `@version` order rows; `@synthetic` is `true` or `false`; `@fields` lists the
//! features in their order. A feature is written as `7`, `1.5`, `"text"` (nothing inside is escaped),
//! `true`, `1700000000000000us` (a time) or `null` (unknown). In names of views and features `%`,
//! `,`, `:`, `@`, `{`, `}` stand as `%XX`; entities stand as they are.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap},
};

use fred::{bytes_utils::Str, prelude::Value as Word};
use weir_events::position::Version;
use weir_features::{EntityKey, Feature, FeatureRow, Value};

/// Shards of a view's index: enough to spread a cluster's load, few enough to merge.
pub(super) const SHARDS: u32 = 16;

pub(super) const EVENT_TIME: &str = "@event_time_us";
pub(super) const VERSION: &str = "@version";
pub(super) const FIELDS: &str = "@fields";
pub(super) const SYNTHETIC: &str = "@synthetic";

/// Makes keys.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    prefix: String,
}

impl Keys {
    pub(super) fn new(prefix: &str) -> Self {
        Self {
            prefix: prefix.to_owned(),
        }
    }

    pub(super) fn row(&self, view: &str, entity: &str) -> String {
        format!("{}:{}:{entity}", self.prefix, escaped(view))
    }

    pub(super) fn index(&self, view: &str, shard: u32) -> String {
        format!("{}:@index:{}:{shard:02}", self.prefix, escaped(view))
    }

    pub(super) fn sink(&self, partition: u32) -> String {
        format!("{}:@sink:{partition}", self.prefix)
    }
}

/// FNV-1a: the shard of an entity must be the same in every version of this program.
pub(super) fn shard_of(entity: &str) -> u32 {
    let hash = entity.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    (hash ^ (hash >> 16)) % SHARDS
}

fn is_reserved(byte: u8) -> bool {
    matches!(byte, b'%' | b',' | b':' | b'@' | b'{' | b'}')
}

fn escaped(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for char in name.chars() {
        match u8::try_from(char) {
            Ok(byte) if is_reserved(byte) => text.push_str(&format!("%{byte:02X}")),
            _ => text.push(char),
        }
    }
    text
}

fn unescaped(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut name = parts.next()?.to_owned();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        name.push(char::from(u8::from_str_radix(digits, 16).ok()?));
        name.push_str(rest);
    }
    Some(name)
}

/// Makes the words of a row. What rows of one view have in common is made once.
#[derive(Default)]
pub(super) struct Encoder {
    names: Vec<Cow<'static, str>>,
    fields: Vec<Str>,
    list: Str,
}

impl Encoder {
    /// Fields and values of a row in turn, as HSET takes them; event time, version and the list of
    /// features come first. `None` when two features have one name.
    pub(super) fn encode(&mut self, row: &FeatureRow) -> Option<Vec<Word>> {
        let names = || row.features.iter().map(|feature| &feature.name);
        if !names().eq(&self.names) {
            let (sorted, all) = (names().collect::<BTreeSet<_>>(), row.features.len());
            if sorted.len() != all {
                return None;
            }
            self.names = names().cloned().collect();
            self.fields = names().map(|name| Str::from(escaped(name))).collect();
            let list: String = self.fields.iter().flat_map(|name| [&**name, ","]).collect();
            self.list = list.into();
        }
        let version = i64::try_from(row.version.0)
            .map_or_else(|_| row.version.0.to_string().into(), Word::Integer);
        let mut words = Vec::with_capacity(8 + 2 * self.fields.len());
        words.extend([
            word(EVENT_TIME),
            Word::Integer(row.event_time_us),
            word(VERSION),
            version,
            word(FIELDS),
            Word::String(self.list.clone()),
            word(SYNTHETIC),
            word(if row.synthetic { "true" } else { "false" }),
        ]);
        for (field, feature) in self.fields.iter().zip(&row.features) {
            words.push(Word::String(field.clone()));
            words.push(written(feature.value.as_ref()));
        }
        Some(words)
    }
}

fn word(text: &'static str) -> Word {
    Word::String(Str::from_static(text))
}

pub(super) fn decode(
    view: &str,
    entity: &EntityKey,
    hash: &HashMap<String, String>,
) -> Result<FeatureRow, String> {
    let field = |name: &str| {
        hash.get(name)
            .map(String::as_str)
            .ok_or_else(|| format!("no field `{name}`"))
    };
    let wrong = |name: &str| format!("field `{name}` is not as we write it");
    let features = field(FIELDS)?
        .split_terminator(',')
        .map(|name| {
            Ok(Feature {
                name: unescaped(name).ok_or_else(|| wrong(FIELDS))?.into(),
                value: value(field(name)?).ok_or_else(|| wrong(name))?,
            })
        })
        .collect::<Result<_, String>>()?;
    Ok(FeatureRow {
        view: view.to_owned().into(),
        entity: entity.clone(),
        event_time_us: field(EVENT_TIME)?.parse().map_err(|_| wrong(EVENT_TIME))?,
        version: Version(field(VERSION)?.parse().map_err(|_| wrong(VERSION))?),
        features,
        synthetic: field(SYNTHETIC)? == "true",
    })
}

fn written(value: Option<&Value>) -> Word {
    match value {
        None => word("null"),
        Some(Value::Int64(value)) => Word::Integer(*value),
        Some(Value::Float64(value)) if value.is_nan() => {
            format!("NaN{:016x}", value.to_bits()).into()
        }
        // Shortest that reads back as the same number, always with `.`, `e` or `inf`.
        Some(Value::Float64(value)) => format!("{value:?}").into(),
        Some(Value::Text(value)) => format!("\"{value}\"").into(),
        Some(Value::Boolean(value)) => word(if *value { "true" } else { "false" }),
        Some(Value::Timestamp(micros)) => format!("{micros}us").into(),
    }
}

/// `None` = not as [`written`] writes it.
fn value(text: &str) -> Option<Option<Value>> {
    let value = match text {
        "null" => return Some(None),
        "true" => Value::Boolean(true),
        "false" => Value::Boolean(false),
        _ => {
            if let Some(inner) = text.strip_prefix('"') {
                Value::Text(inner.strip_suffix('"')?.to_owned())
            } else if let Some(bits) = text.strip_prefix("NaN") {
                Value::Float64(f64::from_bits(u64::from_str_radix(bits, 16).ok()?))
            } else if let Some(micros) = text.strip_suffix("us") {
                Value::Timestamp(micros.parse().ok()?)
            } else if text.contains(['.', 'e', 'n']) {
                Value::Float64(text.parse().ok()?)
            } else {
                Value::Int64(text.parse().ok()?)
            }
        }
    };
    Some(Some(value))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::conformance;

    fn any_value() -> impl Strategy<Value = Value> {
        prop_oneof![
            any::<i64>().prop_map(Value::Int64),
            prop::num::f64::NORMAL.prop_map(Value::Float64),
            any::<String>().prop_map(Value::Text),
            any::<bool>().prop_map(Value::Boolean),
            any::<i64>().prop_map(Value::Timestamp),
        ]
    }

    prop_compose! {
        fn any_row()(
            event_time_us: i64,
            version: u64,
            synthetic: bool,
            features in prop::collection::btree_map(".{1,9}", prop::option::of(any_value()), 0..9),
        ) -> FeatureRow {
            let feature = |(name, value)| Feature { name: String::into(name), value };
            FeatureRow {
                event_time_us,
                version: Version(version),
                features: features.into_iter().map(feature).collect(),
                synthetic,
                ..conformance::row("v", "e", 0, 0)
            }
        }
    }

    /// What the server keeps.
    fn texts(row: &FeatureRow) -> Vec<String> {
        let words = Encoder::default().encode(row).unwrap();
        words.iter().map(|word| word.as_string().unwrap()).collect()
    }

    fn hash(row: &FeatureRow) -> HashMap<String, String> {
        let pair = |pair: &[String]| (pair[0].clone(), pair[1].clone());
        texts(row).chunks_exact(2).map(pair).collect()
    }

    proptest! {
        #[test]
        fn a_row_comes_back_as_it_was(row in any_row()) {
            prop_assert_eq!(decode(&row.view, &row.entity, &hash(&row)), Ok(row));
        }

        #[test]
        fn a_float_comes_back_bit_by_bit(bits: u64) {
            let written = written(Some(&Value::Float64(f64::from_bits(bits))));
            let written = written.as_string().unwrap();
            let Some(Some(Value::Float64(read))) = value(&written) else {
                return Err(TestCaseError::fail(written));
            };
            prop_assert_eq!(read.to_bits(), bits);
        }

        #[test]
        fn no_two_views_and_entities_share_a_key(
            view in "[a:%@{]{1,3}", entity in "[a:%@{]{1,3}",
            other_view in "[a:%@{]{1,3}", other_entity in "[a:%@{]{1,3}",
        ) {
            let keys = Keys::new("weir");
            let same = keys.row(&view, &entity) == keys.row(&other_view, &other_entity);
            prop_assert_eq!(same, (view, entity) == (other_view, other_entity));
        }
    }

    #[test]
    fn a_row_reads_well() {
        let row = FeatureRow {
            view: "parking".into(),
            entity: "garage-1".into(),
            event_time_us: 1_700_000_000_000_000,
            version: Version(7),
            features: vec![
                Feature::new("free", Some(3)),
                Feature::new("price", None::<f64>),
                Feature::new("share", Some(2.0)),
                Feature::new("state", Some("open")),
            ],
            synthetic: true,
        };
        let fields = texts(&row).join(" ");
        assert_eq!(
            fields,
            "@event_time_us 1700000000000000 @version 7 @fields free,price,share,state, \
             @synthetic true free 3 price null share 2.0 state \"open\""
        );
    }

    #[test]
    fn damage_is_named() {
        let mut fields = hash(&conformance::row("v", "e", 1, 1));
        fields.insert("count".to_owned(), "7 apples".to_owned());
        let reason = decode("v", &"e".into(), &fields).unwrap_err();
        assert!(reason.contains("`count`"), "{reason}");
        fields.remove(VERSION);
        fields.insert("count".to_owned(), "7".to_owned());
        let reason = decode("v", &"e".into(), &fields).unwrap_err();
        assert!(reason.contains(VERSION), "{reason}");
    }

    #[test]
    fn a_row_with_one_name_twice_is_refused() {
        let mut row = conformance::row("v", "e", 1, 1);
        row.features.push(Feature::new("count", Some(1)));
        assert!(Encoder::default().encode(&row).is_none());
    }

    #[test]
    fn an_encoder_takes_rows_of_several_views_in_turn() {
        let mut encoder = Encoder::default();
        let other = FeatureRow {
            features: vec![Feature::new("free", Some(3))],
            ..conformance::row("w", "e", 1, 1)
        };
        for row in [conformance::row("v", "e", 1, 1), other.clone(), other] {
            let words = encoder.encode(&row).unwrap();
            let alone = Encoder::default().encode(&row).unwrap();
            assert_eq!(words, alone);
        }
    }
}
