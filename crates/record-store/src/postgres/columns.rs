//! Rows of incidents and updates to columns of PostgreSQL, and back.

use std::{fmt::Write, net::IpAddr};

use chrono::{DateTime, Utc};
use serde::{Serialize, de::DeserializeOwned};
use sqlx::{
    Row,
    postgres::PgRow,
    types::{Json, ipnetwork::IpNetwork},
};
use weir_events::position::Version;
use weir_routing::prefix::Prefix;

use crate::{
    RecordError,
    incident::{EndReason, IncidentRow, Severity, State, Transition, TransitionRow},
    updates::UpdateRow,
};

pub(super) const SELECT_INCIDENTS: &str = "
SELECT id::text AS id_text, version, type, state, severity::text AS severity, prefix,
  covering_prefix, origins, expected_origins, suspect_asn, suspect_set, victim_asns, first_seen,
  suspected_at, confirmed_at, ended_at, end_reason, last_seen, reopened, visible_peers, total_peers,
  peer_asns, evidence, reasons, synthetic, transition, transition_at, suspicion::bigint AS suspicion,
  members, member_count, coalesce(case_id, id)::text AS case_text
FROM bgp_conflicts";

pub(super) const SELECT_HISTORY: &str = "
SELECT incident_id::text AS id_text, version, transition, state, severity::text AS severity, at,
  visible_peers, total_peers, reasons, member_count
FROM bgp_conflict_history";

pub(super) const SELECT_UPDATES: &str = "
SELECT log_offset, item, event_time, receive_time, collector, peer_address, peer_asn, prefix, action,
  as_path, origin_asn, next_hop, med, local_pref, communities, from_rib, synthetic
FROM bgp_updates";

/// Years 1 to 9999 as microseconds: what people and every driver can read.
const TIMES: (i64, i64) = (-62_135_596_800_000_000, 253_402_300_799_999_999);

/// A time; what is beyond the years 1 to 9999 stands at their edge.
pub(super) fn time(us: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(us.clamp(TIMES.0, TIMES.1)).unwrap_or_default()
}

/// Text without the one character that PostgreSQL cannot store.
pub(super) fn text(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// Numbers as the text of an array, since arrays of arrays cannot be unnested by row.
pub(super) fn list_text(numbers: &[u32]) -> String {
    let mut text = String::from("{");
    for (at, number) in numbers.iter().enumerate() {
        let comma = if at == 0 { "" } else { "," };
        let _ = write!(text, "{comma}{number}");
    }
    text.push('}');
    text
}

/// The text of a JSON value.
pub(super) fn json_text(value: &impl Serialize) -> String {
    let json = serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned());
    // Stands for the character that PostgreSQL cannot store.
    json.replace("\\u0000", "\u{fffd}")
}

pub(super) fn network(prefix: &Prefix) -> IpNetwork {
    let address = prefix.address();
    // A length that fits the address is what makes a prefix.
    IpNetwork::new(address, prefix.length()).unwrap_or_else(|_| address.into())
}

pub(super) fn host(address: IpAddr) -> IpNetwork {
    address.into()
}

/// A number of a partition; there are never so many that one does not fit.
pub(super) fn int(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// Reads columns by name; a failure names the row and the column.
struct Columns<'r> {
    row: &'r PgRow,
    id: String,
}

impl<'r> Columns<'r> {
    fn of(row: &'r PgRow) -> Self {
        Self {
            row,
            id: row.try_get("id_text").unwrap_or_default(),
        }
    }

    fn corrupt(&self, column: &'static str) -> RecordError {
        RecordError::Corrupt {
            id: self.id.clone(),
            column,
        }
    }

    fn get<T>(&self, column: &'static str) -> Result<T, RecordError>
    where
        T: sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
    {
        self.row.try_get(column).map_err(|_| self.corrupt(column))
    }

    fn number(&self, column: &'static str) -> Result<u32, RecordError> {
        u32::try_from(self.get::<i64>(column)?).map_err(|_| self.corrupt(column))
    }

    fn maybe_number(&self, column: &'static str) -> Result<Option<u32>, RecordError> {
        let number: Option<i64> = self.get(column)?;
        number
            .map(|number| u32::try_from(number).map_err(|_| self.corrupt(column)))
            .transpose()
    }

    fn numbers(&self, column: &'static str) -> Result<Vec<u32>, RecordError> {
        let numbers: Vec<i64> = self.get(column)?;
        numbers
            .into_iter()
            .map(|number| u32::try_from(number).map_err(|_| self.corrupt(column)))
            .collect()
    }

    fn version(&self) -> Result<Version, RecordError> {
        u64::try_from(self.get::<i64>("version")?)
            .map(Version)
            .map_err(|_| self.corrupt("version"))
    }

    fn time(&self, column: &'static str) -> Result<i64, RecordError> {
        Ok(self.get::<DateTime<Utc>>(column)?.timestamp_micros())
    }

    fn maybe_time(&self, column: &'static str) -> Result<Option<i64>, RecordError> {
        let time: Option<DateTime<Utc>> = self.get(column)?;
        Ok(time.map(|time| time.timestamp_micros()))
    }

    fn json<T: DeserializeOwned + 'r>(&self, column: &'static str) -> Result<T, RecordError> {
        Ok(self.get::<Json<T>>(column)?.0)
    }

    fn named<T>(
        &self,
        column: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, RecordError> {
        parse(self.get::<&str>(column)?).ok_or_else(|| self.corrupt(column))
    }

    fn prefix(&self, column: &'static str) -> Result<Option<Prefix>, RecordError> {
        let network: Option<IpNetwork> = self.get(column)?;
        network
            .map(|network| {
                Prefix::new(network.ip(), network.prefix()).map_err(|_| self.corrupt(column))
            })
            .transpose()
    }
}

pub(super) fn incident(row: &PgRow) -> Result<IncidentRow, RecordError> {
    let c = Columns::of(row);
    Ok(IncidentRow {
        version: c.version()?,
        kind: c.get("type")?,
        prefix: c.prefix("prefix")?,
        origins: c.numbers("origins")?,
        expected_origins: c.numbers("expected_origins")?,
        suspect_asn: c.maybe_number("suspect_asn")?,
        suspect_set: c.numbers("suspect_set")?,
        victim_asns: c.numbers("victim_asns")?,
        covering_prefix: c.prefix("covering_prefix")?,
        state: c.named("state", State::parse)?,
        severity: c.named("severity", Severity::parse)?,
        suspicion: c
            .maybe_number("suspicion")?
            .map(|points| u8::try_from(points).map_err(|_| c.corrupt("suspicion")))
            .transpose()?,
        first_seen_us: c.time("first_seen")?,
        suspected_at_us: c.maybe_time("suspected_at")?,
        confirmed_at_us: c.maybe_time("confirmed_at")?,
        ended_at_us: c.maybe_time("ended_at")?,
        end_reason: c
            .get::<Option<&str>>("end_reason")?
            .and_then(EndReason::parse),
        last_seen_us: c.time("last_seen")?,
        reopened: c.number("reopened")?,
        visible_peers: c.number("visible_peers")?,
        total_peers: c.number("total_peers")?,
        peer_asns: c.numbers("peer_asns")?,
        evidence: c.json("evidence")?,
        reasons: c.json("reasons")?,
        synthetic: c.get("synthetic")?,
        members: c.json("members")?,
        member_count: c.number("member_count")?,
        case_id: c.get("case_text")?,
        transition: c.named("transition", Transition::parse)?,
        transition_at_us: c.time("transition_at")?,
        id: c.id,
    })
}

/// A row of the history, and whose it is.
pub(super) fn transition(row: &PgRow) -> Result<(String, TransitionRow), RecordError> {
    let c = Columns::of(row);
    let transition = TransitionRow {
        version: c.version()?,
        transition: c.named("transition", Transition::parse)?,
        state: c.named("state", State::parse)?,
        severity: c.named("severity", Severity::parse)?,
        at_us: c.time("at")?,
        visible_peers: c.number("visible_peers")?,
        total_peers: c.number("total_peers")?,
        reasons: c.json("reasons")?,
        member_count: c.number("member_count")?,
    };
    Ok((c.id, transition))
}

pub(super) fn update(row: &PgRow) -> Result<UpdateRow, RecordError> {
    let c = Columns {
        row,
        id: "of bgp_updates".to_owned(),
    };
    let item: i32 = c.get("item")?;
    Ok(UpdateRow {
        offset: c.get("log_offset")?,
        item: u32::try_from(item).map_err(|_| c.corrupt("item"))?,
        event_time_us: c.time("event_time")?,
        receive_time_us: c.time("receive_time")?,
        collector: c.get("collector")?,
        peer_address: c.get::<IpNetwork>("peer_address")?.ip(),
        peer_asn: c.number("peer_asn")?,
        prefix: c.prefix("prefix")?.ok_or_else(|| c.corrupt("prefix"))?,
        announced: c.get::<&str>("action")? == "announce",
        as_path: c.get("as_path")?,
        origin_asn: c.maybe_number("origin_asn")?,
        next_hop: c.get::<Option<IpNetwork>>("next_hop")?.map(|hop| hop.ip()),
        med: c.maybe_number("med")?,
        local_pref: c.maybe_number("local_pref")?,
        communities: c.get("communities")?,
        from_rib: c.get("from_rib")?,
        synthetic: c.get("synthetic")?,
    })
}
