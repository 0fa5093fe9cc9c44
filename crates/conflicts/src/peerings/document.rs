//! Peerings as they are written: TOML with a table `[[peerings]]` for each, or JSON with the list `peerings`, or that
//! list alone.
//!
//! ```toml
//! [[peerings]]
//! name = "edge1-transit"          # or `id`; no two may have the same
//! device = "edge1"
//! local_asn = 64496
//! peer_asn = 64497
//! peer_ip = "192.0.2.1"
//! status = "active"               # or pending, disabled
//! # May be absent: interface, vrf, organisation, hold_time, keepalive (seconds), address_families (names), and
//! [peerings.routing_policy]
//! import = { prefixes = ["198.51.100.0/24"], as_path = [64497, 64499] }
//! export = { prefixes = ["203.0.113.0/24"] }
//! ```

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    PeerIp, Peering, Policy,
    fields::{ASN, Fields, ID, PATH, PREFIX, SECONDS, STATUS, TEXT, shown},
    unique::Unique,
};

/// Greatest document, in bytes.
pub const MOST_BYTES: u64 = 16 << 20;
/// Most peerings of a document.
pub const MOST_PEERINGS: usize = 100_000;

const KEYS: [&str; 14] = [
    "id",
    "name",
    "device",
    "interface",
    "vrf",
    "organisation",
    "local_asn",
    "peer_asn",
    "peer_ip",
    "status",
    "hold_time",
    "keepalive",
    "address_families",
    "routing_policy",
];

/// How a document is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// TOML 1.0.
    Toml,
    /// JSON, RFC 8259.
    Json,
}

/// Why a document holds no peerings that could be judged. Peerings are counted from 1.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// Longer than any that is meant.
    #[error("more than the {MOST_BYTES} bytes that are read of a list of peerings")]
    Long,
    /// No TOML.
    #[error("not TOML: line {line}: {reason}")]
    Toml {
        /// Counted from 1.
        line: usize,
        /// What was wrong there.
        reason: String,
    },
    /// No JSON, or an object with a key twice; says where.
    #[error("not JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// Something else.
    #[error(
        "expected a list of tables under the key `peerings` and nothing beside it, found {found}"
    )]
    NoPeerings {
        /// What stands there.
        found: String,
    },
    /// More than are judged.
    #[error("{count} peerings are more than the {MOST_PEERINGS} that are read")]
    Many {
        /// How many there are.
        count: usize,
    },
    /// A peering, or a part of one, that has no keys.
    #[error("{peering}: {}expected a table of keys, found {found}", place(table))]
    NoTable {
        /// Its number and its name.
        peering: String,
        /// Which part; empty for the peering itself.
        table: String,
        /// What stands there.
        found: String,
    },
    /// A key that says nothing to us.
    #[error("{peering}: `{key}` is not known; expected one of {known}")]
    Unknown {
        /// Its number and its name.
        peering: String,
        /// As `table.key`.
        key: String,
        /// Which there are.
        known: String,
    },
    /// A value that is absent, or none.
    #[error("{peering}: `{key}`: expected {expected}, found {found}")]
    Value {
        /// Its number and its name.
        peering: String,
        /// As `table.key`, items of a list from 0.
        key: String,
        /// How it is written.
        expected: &'static str,
        /// What stands there.
        found: String,
    },
    /// Findings could not tell two peerings apart.
    #[error(
        "{peering} has the `id` of peering {first} (without an `id` the `name` stands for it); expected one of its own"
    )]
    Twice {
        /// Its number and its name.
        peering: String,
        /// The number of the other one.
        first: usize,
    },
}

fn place(table: &str) -> String {
    match table {
        "" => String::new(),
        table => format!("`{table}`: "),
    }
}

/// Reads a document.
///
/// # Errors
/// Names the first peering that cannot be read, its key, and what was expected: nothing is read then.
pub fn read(text: &[u8], format: Format) -> Result<Vec<Peering>, DocumentError> {
    if text.len() as u64 > MOST_BYTES {
        return Err(DocumentError::Long);
    }
    let document = match format {
        Format::Toml => toml(text)?,
        Format::Json => serde_json::from_slice::<Unique>(text)?.0,
    };
    let entries = entries(&document)?;
    if entries.len() > MOST_PEERINGS {
        return Err(DocumentError::Many {
            count: entries.len(),
        });
    }
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut peerings = Vec::with_capacity(entries.len());
    for (number, entry) in (1..).zip(entries) {
        let named = named(number, entry);
        let peering = peering(&named, entry)?;
        if let Some(first) = seen.insert(peering.id.clone(), number) {
            return Err(DocumentError::Twice {
                peering: named,
                first,
            });
        }
        peerings.push(peering);
    }
    Ok(peerings)
}

fn toml(text: &[u8]) -> Result<Value, DocumentError> {
    let no_text = |error: std::str::Utf8Error| DocumentError::Toml {
        line: line(text, error.valid_up_to()),
        reason: "expected UTF-8".to_owned(),
    };
    let parsed = toml::from_str(std::str::from_utf8(text).map_err(no_text)?);
    parsed.map_err(|error: toml::de::Error| DocumentError::Toml {
        line: line(text, error.span().map_or(0, |span| span.start)),
        reason: error.message().to_owned(),
    })
}

/// The line of a byte, from 1 on.
fn line(text: &[u8], byte: usize) -> usize {
    let before = &text[..byte.min(text.len())];
    1 + before.iter().filter(|byte| **byte == b'\n').count()
}

fn entries(document: &Value) -> Result<&[Value], DocumentError> {
    let refused = |found| Err(DocumentError::NoPeerings { found });
    let list = match document {
        Value::Object(keys) => {
            if let Some(key) = keys.keys().find(|key| *key != "peerings") {
                return refused(format!("the key `{key}`"));
            }
            let Some(list) = keys.get("peerings") else {
                return refused("no such key".to_owned());
            };
            list
        }
        list => list,
    };
    match list {
        Value::Array(entries) => Ok(entries),
        other => refused(shown(other)),
    }
}

/// `peering 3 ("edge1-transit")`, as far as it has a name.
fn named(number: usize, entry: &Value) -> String {
    let told = |key| entry.get(key).filter(|name| !name.is_null());
    match told("id").or_else(|| told("name")) {
        Some(name) => format!("peering {number} ({})", shown(name)),
        None => format!("peering {number}"),
    }
}

fn peering(named: &str, entry: &Value) -> Result<Peering, DocumentError> {
    let fields = Fields::of(named, entry, &KEYS)?;
    let name = fields.get("name", &TEXT)?;
    let id = match (fields.get("id", &ID)?, name) {
        (Some(id), _) | (None, Some(id)) => id,
        (None, None) => fields.need("name", &TEXT)?,
    };
    let policy = fields.table("routing_policy", &["import", "export"])?;
    Ok(Peering {
        id,
        device: fields.need("device", &TEXT)?,
        interface: fields.get("interface", &TEXT)?,
        vrf: fields.get("vrf", &TEXT)?,
        organisation: fields.get("organisation", &TEXT)?,
        local_asn: fields.need("local_asn", &ASN)?,
        peer_asn: fields.need("peer_asn", &ASN)?,
        // What is no address is a finding, and does not keep the others from being judged.
        peer_ip: PeerIp::new(&fields.need("peer_ip", &TEXT)?),
        status: fields.need("status", &STATUS)?,
        hold_time: fields.get("hold_time", &SECONDS)?,
        keepalive: fields.get("keepalive", &SECONDS)?,
        address_families: fields.list("address_families", &TEXT)?,
        import: direction(&policy, "import")?,
        export: direction(&policy, "export")?,
    })
}

fn direction(policy: &Fields<'_>, name: &str) -> Result<Policy, DocumentError> {
    let fields = policy.table(name, &["prefixes", "as_path"])?;
    Ok(Policy {
        prefixes: fields.list("prefixes", &PREFIX)?,
        as_path: fields.get("as_path", &PATH)?.unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests;
