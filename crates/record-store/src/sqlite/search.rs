//! A filter as a WHERE clause of SQLite.

use serde_json::Value;
use sqlx::{QueryBuilder, Sqlite as Dialect};

use super::columns;
use crate::filter::{Filter, PrefixMatch};

/// Appends ` AND ...` for all that the filter asks.
pub(crate) fn push_filter(query: &mut QueryBuilder<Dialect>, filter: &Filter) {
    let mut any_of = |column: &str, values: Vec<Value>| {
        if !values.is_empty() {
            query.push(format_args!(
                " AND {column} IN (SELECT value FROM json_each("
            ));
            query.push_bind(Value::from(values).to_string()).push("))");
        }
    };
    any_of(
        "type",
        filter.types.iter().map(|t| t.as_str().into()).collect(),
    );
    any_of(
        "state",
        filter.states.iter().map(|s| s.as_str().into()).collect(),
    );
    any_of(
        "severity",
        filter
            .severities
            .iter()
            .map(|s| (*s as i64).into())
            .collect(),
    );
    if let Some(asn) = filter.asn {
        query.push(" AND id IN (SELECT incident_id FROM incident_asns WHERE asn = ");
        query.push_bind(asn).push(")");
    }
    if let Some(case) = &filter.case {
        // As the index has it.
        query.push(" AND coalesce(case_id, id) = ");
        query.push_bind(case.clone());
    }
    for (operator, bound) in [(" >= ", filter.from_us), (" < ", filter.to_us)] {
        if let Some(bound) = bound {
            query
                .push(" AND first_seen_us")
                .push(operator)
                .push_bind(bound);
        }
    }
    if let Some(synthetic) = filter.synthetic {
        query.push(" AND synthetic = ").push_bind(synthetic);
    }
    if let Some(prefix) = filter.prefix {
        query.push(" AND (");
        push_prefix(query, prefix);
        query.push(" OR id IN (SELECT incident_id FROM incident_members WHERE ");
        push_prefix(query, prefix);
        query.push("))");
    }
}

/// Ranges over (family, network_start, prefix_length), so that the index answers all of them: what
/// lies inside is one range, what lies around are at most 129 points.
pub(super) fn push_prefix(query: &mut QueryBuilder<Dialect>, wanted: PrefixMatch) {
    match wanted {
        PrefixMatch::Exact(prefix) => {
            let (family, start, _) = columns::range(&prefix);
            query.push("family = ").push_bind(family);
            query
                .push(" AND network_start = ")
                .push_bind(start.to_vec());
            query
                .push(" AND prefix_length = ")
                .push_bind(i64::from(prefix.length()));
        }
        PrefixMatch::CoveredBy(prefix) => {
            let (family, start, end) = columns::range(&prefix);
            query.push("family = ").push_bind(family);
            query
                .push(" AND network_start BETWEEN ")
                .push_bind(start.to_vec());
            query.push(" AND ").push_bind(end.to_vec());
            query
                .push(" AND prefix_length >= ")
                .push_bind(i64::from(prefix.length()));
        }
        PrefixMatch::Covers(prefix) => {
            query.push("(family, network_start, prefix_length) IN (VALUES ");
            for length in 0..=prefix.length() {
                let (family, start, _) = columns::range(&prefix.truncated(length));
                query.push(if length == 0 { "(" } else { ", (" });
                query.push_bind(family).push(", ");
                query.push_bind(start.to_vec()).push(", ");
                query.push_bind(i64::from(length)).push(")");
            }
            query.push(")");
        }
        PrefixMatch::Overlaps(prefix) => {
            query.push("(");
            push_prefix(query, PrefixMatch::CoveredBy(prefix));
            query.push(") OR ");
            push_prefix(query, PrefixMatch::Covers(prefix));
        }
    }
}
