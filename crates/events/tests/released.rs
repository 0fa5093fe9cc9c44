//! Guards readers of what is released: compares `proto/` with `proto/released.binpb`, the definitions
//! of the last release. Adding is fine; removing, renumbering or retyping is not.
//!
//! `WEIR_RELEASE_SCHEMA=1 cargo test -p weir-events` makes the present definitions the released ones,
//! if nothing released breaks: commit the file with the release.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{collections::BTreeMap, env, fs, path::Path};

use prost::Message as _;
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorSet,
    field_descriptor_proto::{Label, Type},
};
use weir_events::proto::DESCRIPTORS;

/// Everything that readers rest on, by full name.
#[derive(Default)]
struct Schema {
    /// Fields of each message by number: name, type, and how many values.
    messages: BTreeMap<String, BTreeMap<i32, Field>>,
    /// Values of each enum by number.
    enums: BTreeMap<String, BTreeMap<i32, String>>,
}

#[derive(Debug, PartialEq)]
struct Field {
    name: String,
    kind: String,
    /// The `oneof` that it is part of.
    one_of: Option<String>,
}

impl Schema {
    fn of(set: &FileDescriptorSet) -> Self {
        let mut schema = Self::default();
        for file in &set.file {
            for message in &file.message_type {
                schema.add(file.package(), message);
            }
            for each in &file.enum_type {
                schema.add_enum(file.package(), each);
            }
        }
        schema
    }

    fn add(&mut self, scope: &str, message: &DescriptorProto) {
        let name = format!("{scope}.{}", message.name());
        for nested in &message.nested_type {
            self.add(&name, nested);
        }
        for nested in &message.enum_type {
            self.add_enum(&name, nested);
        }
        let fields = message.field.iter().map(|field| {
            let one_of = field
                .oneof_index
                .and_then(|at| message.oneof_decl.get(usize::try_from(at).unwrap()))
                .map(|one_of| one_of.name().to_owned());
            let kind = kind(field);
            let name = field.name().to_owned();
            (field.number(), Field { name, kind, one_of })
        });
        self.messages.insert(name, fields.collect());
    }

    fn add_enum(&mut self, scope: &str, each: &EnumDescriptorProto) {
        let values = each.value.iter();
        self.enums.insert(
            format!("{scope}.{}", each.name()),
            values.map(|v| (v.number(), v.name().to_owned())).collect(),
        );
    }
}

fn kind(field: &FieldDescriptorProto) -> String {
    let many = match field.label() {
        Label::Repeated => "repeated ",
        _ => "",
    };
    match field.r#type() {
        Type::Message | Type::Enum => format!("{many}{}", field.type_name()),
        plain => format!("{many}{}", plain.as_str_name()),
    }
}

/// What `now` breaks for readers and writers of `released`, by name.
fn broken(released: &FileDescriptorSet, now: &FileDescriptorSet) -> Vec<String> {
    let (released, now) = (Schema::of(released), Schema::of(now));
    let mut broken = Vec::new();
    for (message, fields) in &released.messages {
        let Some(found) = now.messages.get(message) else {
            broken.push(format!("message {message} was removed"));
            continue;
        };
        broken.extend(broken_fields(message, fields, found));
    }
    for (name, values) in &released.enums {
        let Some(found) = now.enums.get(name) else {
            broken.push(format!("enum {name} was removed"));
            continue;
        };
        for (number, value) in values {
            if found.get(number) != Some(value) {
                broken.push(format!("value {value} = {number} of {name} was removed"));
            }
        }
    }
    broken
}

fn broken_fields(
    message: &str,
    released: &BTreeMap<i32, Field>,
    now: &BTreeMap<i32, Field>,
) -> Vec<String> {
    let mut broken = Vec::new();
    for (number, field) in released {
        let what = format!("{message}.{} = {number}", field.name);
        let elsewhere = now.iter().find(|(_, found)| found.name == field.name);
        match (now.get(number), elsewhere) {
            (Some(found), _) if found == field => {}
            (Some(found), _) if found.name == field.name && found.kind != field.kind => {
                broken.push(format!("{what} was a {}, now {}", field.kind, found.kind));
            }
            (Some(found), _) if found.name == field.name => {
                broken.push(format!("{what} moved into or out of a oneof"));
            }
            (_, Some((renumbered, _))) => broken.push(format!("{what} is now {renumbered}")),
            (Some(found), None) => broken.push(format!("{what} is now called {}", found.name)),
            (None, None) => broken.push(format!("{what} was removed")),
        }
    }
    broken
}

#[test]
fn nothing_that_is_released_was_removed_renumbered_or_retyped() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto/released.binpb");
    let now = FileDescriptorSet::decode(DESCRIPTORS).unwrap();
    let release = env::var_os("WEIR_RELEASE_SCHEMA").is_some();
    if release && !path.exists() {
        fs::write(&path, DESCRIPTORS).unwrap();
    }
    let released = fs::read(&path).unwrap();
    let released = FileDescriptorSet::decode(&*released).unwrap();
    let broken = broken(&released, &now);
    assert!(
        broken.is_empty(),
        "proto/ breaks readers of the last release:\n  {}",
        broken.join("\n  ")
    );
    if release {
        fs::write(&path, DESCRIPTORS).unwrap();
    }
}

#[test]
fn each_kind_of_break_is_found_and_named() {
    type Change = fn(&mut FileDescriptorSet);
    let cases: [(&str, Change, &str); 8] = [
        (
            "a field goes",
            |set| drop(incident(set).field.remove(1)),
            "Incident.version = 2 was removed",
        ),
        (
            "a field moves",
            |set| incident(set).field[1].number = Some(99),
            "Incident.version = 2 is now 99",
        ),
        (
            "a field is retyped",
            |set| incident(set).field[1].set_type(Type::String),
            "was a TYPE_UINT64, now TYPE_STRING",
        ),
        (
            "a field is repeated",
            |set| incident(set).field[1].set_label(Label::Repeated),
            "now repeated TYPE_UINT64",
        ),
        (
            "a name changes",
            |set| incident(set).field[1].name = Some("v".to_owned()),
            "Incident.version = 2 is now called v",
        ),
        (
            "a message goes",
            |set| file(set).message_type.truncate(1),
            "message weir.v1.Evidence was removed",
        ),
        (
            "an enum goes",
            |set| incident(set).enum_type.clear(),
            "enum weir.v1.Incident.State was removed",
        ),
        (
            "an enum value goes",
            |set| drop(incident(set).enum_type[0].value.pop()),
            "value STATE_ENDED = 3 of weir.v1.Incident.State",
        ),
    ];
    let released = FileDescriptorSet::decode(DESCRIPTORS).unwrap();
    for (case, change, wanted) in cases {
        let mut now = released.clone();
        change(&mut now);
        let found = broken(&released, &now).join("\n");
        assert!(found.contains(wanted), "{case}: {found:?}");
    }
}

#[test]
fn adding_breaks_nothing() {
    let released = FileDescriptorSet::decode(DESCRIPTORS).unwrap();
    let mut now = released.clone();
    let mut added = incident(&mut now).field[0].clone();
    added.number = Some(100);
    added.name = Some("added".to_owned());
    incident(&mut now).field.push(added);
    let mut message = incident(&mut now).clone();
    message.name = Some("Added".to_owned());
    file(&mut now).message_type.push(message);
    assert_eq!(broken(&released, &now), Vec::<String>::new());
}

fn file(set: &mut FileDescriptorSet) -> &mut prost_types::FileDescriptorProto {
    let found = set
        .file
        .iter_mut()
        .find(|f| f.name() == "weir/v1/incident.proto");
    found.unwrap()
}

fn incident(set: &mut FileDescriptorSet) -> &mut DescriptorProto {
    &mut file(set).message_type[0]
}
