//! DescribeConfigs, AlterConfigs and IncrementalAlterConfigs.
//!
//! What this broker does not honour may be given only with the value that it has anyway, so that
//! no setting is accepted and then ignored.

use std::collections::BTreeMap;

use crate::broker::error_code as code;
use crate::broker::node::Node;
use crate::broker::request::Call;
use crate::broker::wire::{Reader, WireError, Writer};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const SOURCE_TOPIC: i8 = 1;
const SOURCE_DEFAULT: i8 = 5;
const OP_SET: i8 = 0;
const OP_DELETE: i8 = 1;

/// A setting of a topic.
struct Setting {
    name: &'static str,
    default: &'static str,
    /// Its type in the protocol: 2 string, 3 int, 5 long, 7 list.
    kind: i8,
    /// May differ from the default.
    honoured: bool,
}

const SETTINGS: [Setting; 7] = [
    setting("cleanup.policy", "delete", 7, false),
    setting("compression.type", "producer", 2, false),
    setting("max.message.bytes", "1048588", 3, true),
    setting("message.timestamp.type", "CreateTime", 2, false),
    setting("min.insync.replicas", "1", 3, false),
    setting("retention.bytes", "-1", 5, false),
    setting("retention.ms", "86400000", 5, true),
];

const fn setting(name: &'static str, default: &'static str, kind: i8, honoured: bool) -> Setting {
    Setting {
        name,
        default,
        kind,
        honoured,
    }
}

/// Refuses a setting that is unknown, malformed or not honoured.
pub(crate) fn check(name: &str, value: &str) -> Result<(), (i16, String)> {
    let invalid = |text: String| Err((code::INVALID_CONFIG, text));
    let Some(setting) = SETTINGS.iter().find(|setting| setting.name == name) else {
        return invalid(format!("the embedded broker has no setting '{name}'"));
    };
    if value == setting.default {
        return Ok(());
    }
    if !setting.honoured {
        let default = setting.default;
        return invalid(format!("the embedded broker has {name} = {default} only"));
    }
    match value.parse::<i64>() {
        Ok(number) if number >= -1 => Ok(()),
        _ => invalid(format!("{name} is a number from -1 on")),
    }
}

pub(crate) fn describe(
    node: &Node,
    call: Call<'_>,
    request: &mut Reader<'_>,
    out: &mut Writer,
) -> Result<(), WireError> {
    let version = call.version;
    let resources = request.array("resources", |request| {
        let kind = request.i8("resource type")?;
        let name = request.text("resource")?;
        let keys = request.nullable_array("keys", |request| request.text("key"))?;
        Ok((kind, name, keys))
    })?;
    let synonyms = version >= 1 && request.bool("synonyms")?;
    out.i32(0);
    out.array(&resources, |out, (kind, name, keys)| {
        let wanted = |key: &str| keys.as_ref().is_none_or(|keys| keys.contains(&key));
        let (error, rows) = rows_of(node, *kind, name);
        out.i16(error).nullable_text(None).i8(*kind).text(name);
        let rows: Vec<_> = rows.into_iter().filter(|row| wanted(&row.0)).collect();
        out.array(&rows, |out, (key, value, source, kind)| {
            let default = *source == SOURCE_DEFAULT;
            out.text(key)
                .text(value)
                .bool(!default && *source != SOURCE_TOPIC);
            if version == 0 {
                out.bool(default);
            } else {
                out.i8(*source);
            }
            out.bool(false);
            if version >= 1 {
                out.count(usize::from(synonyms));
                if synonyms {
                    out.text(key).text(value).i8(*source);
                }
            }
            if version >= 3 {
                out.i8(*kind).nullable_text(None);
            }
        });
    });
    Ok(())
}

/// (name, value, source, type) of every setting of a resource.
fn rows_of(node: &Node, kind: i8, name: &str) -> (i16, Vec<(String, String, i8, i8)>) {
    match kind {
        TOPIC => {
            let Some(topic) = node.catalogue.get(name) else {
                return (code::UNKNOWN_TOPIC_OR_PARTITION, Vec::new());
            };
            let set = topic.settings.read();
            let row = |setting: &Setting| {
                let (value, source) = match set.get(setting.name) {
                    Some(value) => (value.clone(), SOURCE_TOPIC),
                    None => (setting.default.to_owned(), SOURCE_DEFAULT),
                };
                (setting.name.to_owned(), value, source, setting.kind)
            };
            (code::NONE, SETTINGS.iter().map(row).collect())
        }
        BROKER => {
            let size = node.config.retention_bytes.to_string();
            let row = ("log.retention.bytes".to_owned(), size, SOURCE_DEFAULT, 5);
            (code::NONE, vec![row])
        }
        _ => (code::INVALID_REQUEST, Vec::new()),
    }
}

struct Change<'a> {
    key: &'a str,
    op: i8,
    value: Option<&'a str>,
}

/// Replaces all settings of each resource, or with `incremental` changes the named ones.
pub(crate) fn alter(
    node: &Node,
    incremental: bool,
    request: &mut Reader<'_>,
    out: &mut Writer,
) -> Result<(), WireError> {
    let resources = request.array("resources", |request| {
        let kind = request.i8("resource type")?;
        let name = request.text("resource")?;
        let changes = request.array("configs", |request| {
            let key = request.text("config name")?;
            let op = match incremental {
                true => request.i8("operation")?,
                false => OP_SET,
            };
            let value = request.nullable_text("config value")?;
            Ok(Change { key, op, value })
        })?;
        Ok((kind, name, changes))
    })?;
    let only_check = request.bool("validate only")?;
    out.i32(0);
    out.array(&resources, |out, (kind, name, changes)| {
        let changed = match *kind {
            TOPIC => change(node, incremental, name, changes, only_check),
            _ => Err((
                code::INVALID_REQUEST,
                "only topics can be altered".to_owned(),
            )),
        };
        let (error, text) = match &changed {
            Ok(()) => (code::NONE, None),
            Err((error, text)) => (*error, Some(text.as_str())),
        };
        out.i16(error).nullable_text(text).i8(*kind).text(name);
    });
    Ok(())
}

fn change(
    node: &Node,
    incremental: bool,
    name: &str,
    changes: &[Change<'_>],
    only_check: bool,
) -> Result<(), (i16, String)> {
    let unknown = || {
        (
            code::UNKNOWN_TOPIC_OR_PARTITION,
            format!("there is no topic '{name}'"),
        )
    };
    let topic = node.catalogue.get(name).ok_or_else(unknown)?;
    let mut settings = match incremental {
        true => topic.settings.read().clone(),
        false => BTreeMap::new(),
    };
    for change in changes {
        match (change.op, change.value) {
            (OP_SET, Some(value)) => {
                check(change.key, value)?;
                settings.insert(change.key.to_owned(), value.to_owned());
            }
            (OP_SET | OP_DELETE, _) => {
                settings.remove(change.key);
            }
            _ => return Err((code::INVALID_REQUEST, "only set and delete".to_owned())),
        }
    }
    if only_check {
        return Ok(());
    }
    let changed = node.catalogue.change_settings(&topic, settings);
    changed.map_err(|error| (code::KAFKA_STORAGE_ERROR, error.to_string()))
}
