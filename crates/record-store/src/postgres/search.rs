//! A filter as a WHERE clause of PostgreSQL.

use sqlx::{Postgres as Dialect, QueryBuilder};

use super::columns::{self, network, time};
use crate::{
    filter::{Cursor, Filter, PrefixMatch},
    incident::is_uuid,
};

/// The statement of a page.
pub(super) fn list(filter: &Filter, after: Option<&Cursor>, limit: i64) -> QueryBuilder<Dialect> {
    let mut query = QueryBuilder::new(columns::SELECT_INCIDENTS);
    query.push(" WHERE true");
    push_filter(&mut query, filter);
    if let Some(after) = after {
        query.push(" AND (first_seen, id) < (");
        push_cursor(&mut query, after);
    }
    query.push(" ORDER BY first_seen DESC, id DESC LIMIT ");
    query.push_bind(limit);
    query
}

/// Appends the values of a row comparison, and closes it.
pub(super) fn push_cursor(query: &mut QueryBuilder<Dialect>, cursor: &Cursor) {
    query.push_bind(time(cursor.first_seen_us)).push(", ");
    query.push_bind(cursor.id.clone()).push("::uuid)");
}

/// Appends ` AND ...` for all that the filter asks.
fn push_filter(query: &mut QueryBuilder<Dialect>, filter: &Filter) {
    let mut any_of = |column: &str, values: Vec<String>| {
        if !values.is_empty() {
            query.push(format_args!(" AND {column} = ANY("));
            query.push_bind(values).push("::text[])");
        }
    };
    let types = filter.types.iter().map(|name| columns::text(name));
    any_of("type", types.collect());
    let states = filter.states.iter().map(|state| state.to_string());
    any_of("state", states.collect());
    let severities = filter
        .severities
        .iter()
        .map(|severity| severity.to_string());
    any_of("severity::text", severities.collect());
    if let Some(asn) = filter.asn {
        query.push(" AND id IN (SELECT incident_id FROM bgp_conflict_asns WHERE asn = ");
        query.push_bind(i64::from(asn)).push(")");
    }
    match &filter.case {
        // As the index has it.
        Some(case) if is_uuid(case) => {
            query.push(" AND coalesce(case_id, id) = ");
            query.push_bind(case.clone()).push("::uuid");
        }
        Some(_) => {
            query.push(" AND false");
        }
        None => {}
    }
    for (operator, bound) in [(" >= ", filter.from_us), (" < ", filter.to_us)] {
        if let Some(bound) = bound {
            query.push(" AND first_seen").push(operator);
            query.push_bind(time(bound));
        }
    }
    if let Some(synthetic) = filter.synthetic {
        query.push(" AND synthetic = ").push_bind(synthetic);
    }
    if let Some(prefix) = filter.prefix {
        query.push(" AND (");
        push_prefix(query, prefix);
        // An array that is made once: both sides are then looked up by index.
        query.push(" OR id = ANY(ARRAY(SELECT incident_id FROM bgp_conflict_members WHERE ");
        push_prefix(query, prefix);
        query.push(")))");
    }
}

/// One operator, which the GiST index answers.
pub(super) fn push_prefix(query: &mut QueryBuilder<Dialect>, wanted: PrefixMatch) {
    let (operator, prefix) = match wanted {
        PrefixMatch::Exact(prefix) => ("=", prefix),
        PrefixMatch::CoveredBy(prefix) => ("<<=", prefix),
        PrefixMatch::Covers(prefix) => (">>=", prefix),
        PrefixMatch::Overlaps(prefix) => ("&&", prefix),
    };
    query.push(format_args!("prefix {operator} "));
    query.push_bind(network(&prefix));
}
