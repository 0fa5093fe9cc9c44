//! The definitions behind the messages, for who reads records without our code: `.proto` texts for a
//! schema registry, descriptors for a generic reader.

/// One file of package `weir.v1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProtoFile {
    /// As others import it.
    pub name: &'static str,
    /// Its text.
    pub text: &'static str,
    /// What it imports, each a `name` of [`FILES`].
    pub imports: &'static [&'static str],
    /// Its outermost messages in their order: a registry's framing counts them.
    pub messages: &'static [&'static str],
}

const NET: &str = "weir/v1/net.proto";
const BGP: &str = "weir/v1/bgp.proto";
const INCIDENT: &str = "weir/v1/incident.proto";

/// Every file, what is imported before what imports it.
pub const FILES: [ProtoFile; 7] = [
    ProtoFile {
        name: NET,
        text: include_str!("../../../proto/weir/v1/net.proto"),
        imports: &[],
        messages: &["Ipv6", "IpAddress", "Prefix", "Peer"],
    },
    ProtoFile {
        name: BGP,
        text: include_str!("../../../proto/weir/v1/bgp.proto"),
        imports: &[NET],
        messages: &[
            "BgpUpdate",
            "Routes",
            "PathAttributes",
            "PathSegment",
            "Aggregator",
            "LargeCommunity",
            "Control",
            "TopicStart",
            "SourceStart",
            "PeerUp",
            "PeerDown",
            "Gap",
            "EndOfRib",
            "Tick",
            "EndOfInput",
            "KnowledgeChanged",
            "BgpMessage",
            "Update",
            "Open",
            "Notification",
            "Keepalive",
            "StateChange",
        ],
    },
    ProtoFile {
        name: "weir/v1/feature.proto",
        text: include_str!("../../../proto/weir/v1/feature.proto"),
        imports: &[],
        messages: &["FeatureRow", "Feature"],
    },
    ProtoFile {
        name: INCIDENT,
        text: include_str!("../../../proto/weir/v1/incident.proto"),
        imports: &[NET],
        messages: &["Incident", "Evidence", "Member"],
    },
    ProtoFile {
        name: "weir/v1/signal.proto",
        text: include_str!("../../../proto/weir/v1/signal.proto"),
        imports: &[BGP, INCIDENT, NET],
        messages: &["Signal", "Told", "Part", "Link", "Holding", "Hearing"],
    },
    ProtoFile {
        name: "weir/v1/status.proto",
        text: include_str!("../../../proto/weir/v1/status.proto"),
        imports: &[],
        messages: &["ServiceStatus", "PartitionStatus"],
    },
    ProtoFile {
        name: "weir/v1/window.proto",
        text: include_str!("../../../proto/weir/v1/window.proto"),
        imports: &[],
        messages: &["WindowResult", "Measure"],
    },
];

/// A serialized `google.protobuf.FileDescriptorSet` of [`FILES`].
pub const DESCRIPTORS: &[u8] = include_bytes!("generated/weir.v1.binpb");

/// The file that defines `message`, and the place of `message` among its outermost messages.
#[must_use]
pub fn find(message: &str) -> Option<(&'static ProtoFile, usize)> {
    FILES.iter().find_map(|file| {
        let place = file.messages.iter().position(|name| *name == message)?;
        Some((file, place))
    })
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;
    use crate::topics;

    #[test]
    fn the_list_of_files_says_what_the_descriptors_say() {
        let set = prost_types::FileDescriptorSet::decode(DESCRIPTORS).unwrap();
        assert_eq!(set.file.len(), FILES.len());
        for file in set.file {
            let ours = FILES.iter().find(|ours| ours.name == file.name()).unwrap();
            assert_eq!(ours.imports, file.dependency, "{}", ours.name);
            let messages: Vec<_> = file.message_type.iter().map(|m| m.name()).collect();
            assert_eq!(ours.messages, messages, "{}", ours.name);
        }
    }

    #[test]
    fn the_message_of_every_topic_is_found() {
        for topic in topics::ALL {
            assert!(find(topic.message).is_some(), "{}", topic.name);
        }
        assert_eq!(find("BgpMessage").map(|(_, place)| place), Some(16));
        assert_eq!(find("Nothing"), None);
    }
}
