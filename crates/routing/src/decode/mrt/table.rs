//! RIB dumps: TABLE_DUMP (RFC 6396, 4.2) and TABLE_DUMP_V2 (4.3; ADD-PATH RFC 8050).

use std::{io::Read, sync::Arc};

use bgpkit_parser::models::{
    Attributes, CommonHeader, EntryType, PeerIndexTable, RibAfiEntries, TableDumpMessage,
    TableDumpV2Type,
};
use hashbrown::HashSet;
use rustc_hash::FxBuildHasher;

use super::Records;
use crate::{
    decode::bgp::attributes::{self, asn_of},
    update::{Body, Message, Nlri, Peer, Update},
};

/// The dump that is being read.
#[derive(Default)]
pub(super) struct Table {
    index: Option<PeerIndexTable>,
    /// Peers with an entry, in the order of their first.
    peers: Vec<Peer>,
    seen: HashSet<Peer, FxBuildHasher>,
    last_time_us: i64,
}

impl Table {
    pub(super) fn begin(&mut self, index: PeerIndexTable) {
        self.index = Some(index);
    }

    /// The time of the last record and the peers that had an entry; forgets both.
    pub(super) fn end(&mut self) -> (i64, Vec<Peer>) {
        if !self.peers.is_empty() {
            self.seen.clear();
        }
        (self.last_time_us, std::mem::take(&mut self.peers))
    }

    fn saw(&mut self, time_us: i64, peer: Peer) {
        self.last_time_us = time_us;
        if self.peers.last() != Some(&peer) && self.seen.insert(peer) {
            self.peers.push(peer);
        }
    }
}

/// How many entries a RIB record says that it holds, since the parser stops at the first that it
/// cannot read.
pub(super) fn declared_entries(header: &CommonHeader, body: &[u8]) -> Option<usize> {
    // Sequence number, prefix length, prefix, entry count.
    const UNICAST_AND_MULTICAST: [u16; 8] = [2, 3, 4, 5, 8, 9, 10, 11];
    if header.entry_type != EntryType::TABLE_DUMP_V2
        || !UNICAST_AND_MULTICAST.contains(&header.entry_subtype)
    {
        return None;
    }
    let at = 5 + usize::from(body.get(4)?.div_ceil(8));
    let count = body.get(at..at + 2)?;
    Some(usize::from(count[0]) << 8 | usize::from(count[1]))
}

impl<R: Read> Records<R> {
    pub(super) fn rib(&mut self, time_us: i64, rib: RibAfiEntries, declared: Option<usize>) {
        let unicast = matches!(
            rib.rib_type,
            TableDumpV2Type::RibIpv4Unicast
                | TableDumpV2Type::RibIpv4UnicastAddPath
                | TableDumpV2Type::RibIpv6Unicast
                | TableDumpV2Type::RibIpv6UnicastAddPath
        );
        let read = rib.rib_entries.len();
        if !unicast {
            self.skipped.other_families += read as u64;
            return;
        }
        let nlri = match attributes::nlri(&rib.prefix) {
            Ok(nlri) => nlri,
            Err(error) => return self.malformed(error.to_string()),
        };
        for entry in rib.rib_entries {
            let index = entry.peer_index;
            let peer = self.table.index.as_ref().and_then(|table| {
                let peer = table.get_peer_by_id(&index)?;
                Some(Peer::new(peer.peer_ip, asn_of(peer.peer_asn)))
            });
            let Some(peer) = peer else {
                self.malformed(format!(
                    "{}: no peer {index} in the peer index",
                    nlri.prefix
                ));
                continue;
            };
            let nlri = Nlri {
                path_id: entry.path_id.unwrap_or(0),
                ..nlri
            };
            // AS_PATH is of 32 bits here, whatever the session had (RFC 6396, 4.3.4).
            self.entry(time_us, peer, nlri, entry.attributes, true);
        }
        if let Some(declared) = declared
            && declared != read
        {
            self.malformed(format!(
                "{}: {read} of {declared} entries could be read",
                nlri.prefix
            ));
        }
    }

    pub(super) fn table_dump(&mut self, time_us: i64, entry: TableDumpMessage) {
        let peer = Peer::new(entry.peer_ip, asn_of(entry.peer_asn));
        match attributes::nlri(&entry.prefix) {
            Ok(nlri) => self.entry(time_us, peer, nlri, entry.attributes, false),
            Err(error) => self.malformed(error.to_string()),
        }
    }

    fn entry(
        &mut self,
        time_us: i64,
        peer: Peer,
        nlri: Nlri,
        attributes: Attributes,
        four_octet: bool,
    ) {
        let mut parts = match attributes::parts(attributes, four_octet, true) {
            Ok(parts) => parts,
            Err(reason) => {
                return self.malformed(format!("{} of {peer}: {reason}", nlri.prefix));
            }
        };
        // MP_REACH_NLRI is cut down to its next hop (RFC 6396, 4.3.4).
        parts.attributes.next_hop = parts.reached_next_hop.or(parts.attributes.next_hop);
        self.table.saw(time_us, peer);
        self.push(Message {
            event_time_us: time_us,
            peer,
            body: Body::Update(Update {
                attributes: Some(Arc::new(parts.attributes)),
                announced: vec![nlri],
                withdrawn: Vec::new(),
                from_rib: true,
            }),
        });
    }
}
