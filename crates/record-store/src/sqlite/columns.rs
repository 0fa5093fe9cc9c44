//! Rows of incidents as columns: to JSON for a whole batch in one statement, and back from SQL.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sqlx::{Row, sqlite::SqliteRow};
use weir_events::position::Version;
use weir_routing::prefix::Prefix;

use crate::{
    RecordError,
    batch::{asns, member_prefixes},
    incident::{EndReason, IncidentRow, Severity, State, Transition, TransitionRow},
};

/// Family, first and last address of a prefix, as keys that sort by address.
pub(crate) fn range(prefix: &Prefix) -> (i64, [u8; 16], [u8; 16]) {
    let (family, width, start) = match prefix.address() {
        std::net::IpAddr::V4(v4) => (4, 32, u128::from(v4.to_bits())),
        std::net::IpAddr::V6(v6) => (6, 128, v6.to_bits()),
    };
    let free = width - u32::from(prefix.length());
    let hosts = 1_u128.checked_shl(free).map_or(u128::MAX, |size| size - 1);
    (family, start.to_be_bytes(), (start | hosts).to_be_bytes())
}

/// Upper-case hexadecimal, as SQLite's `unhex` reads.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02X}");
        text
    })
}

/// What the batch statements read with `json_each`.
pub(crate) fn to_json(row: &IncidentRow) -> Value {
    let range_of = row.prefix.as_ref().map(range);
    let gathered = member_prefixes(row).into_iter().map(|prefix| {
        let (family, start, _) = range(&prefix);
        json!({ "family": family, "start": hex(&start), "length": prefix.length() })
    });
    json!({
        "id": row.id, "version": row.version.0, "type": row.kind,
        "state": row.state, "severity": row.severity as i64,
        "family": range_of.map(|(family, _, _)| family),
        "start": range_of.map(|(_, start, _)| hex(&start)),
        "end": range_of.map(|(_, _, end)| hex(&end)),
        "length": row.prefix.map(|prefix| prefix.length()),
        "covering": row.covering_prefix.map(|prefix| prefix.to_string()),
        "origins": row.origins, "expected": row.expected_origins,
        "suspect": row.suspect_asn, "set": row.suspect_set, "victims": row.victim_asns,
        "first_seen": row.first_seen_us, "suspected_at": row.suspected_at_us,
        "confirmed_at": row.confirmed_at_us, "ended_at": row.ended_at_us,
        "end_reason": row.end_reason, "last_seen": row.last_seen_us,
        "reopened": row.reopened, "visible": row.visible_peers, "total": row.total_peers,
        "peer_asns": row.peer_asns, "evidence": row.evidence, "reasons": row.reasons,
        "synthetic": row.synthetic, "transition": row.transition, "at": row.transition_at_us,
        "suspicion": row.suspicion, "asns": asns(row), "members": row.members,
        "member_count": row.member_count, "case_id": row.case_id, "gathered": gathered.collect::<Vec<_>>(),
    })
}

/// Reads columns by name; a failure names the row and the column.
struct Columns<'r> {
    row: &'r SqliteRow,
    id: String,
}

impl<'r> Columns<'r> {
    fn corrupt(&self, column: &'static str) -> RecordError {
        RecordError::Corrupt {
            id: self.id.clone(),
            column,
        }
    }

    fn get<T>(&self, column: &'static str) -> Result<T, RecordError>
    where
        T: sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
    {
        self.row.try_get(column).map_err(|_| self.corrupt(column))
    }

    fn count(&self, column: &'static str) -> Result<u32, RecordError> {
        u32::try_from(self.get::<i64>(column)?).map_err(|_| self.corrupt(column))
    }

    fn version(&self) -> Result<Version, RecordError> {
        u64::try_from(self.get::<i64>("version")?)
            .map(Version)
            .map_err(|_| self.corrupt("version"))
    }

    fn json<T: DeserializeOwned>(&self, column: &'static str) -> Result<T, RecordError> {
        serde_json::from_str(self.get::<&str>(column)?).map_err(|_| self.corrupt(column))
    }

    fn named<T>(
        &self,
        column: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, RecordError> {
        parse(self.get::<&str>(column)?).ok_or_else(|| self.corrupt(column))
    }

    fn severity(&self) -> Result<Severity, RecordError> {
        Severity::from_number(self.get("severity")?).ok_or_else(|| self.corrupt("severity"))
    }

    fn prefix(&self) -> Result<Option<Prefix>, RecordError> {
        let Some(start) = self.get::<Option<Vec<u8>>>("network_start")? else {
            return Ok(None);
        };
        let start: [u8; 16] = start
            .try_into()
            .map_err(|_| self.corrupt("network_start"))?;
        let bits = u128::from_be_bytes(start);
        let address = match (self.get::<i64>("family")?, u32::try_from(bits)) {
            (4, Ok(bits)) => std::net::Ipv4Addr::from_bits(bits).into(),
            (6, _) => std::net::Ipv6Addr::from_bits(bits).into(),
            _ => return Err(self.corrupt("family")),
        };
        let length = u8::try_from(self.get::<i64>("prefix_length")?).ok();
        let prefix = length.and_then(|length| Prefix::new(address, length).ok());
        match prefix {
            Some(prefix) => Ok(Some(prefix)),
            None => Err(self.corrupt("prefix_length")),
        }
    }
}

pub(crate) fn incident(row: &SqliteRow) -> Result<IncidentRow, RecordError> {
    let c = Columns {
        row,
        id: row.try_get("id").unwrap_or_default(),
    };
    let covering = c.get::<Option<&str>>("covering_prefix")?;
    Ok(IncidentRow {
        version: c.version()?,
        kind: c.get("type")?,
        prefix: c.prefix()?,
        origins: c.json("origins")?,
        expected_origins: c.json("expected_origins")?,
        suspect_asn: c
            .get::<Option<i64>>("suspect_asn")?
            .map(|asn| u32::try_from(asn).map_err(|_| c.corrupt("suspect_asn")))
            .transpose()?,
        suspect_set: c.json("suspect_set")?,
        victim_asns: c.json("victim_asns")?,
        covering_prefix: covering
            .map(|text| text.parse().map_err(|_| c.corrupt("covering_prefix")))
            .transpose()?,
        state: c.named("state", State::parse)?,
        severity: c.severity()?,
        suspicion: c.get("suspicion")?,
        first_seen_us: c.get("first_seen_us")?,
        suspected_at_us: c.get("suspected_at_us")?,
        confirmed_at_us: c.get("confirmed_at_us")?,
        ended_at_us: c.get("ended_at_us")?,
        end_reason: c
            .get::<Option<&str>>("end_reason")?
            .and_then(EndReason::parse),
        last_seen_us: c.get("last_seen_us")?,
        reopened: c.count("reopened")?,
        visible_peers: c.count("visible_peers")?,
        total_peers: c.count("total_peers")?,
        peer_asns: c.json("peer_asns")?,
        evidence: c.json("evidence")?,
        reasons: c.json("reasons")?,
        synthetic: c.get("synthetic")?,
        members: c.json("members")?,
        member_count: c.count("member_count")?,
        case_id: match c.get("case_id")? {
            Some(case_id) => case_id,
            None => c.id.clone(),
        },
        transition: c.named("transition", Transition::parse)?,
        transition_at_us: c.get("transition_at_us")?,
        id: c.id,
    })
}

/// A row of the history, and whose it is.
pub(crate) fn transition(row: &SqliteRow) -> Result<(String, TransitionRow), RecordError> {
    let c = Columns {
        row,
        id: row.try_get("incident_id").unwrap_or_default(),
    };
    let transition = TransitionRow {
        version: c.version()?,
        transition: c.named("transition", Transition::parse)?,
        state: c.named("state", State::parse)?,
        severity: c.severity()?,
        at_us: c.get("at_us")?,
        visible_peers: c.count("visible_peers")?,
        total_peers: c.count("total_peers")?,
        reasons: c.json("reasons")?,
        member_count: c.count("member_count")?,
    };
    Ok((c.id, transition))
}
