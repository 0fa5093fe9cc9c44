//! Updates that are kept: one row per prefix that a record of `bgp-updates` announces or withdraws.

use std::{collections::BTreeSet, net::IpAddr};

use serde::{Deserialize, Serialize};
use weir_events::{
    position::StoreFence,
    time::{DAY_US, MINUTE_US},
};
use weir_routing::prefix::Prefix;

use crate::{Backend, PrefixMatch, RecordError, RecordStore};

/// An update this long before an incident was first seen still belongs to its evidence: collectors'
/// clocks differ.
pub const EVIDENCE_BEFORE_US: i64 = MINUTE_US;
/// The same after its end: within this time it may open again.
pub const EVIDENCE_AFTER_US: i64 = 10 * MINUTE_US;

/// No collector is older: 1990-01-01.
const FIRST_DAY: i64 = 7_305;

/// One prefix of one update. Times are microseconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateRow {
    /// Offset of the record in its partition of `bgp-updates`.
    pub offset: i64,
    /// Counts the prefixes of that record.
    pub item: u32,
    /// When the source says that it happened.
    pub event_time_us: i64,
    /// When its bytes reached us.
    pub receive_time_us: i64,
    /// Who heard it.
    pub collector: String,
    /// Who said it: address.
    pub peer_address: IpAddr,
    /// Who said it: ASN.
    pub peer_asn: u32,
    /// About what.
    #[serde(with = "as_text")]
    pub prefix: Prefix,
    /// Announced; else withdrawn.
    pub announced: bool,
    /// As a person writes it; empty for a withdrawal.
    pub as_path: String,
    /// The AS at the end of the path; absent for a withdrawal or a set.
    pub origin_asn: Option<u32>,
    /// The global one.
    pub next_hop: Option<IpAddr>,
    /// MULTI_EXIT_DISC.
    pub med: Option<u32>,
    /// LOCAL_PREF.
    pub local_pref: Option<u32>,
    /// RFC 1997 and RFC 8092, as text: `64496:1`, `64496:1:2`.
    pub communities: Vec<String>,
    /// An entry of a RIB dump.
    pub from_rib: bool,
    /// Made up.
    pub synthetic: bool,
}

impl UpdateRow {
    /// Days since the Unix epoch.
    pub(crate) fn day(&self) -> i64 {
        self.event_time_us.div_euclid(DAY_US)
    }
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Rows that are new.
    pub written: u64,
    /// Rows whose event time is before 1990, more than a day ahead of the clock, or older than the
    /// days that are kept.
    pub refused: u64,
}

/// Which days may be written, by the newest day that holds rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Horizon {
    /// The newest day.
    pub(crate) newest: i64,
    /// The oldest day that is kept.
    pub(crate) oldest: i64,
}

impl Horizon {
    /// After `rows` join a store whose newest day was `newest`, at `now_us`; `None` when there is no
    /// day at all.
    pub(crate) fn after(
        rows: &[UpdateRow],
        newest: Option<i64>,
        now_us: i64,
        retention_days: u32,
    ) -> Option<Self> {
        let possible = FIRST_DAY..=now_us.div_euclid(DAY_US) + 1;
        let days = rows.iter().map(UpdateRow::day);
        let newest = days
            .filter(|day| possible.contains(day))
            .max()
            .max(newest)?;
        let oldest = newest - i64::from(retention_days.max(1)) + 1;
        Some(Self {
            newest,
            oldest: oldest.max(FIRST_DAY),
        })
    }

    /// The days of the rows that may be written.
    pub(crate) fn days(&self, rows: &[UpdateRow]) -> BTreeSet<i64> {
        let rows = rows.iter().filter(|row| self.holds(row));
        rows.map(UpdateRow::day).collect()
    }

    pub(crate) fn holds(&self, row: &UpdateRow) -> bool {
        (self.oldest..=self.newest).contains(&row.day())
    }
}

impl RecordStore {
    /// Writes rows of `partition` of `bgp-updates` and their writer's next offset, in one
    /// transaction. A row that is there stays as it is. Days beyond the retention go.
    ///
    /// # Errors
    /// `Fenced` when a later assignment has raised the fence; nothing is written then. Strange event
    /// times are no error: they are refused and counted.
    pub async fn record_updates(
        &self,
        rows: &[UpdateRow],
        partition: u32,
        next_offset: i64,
        fence: StoreFence,
    ) -> Result<Kept, RecordError> {
        match &self.backend {
            Backend::Sqlite(sqlite) => {
                sqlite
                    .record_updates(rows, partition, next_offset, fence)
                    .await
            }
            Backend::Postgres(postgres) => {
                postgres
                    .record_updates(rows, partition, next_offset, fence)
                    .await
            }
        }
    }

    /// For each (prefix, event time): does it belong to the evidence of an incident? True when the
    /// prefix is that of an incident, or the covering prefix that it names, and the time lies from
    /// [`EVIDENCE_BEFORE_US`] before it was first seen to [`EVIDENCE_AFTER_US`] after its end.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn are_evidence(&self, asked: &[(Prefix, i64)]) -> Result<Vec<bool>, RecordError> {
        let found = match &self.backend {
            _ if asked.is_empty() => Vec::new(),
            Backend::Sqlite(sqlite) => sqlite.evidence(asked).await?,
            Backend::Postgres(postgres) => postgres.evidence(asked).await?,
        };
        let mut are = vec![false; asked.len()];
        for at in found {
            if let Some(is) = usize::try_from(at).ok().and_then(|at| are.get_mut(at)) {
                *is = true;
            }
        }
        Ok(are)
    }

    /// Kept updates about prefixes that lie so, in `from_us..to_us`, oldest first, at most `limit`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn updates(
        &self,
        prefix: PrefixMatch,
        from_us: i64,
        to_us: i64,
        limit: u32,
    ) -> Result<Vec<UpdateRow>, RecordError> {
        match &self.backend {
            Backend::Sqlite(sqlite) => sqlite.updates(prefix, from_us, to_us, limit).await,
            Backend::Postgres(postgres) => postgres.updates(prefix, from_us, to_us, limit).await,
        }
    }

    /// True when every service may share this store over the network: PostgreSQL.
    #[must_use]
    pub fn is_server(&self) -> bool {
        matches!(self.backend, Backend::Postgres(_))
    }
}

/// A prefix as `address/length`.
mod as_text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use weir_routing::prefix::Prefix;

    pub(super) fn serialize<S: Serializer>(prefix: &Prefix, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(prefix)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Prefix, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}
