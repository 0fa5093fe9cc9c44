//! What a task has counted since the log began; part of its state, so that it is exact after a crash.

use weir_eventlog::status::StatusBoard;

/// In elements (announced + withdrawn prefixes) where nothing else is said.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct Counters {
    /// All that came, without context copies.
    #[prost(uint64, tag = "1")]
    pub(crate) elements_in: u64,
    /// Counted in windows. In the origin task this includes withdrawals, which no window holds.
    #[prost(uint64, tag = "2")]
    pub(crate) counted: u64,
    /// Of a RIB dump: seeds, not events.
    #[prost(uint64, tag = "3")]
    pub(crate) seeded: u64,
    /// Beyond the allowed lateness.
    #[prost(uint64, tag = "4")]
    pub(crate) late: u64,
    /// Context copies.
    #[prost(uint64, tag = "5")]
    pub(crate) copies: u64,
    /// Records sent twice.
    #[prost(uint64, tag = "6")]
    pub(crate) duplicates: u64,
    /// Records that went to the dead letters because they could not be read.
    #[prost(uint64, tag = "7")]
    pub(crate) undecodable: u64,
    /// Records beyond the allowed lateness.
    #[prost(uint64, tag = "8")]
    pub(crate) late_records: u64,
    /// Rows published.
    #[prost(uint64, tag = "9")]
    pub(crate) rows: u64,
}

impl Counters {
    /// Every element that came in went somewhere that has a name.
    pub(crate) fn elements_out(&self) -> u64 {
        self.counted + self.seeded + self.late
    }

    pub(crate) fn show(&self, board: &StatusBoard, partition: u32) {
        for (name, value) in [
            ("elements_in", self.elements_in),
            ("elements_out", self.elements_out()),
            ("copies", self.copies),
            ("seeded", self.seeded),
            ("late", self.late),
            ("late_records", self.late_records),
            ("duplicates", self.duplicates),
            ("dead_letters", self.undecodable + self.late_records),
            ("rows", self.rows),
        ] {
            board.set(name, partition, value);
        }
    }
}
