//! One record of `bgp-updates`, checked: what the detector is told.

use weir_events::position::{TopicEpoch, WriterSeq};
use weir_routing::{Peer, wire::Routes};

/// A record with what its writer said of it. Times are microseconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Name of the collector, `_control` for controls of nobody's.
    pub collector: String,
    /// Identifies the emission.
    pub written: WriterSeq,
    /// When the source says that it happened. Labels only; of a Tick it is the stream time.
    pub event_time_us: i64,
    /// When its bytes reached the process.
    pub receive_time_us: i64,
    /// Made up, not observed.
    pub synthetic: bool,
    /// What it says.
    pub body: Body,
}

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Part of one UPDATE or of one entry of a RIB.
    Routes(Routes),
    /// In-band control.
    Control(Control),
}

/// In-band controls, in order with the data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Control {
    /// First record of a partition.
    TopicStart(TopicEpoch),
    /// A writer begins; its earlier epochs are fenced.
    SourceStart,
    /// A session opened.
    PeerUp(Peer),
    /// A session closed.
    PeerDown(Peer),
    /// Updates of the peer, or of all peers of the collector, were lost.
    Gap(Option<Peer>),
    /// The peer has sent its whole table, or a RIB dump has ended.
    EndOfRib(Option<Peer>),
    /// A dump that was taken at this event time holds no more of the peer.
    EndOfTable(Peer, i64),
    /// Stream time has reached the record's event time.
    Tick,
    /// The collector's files have ended.
    EndOfInput,
    /// New knowledge is stored; it holds from this position on.
    KnowledgeChanged(Knowledge),
}

/// Names a piece of knowledge (VRPs, relations) by its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Knowledge {
    /// What it is about.
    pub kind: String,
    /// Hash of its content.
    pub content_hash: Vec<u8>,
    /// When it was so, microseconds since the Unix epoch.
    pub as_of_us: i64,
}
