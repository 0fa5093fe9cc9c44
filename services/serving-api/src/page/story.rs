//! An incident told in sentences.

use weir_record_store::{EndReason, IncidentRow, State};

use super::text::{ases, count, span};

/// What an incident is about, as its name: the prefix, else the suspect.
pub(crate) fn about(row: &IncidentRow) -> String {
    row.prefix
        .map_or_else(|| suspect(row), |prefix| prefix.to_string())
}

fn suspect(row: &IncidentRow) -> String {
    row.suspect_asn
        .map_or_else(|| "An unknown AS".to_owned(), |asn| format!("AS{asn}"))
}

/// Who did what, in one line.
pub(crate) fn headline(row: &IncidentRow) -> String {
    let suspect = suspect(row);
    if row.prefix.is_none() {
        return of_many(row, &suspect);
    }
    let holders = ases(&row.expected_origins);
    match row.kind.as_str() {
        "sub-prefix" => match row.covering_prefix {
            Some(covering) => {
                format!("{suspect} announces part of {covering}, which {holders} originates")
            }
            None => format!("{suspect} announces part of a prefix of {holders}"),
        },
        "moas" => format!("{suspect} originates it beside {holders}"),
        "origin-change" => format!("{suspect} originates it in place of {holders}"),
        "bogon-prefix" => format!("{suspect} announces space that nobody may announce"),
        "bogon-asn" => format!("{suspect}, not a public AS number, stands in its path"),
        "path-loop" => format!("{suspect} stands twice in its path, with others between"),
        "long-path" => format!("{suspect} makes its path longer than anyone needs"),
        "tier1-sandwich" => format!("{suspect} passes it on from one tier-1 network to another"),
        "default-or-too-specific" => {
            format!("{suspect} announces what is a default route, or too specific for everybody")
        }
        "rpki-invalid" => format!("{suspect} announces what ROAs do not allow it"),
        "aspa-invalid" => format!("{suspect} passes it on, which no neighbour authorized it to"),
        "super-prefix" => format!("{suspect} originates it around what {holders} originates"),
        "flap" => format!("its routes, originated by {suspect}, come and go"),
        "visibility-loss" => {
            format!("it was lost by many that carried it, originated by {suspect}")
        }
        "own-sub-prefix" | "fake-first-hop" => {
            format!("{suspect} claims to have it from {holders}, beside whom nobody has seen it")
        }
        "fake-link" => {
            format!("{suspect} passes it on from {holders}, beside whom nobody has seen it")
        }
        "route-leak" => format!("{suspect} passes it on against its relations"),
        "otc-leak" => format!("{suspect} passes on what was for its customers only"),
        _ => format!("{suspect} is the suspect"),
    }
}

/// The same of what is about no single prefix.
fn of_many(row: &IncidentRow, suspect: &str) -> String {
    let many = count(row.member_count.into());
    let point = row.evidence.first();
    let point = point.map_or_else(String::new, |seen| format!(" at {}", seen.collector));
    match row.kind.as_str() {
        "mass-withdrawal" => format!("{suspect} lost {many} of its prefixes at once"),
        "peer-health" => format!("the vantage point {suspect}{point} speaks oddly"),
        "moas" => format!("{suspect} originates {many} prefixes of others"),
        _ if row.member_count == 0 => format!("{suspect} is the suspect"),
        "route-leak" => format!("{suspect} passes on {many} prefixes against its relations"),
        "origin-change" => format!("{suspect} originates {many} prefixes in place of others"),
        _ => format!("{suspect} is the suspect of a group of {many}"),
    }
}

/// The whole story, a paragraph each.
pub(crate) fn paragraphs(row: &IncidentRow) -> Vec<String> {
    let mut story = vec![format!("{}.", headline(row))];
    if !row.suspect_set.is_empty() {
        story.push(format!(
            "The origin is an AS_SET: {}.",
            ases(&row.suspect_set)
        ));
    }
    let carriers = row.peer_asns.len();
    let what = match row.kind.as_str() {
        "flap" => "its routes come and go at",
        _ => "the route is with",
    };
    let did = match row.kind.as_str() {
        "visibility-loss" => "lost",
        _ => "carried",
    };
    let mut seen = format!(
        "It was {did} by peers of {carriers} AS{}; {what} {} of {} vantage points now.",
        if carriers == 1 { "" } else { "es" },
        row.visible_peers,
        row.total_peers
    );
    match (row.suspected_at_us, row.confirmed_at_us) {
        (Some(suspected), Some(confirmed)) if confirmed > suspected => {
            seen += &format!(
                " Suspected at once, confirmed after {}.",
                span(confirmed - suspected)
            );
        }
        (_, Some(_)) => seen += " Confirmed at once.",
        _ => seen += " Too few distinct peers have carried it to confirm it.",
    }
    story.push(seen);
    if row.reopened > 0 {
        let times = if row.reopened == 1 {
            "once".into()
        } else {
            format!("{} times", row.reopened)
        };
        story.push(format!(
            "It had ended and came back {times} within ten minutes."
        ));
    }
    story.push(outcome(row));
    story
}

fn outcome(row: &IncidentRow) -> String {
    let (State::Ended, Some(ended)) = (row.state, row.ended_at_us) else {
        return "It goes on.".to_owned();
    };
    let why = match row.end_reason {
        Some(EndReason::Withdrawn) => "the conflicting route was withdrawn",
        Some(EndReason::Replaced) => "another route took the place of the conflicting one",
        Some(EndReason::BecameStable) => "its origin has been there for a day and counts as stable",
        Some(EndReason::Faded) => "nothing confirmed it for an hour",
        Some(EndReason::Calmed) => "it has been quiet for long enough",
        Some(EndReason::Recovered) => "what was lost came back",
        Some(EndReason::Explained) => "new knowledge says that nothing is wrong",
        Some(EndReason::Unknown) | None => "all of its vantage points went silent, so nobody knows",
    };
    format!("It ended after {}: {why}.", span(ended - row.first_seen_us))
}

/// A reason's name as a sentence; unknown names stand for themselves.
pub(crate) fn reason(name: &str) -> String {
    match name {
        "no-baseline" => "No baseline yet: no origin was known long enough to be believed.".into(),
        "stable-origin-gone" => "The stable origin has gone since.".into(),
        "rpki-valid" => "A ROA allows the suspect to originate it.".into(),
        "rpki-invalid" => "ROAs do not allow the suspect to originate it.".into(),
        "vrps-stale" => "The VRPs are too old to say whether ROAs allow it.".into(),
        "sibling-of-victim" => "One organisation holds the suspect and a victim.".into(),
        "customer-of-victim" => "The suspect buys transit from a victim.".into(),
        "provider-of-victim" => "The suspect sells transit to a victim.".into(),
        "transit-of-victim" => "The suspect carried the victim's routes before.".into(),
        "anycast-prefix" => "The prefix is listed as announced from many places.".into(),
        "no-relations" => {
            "Nobody says who sells transit to whom: it may be an upstream like many.".into()
        }
        "mass" => "Many at once: the incidents below are its parts.".into(),
        "silent" => "It has said nothing for much longer than it ever did.".into(),
        "said-again" => "It announced again what it had announced.".into(),
        "clock-off" => "Its times are far from those of the others.".into(),
        "brief" => "It has not lasted for long so far.".into(),
        "flapping" => "Its routes come and go again and again.".into(),
        "inside-what-stays" => {
            "What was lost lies inside of what its network still announces.".into()
        }
        "withdrawn-everywhere" => {
            "Almost nobody carries it any more: its own network most likely withdrew it.".into()
        }
        "ddos-protection" => "The suspect is listed as a DDoS protection service.".into(),
        "roa-names-others" => "Its ROAs name other networks.".into(),
        "roa-allows-shorter" => "A ROA names the origin, but for shorter prefixes.".into(),
        "roa-of-as0" => "A ROA of AS0 says that nobody may originate it.".into(),
        "previously-seen" => "The origin has held it for a day or more.".into(),
        "valid-covering-prefix" => {
            "The same origin announces the covering prefix, and a ROA allows that.".into()
        }
        other => format!("{}.", other.replace('-', " ")),
    }
}
