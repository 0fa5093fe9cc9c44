//! An event as JSON, by its descriptor: every field that is set, under its own name, addresses and
//! prefixes as text. So a field that is added to `proto/` appears here by itself.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor,
    ReflectMessage as _, Value,
};
use serde_json::{Map, Value as Json, json};
use weir_events::proto::DESCRIPTORS;

use crate::progress::Failure;

/// Reads one kind of message.
pub(super) struct Decoder {
    message: MessageDescriptor,
}

impl Decoder {
    /// For the message `name` of package `weir.v1`.
    pub(super) fn new(name: &str) -> Result<Self, Failure> {
        let pool = DescriptorPool::decode(DESCRIPTORS).map_err(Failure::broken)?;
        let message = pool
            .get_message_by_name(&format!("weir.v1.{name}"))
            .ok_or_else(|| Failure::Broken(format!("no definition of {name}")))?;
        Ok(Self { message })
    }

    /// The record as JSON, or why it is none.
    pub(super) fn decode(&self, payload: &[u8]) -> Result<Json, String> {
        let message = DynamicMessage::decode(self.message.clone(), payload);
        Ok(object(&message.map_err(|error| error.to_string())?))
    }
}

fn object(message: &DynamicMessage) -> Json {
    let name = message.descriptor();
    let special = match name.full_name() {
        "weir.v1.IpAddress" => address(message).map(|address| address.to_string()),
        "weir.v1.Prefix" => prefix(message),
        _ => None,
    };
    if let Some(text) = special {
        return json!(text);
    }
    let fields = message.fields();
    Json::Object(
        fields
            .map(|(field, value)| (field.name().to_owned(), json_of(&field, value)))
            .collect(),
    )
}

fn json_of(field: &FieldDescriptor, value: &Value) -> Json {
    match value {
        Value::Bool(truth) => json!(truth),
        Value::I32(number) => json!(number),
        Value::I64(number) => json!(number),
        Value::U32(number) => json!(number),
        Value::U64(number) => json!(number),
        Value::F32(number) => json!(number),
        Value::F64(number) => json!(number),
        Value::String(text) => json!(text),
        Value::Bytes(bytes) => json!(hexadecimal(bytes)),
        Value::EnumNumber(number) => enum_name(field, *number),
        Value::Message(message) => object(message),
        Value::List(values) => values.iter().map(|value| json_of(field, value)).collect(),
        Value::Map(entries) => {
            let Kind::Message(entry) = field.kind() else {
                return Json::Null;
            };
            let values = entry.map_entry_value_field();
            let mut rows: Vec<_> = entries
                .iter()
                .map(|(key, value)| (text(key), value))
                .collect();
            rows.sort_by(|a, b| a.0.cmp(&b.0));
            let rows = rows
                .into_iter()
                .map(|(key, value)| (key, json_of(&values, value)));
            Json::Object(rows.collect::<Map<_, _>>())
        }
    }
}

fn enum_name(field: &FieldDescriptor, number: i32) -> Json {
    match field.kind() {
        Kind::Enum(kind) => kind
            .get_value(number)
            .map_or(json!(number), |value| json!(value.name())),
        _ => json!(number),
    }
}

fn text(key: &MapKey) -> String {
    match key {
        MapKey::Bool(key) => key.to_string(),
        MapKey::I32(key) => key.to_string(),
        MapKey::I64(key) => key.to_string(),
        MapKey::U32(key) => key.to_string(),
        MapKey::U64(key) => key.to_string(),
        MapKey::String(key) => key.clone(),
    }
}

/// The address in an `IpAddress` or a `Prefix`.
fn address(message: &DynamicMessage) -> Option<IpAddr> {
    if message.has_field_by_name("ipv4") {
        let bits = message.get_field_by_name("ipv4")?.as_u32()?;
        return Some(Ipv4Addr::from_bits(bits).into());
    }
    if !message.has_field_by_name("ipv6") {
        return None;
    }
    let value = message.get_field_by_name("ipv6")?;
    let v6 = value.as_message()?;
    let half = |name| v6.get_field_by_name(name)?.as_u64();
    let bits = (u128::from(half("high")?) << 64) | u128::from(half("low")?);
    Some(Ipv6Addr::from_bits(bits).into())
}

fn prefix(message: &DynamicMessage) -> Option<String> {
    let address = address(message)?;
    let length = message.get_field_by_name("length")?.as_u32()?;
    let path = message.get_field_by_name("path_id")?.as_u32()?;
    Some(match path {
        0 => format!("{address}/{length}"),
        path => format!("{address}/{length} path {path}"),
    })
}

pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use weir_events::v1;

    use super::*;

    #[test]
    fn an_event_is_shown_with_its_names_and_addresses_as_text() {
        use prost_reflect::prost::Message as _;
        let incident = v1::Incident {
            id: "a".to_owned(),
            prefix: Some(v1::Prefix {
                address: Some(v1::prefix::Address::Ipv4(0xc633_6400)),
                length: 24,
                path_id: 0,
            }),
            origins: vec![64_496, 64_497],
            state: v1::incident::State::Confirmed.into(),
            evidence: vec![v1::Evidence {
                peer: Some(v1::Peer {
                    address: Some(v1::IpAddress {
                        address: Some(v1::ip_address::Address::Ipv6(v1::Ipv6 {
                            high: 0x2001_0db8 << 32,
                            low: 1,
                        })),
                    }),
                    asn: 64_498,
                }),
                ..v1::Evidence::default()
            }],
            ..v1::Incident::default()
        };
        let decoder = Decoder::new("Incident").unwrap();
        assert_eq!(
            decoder.decode(&incident.encode_to_vec()).unwrap(),
            json!({
                "id": "a",
                "prefix": "198.51.100.0/24",
                "origins": [64_496, 64_497],
                "state": "STATE_CONFIRMED",
                "evidence": [{"peer": {"address": "2001:db8::1", "asn": 64_498}}],
            })
        );
        assert!(decoder.decode(b"\xff").is_err());
        let status = v1::ServiceStatus {
            counters: [("elements_in".to_owned(), 3)].into(),
            ..v1::ServiceStatus::default()
        };
        let decoder = Decoder::new("ServiceStatus").unwrap();
        let shown = decoder.decode(&status.encode_to_vec()).unwrap();
        assert_eq!(shown, json!({"counters": {"elements_in": 3}}));
    }
}
