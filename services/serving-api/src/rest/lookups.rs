//! `GET /api/v1/prefixes/{prefix}` and `GET /api/v1/asns/{asn}`: what the detector knows right now.

use axum::{
    Json,
    extract::{Path, State},
};
use serde::Serialize;
use utoipa::ToSchema;
use weir_events::time::rfc3339;
use weir_lookups::v1;
use weir_routing::Prefix;

use crate::{
    app::App,
    lookups::{self, Away, Found},
    problem::Problem,
    rest,
};

/// A list, or its first 64 entries.
#[derive(Serialize, ToSchema)]
pub(crate) struct Listed<T: ToSchema> {
    /// How many there are.
    pub(crate) total: u64,
    /// There may be more than `total`: it was not looked any further.
    pub(crate) at_least: bool,
    pub(crate) items: Vec<T>,
}

/// A prefix as the detector has it now.
#[derive(Serialize, ToSchema)]
pub(crate) struct PrefixNow {
    pub(crate) prefix: String,
    /// Stream time: what happened up to here is in it.
    pub(crate) as_of: String,
    /// False = nobody has announced it in the last 30 days.
    pub(crate) known: bool,
    /// Vantage points that carry it in routes that are not stale, of all that tell of its address family.
    pub(crate) visibility: Share,
    /// The same of those that have a full feed of its address block.
    pub(crate) full_feed: Share,
    /// Who originates it now, the one that most vantage points see first.
    pub(crate) origins: Listed<OriginNow>,
    /// Who originated it in the last 30 days, in the order in which they came.
    pub(crate) history: Listed<PastOrigin>,
    /// Incidents about the very prefix that are open.
    pub(crate) incidents: Listed<OpenIncident>,
    /// Announced prefixes that cover it, the nearest first.
    pub(crate) covering: Listed<Announced>,
    /// Announced prefixes that lie in it, in order.
    pub(crate) more_specific: Listed<Announced>,
    /// Partitions that did not answer: what lies in the prefix may be missing.
    pub(crate) away: Vec<Away>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Share {
    pub(crate) peers: u32,
    pub(crate) of: u32,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct OriginNow {
    /// One; several of an AS_SET.
    pub(crate) asns: Vec<u32>,
    /// valid, invalid-asn, invalid-length, invalid-as0, not-found; unknown without VRPs, stale with old ones.
    pub(crate) rpki: &'static str,
    /// It was there for a day, or in a RIB.
    pub(crate) stable: bool,
    /// Stream time since which it has been known.
    pub(crate) first_seen: Option<String>,
    /// Of its routes, those whose session ended or lost updates since.
    pub(crate) stale: u64,
    pub(crate) vantage_points: Listed<VantagePoint>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct VantagePoint {
    pub(crate) collector: String,
    pub(crate) peer_address: String,
    pub(crate) peer_asn: u32,
    pub(crate) as_path: String,
    /// Event time of the route.
    pub(crate) since: String,
    pub(crate) stale: bool,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct PastOrigin {
    pub(crate) asns: Vec<u32>,
    pub(crate) first_seen: String,
    pub(crate) last_seen: String,
    pub(crate) from_rib: bool,
    pub(crate) present: bool,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct OpenIncident {
    pub(crate) id: String,
    pub(crate) r#type: String,
    pub(crate) state: String,
    pub(crate) severity: String,
    pub(crate) prefix: Option<String>,
    pub(crate) suspect_asn: u32,
    pub(crate) first_seen: String,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Announced {
    pub(crate) prefix: String,
    pub(crate) origins: Vec<u32>,
}

/// A network as the detector has it now.
#[derive(Serialize, ToSchema)]
pub(crate) struct AsnNow {
    pub(crate) asn: u32,
    /// Stream time of the partition that is least far.
    pub(crate) as_of: String,
    /// What it originates, in order.
    pub(crate) ipv4: Listed<Originated>,
    pub(crate) ipv6: Listed<Originated>,
    /// Who stood beside it on a path in the last 30 days, by ASN.
    pub(crate) neighbours: Listed<Neighbour>,
    /// Open incidents in which it may be at fault.
    pub(crate) suspect_of: Listed<OpenIncident>,
    /// Open incidents that hurt it.
    pub(crate) victim_of: Listed<OpenIncident>,
    /// Partitions that did not answer: what they know is missing.
    pub(crate) away: Vec<Away>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Originated {
    pub(crate) prefix: String,
    pub(crate) first_seen: String,
    /// Who originates it too.
    pub(crate) others: Vec<u32>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Neighbour {
    pub(crate) asn: u32,
    /// Null = a RIB told it.
    pub(crate) first_seen: Option<String>,
    /// A day.
    pub(crate) last_seen: String,
}

/// Who originates a prefix now, seen by whom, and what stands around it. The slash is written `%2F` here.
#[utoipa::path(get, path = "/api/v1/prefixes/{prefix}", tag = "look-ups",
    params(("prefix" = String, Path, description = "The prefix: 192.0.2.0%2F24")), responses(
    (status = 200, body = PrefixNow),
    (status = 400, body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn prefix(
    State(app): State<App>,
    Path(text): Path<String>,
) -> Result<Json<PrefixNow>, Problem> {
    Ok(Json(look_up(&app, &text).await?))
}

/// The same, with the slash as it is.
#[utoipa::path(get, path = "/api/v1/prefixes/{address}/{length}", tag = "look-ups",
    params(
        ("address" = String, Path, description = "Address of the prefix"),
        ("length" = String, Path, description = "Length of the prefix"),
    ), responses(
    (status = 200, body = PrefixNow),
    (status = 400, body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn prefix_in_two(
    State(app): State<App>,
    Path((address, length)): Path<(String, String)>,
) -> Result<Json<PrefixNow>, Problem> {
    Ok(Json(look_up(&app, &format!("{address}/{length}")).await?))
}

/// What a network originates now, beside whom it stands, and what is open about it.
#[utoipa::path(get, path = "/api/v1/asns/{asn}", tag = "look-ups",
    params(("asn" = String, Path, description = "64496 or AS64496")), responses(
    (status = 200, body = AsnNow),
    (status = 400, body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn asn(
    State(app): State<App>,
    Path(text): Path<String>,
) -> Result<Json<AsnNow>, Problem> {
    Ok(Json(look_up_asn(&app, &text).await?))
}

/// What is known of the prefix of this text.
pub(crate) async fn look_up(app: &App, text: &str) -> Result<PrefixNow, Problem> {
    let prefix: Prefix = text
        .parse()
        .map_err(|error| Problem::bad_request(format!("`prefix` is `{text}`: {error}")))?;
    let Found { answer, away } = lookups::prefix(app, prefix).await?;
    Ok(PrefixNow {
        prefix: prefix.to_string(),
        as_of: rfc3339(answer.as_of_us),
        known: answer.known,
        visibility: Share {
            peers: answer.carrying,
            of: answer.vantage_points,
        },
        full_feed: Share {
            peers: answer.full_feed_carrying,
            of: answer.full_feed,
        },
        origins: listed(answer.origins, answer.origin_count, origin),
        history: listed(answer.history, answer.history_count, past),
        incidents: listed(answer.incidents, answer.incident_count, open),
        covering: listed(answer.covering, answer.covering_count, announced),
        more_specific: listed(answer.more_specific, answer.more_specific_count, announced),
        away,
    })
}

/// What is known of the network of this text.
pub(crate) async fn look_up_asn(app: &App, text: &str) -> Result<AsnNow, Problem> {
    let asn = rest::asn(text)?;
    let Found { answer, away } = lookups::asn(app, asn).await?;
    Ok(AsnNow {
        asn: asn.0,
        as_of: rfc3339(answer.as_of_us),
        ipv4: listed(answer.ipv4, answer.ipv4_count, originated),
        ipv6: listed(answer.ipv6, answer.ipv6_count, originated),
        neighbours: listed(answer.neighbours, answer.neighbour_count, neighbour),
        suspect_of: listed(answer.suspect_of, answer.suspect_of_count, open),
        victim_of: listed(answer.victim_of, answer.victim_of_count, open),
        away,
    })
}

fn listed<T, U: ToSchema>(
    shown: Vec<T>,
    length: Option<v1::Length>,
    each: fn(T) -> U,
) -> Listed<U> {
    let length = length.unwrap_or_default();
    Listed {
        total: length.total,
        at_least: length.at_least,
        items: shown.into_iter().map(each).collect(),
    }
}

fn origin(of: v1::Origination) -> OriginNow {
    let rpki = match of.rpki() {
        v1::Rpki::Unspecified | v1::Rpki::Unknown => "unknown",
        v1::Rpki::Stale => "stale",
        v1::Rpki::NotFound => "not-found",
        v1::Rpki::Valid => "valid",
        v1::Rpki::InvalidAsn => "invalid-asn",
        v1::Rpki::InvalidLength => "invalid-length",
        v1::Rpki::InvalidAs0 => "invalid-as0",
    };
    OriginNow {
        asns: of.asns,
        rpki,
        stable: of.stable,
        first_seen: of.first_us.map(rfc3339),
        stale: of.stale,
        vantage_points: listed(of.carriers, of.carrier_count, |carrier| VantagePoint {
            collector: carrier.collector,
            peer_address: carrier.peer_address,
            peer_asn: carrier.peer_asn,
            as_path: carrier.as_path,
            since: rfc3339(carrier.since_us),
            stale: carrier.stale,
        }),
    }
}

fn past(of: v1::PastOrigin) -> PastOrigin {
    PastOrigin {
        asns: of.asns,
        first_seen: rfc3339(of.first_us),
        last_seen: rfc3339(of.last_us),
        from_rib: of.from_rib,
        present: of.present,
    }
}

fn open(of: v1::OpenIncident) -> OpenIncident {
    OpenIncident {
        id: of.id,
        r#type: of.r#type,
        state: of.state,
        severity: of.severity,
        prefix: (!of.prefix.is_empty()).then_some(of.prefix),
        suspect_asn: of.suspect_asn,
        first_seen: rfc3339(of.first_seen_us),
    }
}

fn announced(of: v1::AnnouncedPrefix) -> Announced {
    Announced {
        prefix: of.prefix,
        origins: of.origin_asns,
    }
}

fn originated(of: v1::OriginatedPrefix) -> Originated {
    Originated {
        prefix: of.prefix,
        first_seen: rfc3339(of.first_us),
        others: of.other_asns,
    }
}

fn neighbour(of: v1::Neighbour) -> Neighbour {
    let day = rfc3339(of.last_day_us);
    let day = day.split('T').next().unwrap_or_default();
    Neighbour {
        asn: of.asn,
        first_seen: of.first_us.map(rfc3339),
        last_seen: day.to_owned(),
    }
}
