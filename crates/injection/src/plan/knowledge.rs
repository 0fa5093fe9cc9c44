//! What others say of a plan, in the formats in which they say it.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use weir_events::time::SECOND_US;
use weir_routing::Asn;

use super::Plan;
use crate::{recipes::Fact, world::World};

impl Plan {
    /// The ROAs and ASPAs of the plan, as relying parties write them, dated at the beginning of the stream.
    #[must_use]
    pub fn rpki(&self, world: &World) -> Value {
        let roas: Vec<Value> = self
            .facts
            .iter()
            .filter_map(|fact| match fact {
                Fact::Roa(prefix, asn) => Some(json!({
                    "prefix": prefix.to_string(),
                    "maxLength": prefix.length(),
                    "asn": format!("AS{}", asn.0),
                    "ta": "made-up",
                })),
                _ => None,
            })
            .collect();
        let silent: BTreeSet<Asn> = self
            .facts
            .iter()
            .filter_map(|fact| match fact {
                Fact::NoProviders(asn) => Some(*asn),
                _ => None,
            })
            .collect();
        let nobody = |asn: &Asn| json!({ "customer_asid": asn.0, "providers": [0] });
        let aspas: Vec<Value> = silent.iter().map(nobody).collect();
        let at = world.span().map_or(0, |(first, _)| first / SECOND_US);
        let metadata = json!({ "generated": at, "synthetic": true });
        json!({ "metadata": metadata, "roas": roas, "aspas": aspas })
    }

    /// The relations of the plan, as CAIDA writes them.
    #[must_use]
    pub fn relations(&self) -> String {
        let mut text = "# made up\n".to_owned();
        let pairs = self.facts.iter().filter_map(|fact| match fact {
            Fact::Customer(provider, customer) => Some((provider.0, customer.0)),
            _ => None,
        });
        // Many stories say the same.
        let pairs: BTreeSet<(u32, u32)> = pairs.collect();
        for (provider, customer) in pairs {
            text += &format!("{provider}|{customer}|-1\n");
        }
        text
    }

    /// The organisations of the plan, as CAIDA writes them.
    #[must_use]
    pub fn organisations(&self) -> String {
        let mut text = String::new();
        for (number, fact) in self.facts.iter().enumerate() {
            if let Fact::Siblings(one, other) = fact {
                for asn in [one, other] {
                    let line = json!({
                        "type": "ASN",
                        "asn": asn.0.to_string(),
                        "organizationId": format!("made-up-{number}"),
                    });
                    text += &format!("{line}\n");
                }
            }
        }
        text
    }
}
