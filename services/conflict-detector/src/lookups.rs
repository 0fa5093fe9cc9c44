//! Answers to who asks what a task knows right now, between two batches. A task answers for so long at a time and then
//! goes on judging: no incident waits for a curious person.

use std::time::{Duration, Instant};

use weir_conflicts::{
    Detector,
    incident::State,
    knowledge::Rpki,
    lookup::{
        Around, AsnView, Carrier, Listed, Neighbour, Open, Originated, Origination, PrefixView,
        Seen,
    },
};
use weir_lookups::{Answer, Desk, Question, Seat, v1};
use weir_routing::{
    Asn, Origin,
    roa::{Mismatch, Validity},
};

/// Answers begin no later than this after the first one of a pause.
const AT_A_TIME: Duration = Duration::from_millis(10);

/// Where questions are taken, and by which address others reach it.
#[derive(Clone, Default)]
pub struct Lookups {
    /// Where the tasks sit.
    pub desk: Desk,
    /// `host:port` of who serves the desk; none = nobody does.
    pub address: Option<String>,
}

/// Answers who waits.
pub(crate) fn answer_waiting(seat: &mut Seat, detector: &Detector) {
    let begun = Instant::now();
    while let Some(asked) = seat.take() {
        let answered = Instant::now();
        let answer = answer(asked.question, detector);
        asked.answer(answer);
        metrics::histogram!("weir_lookup_seconds").record(answered.elapsed().as_secs_f64());
        if begun.elapsed() >= AT_A_TIME {
            return;
        }
    }
}

fn answer(question: Question, detector: &Detector) -> Answer {
    match question {
        Question::Prefix(prefix) => Answer::Prefix(of_prefix(detector.look_up_prefix(prefix))),
        Question::Asn(asn) => Answer::Asn(of_asn(detector.look_up_asn(asn))),
    }
}

fn of_prefix(view: PrefixView) -> v1::LookUpPrefixResponse {
    let (origins, origin_count) = listed(view.origins, origination);
    let (history, history_count) = listed(view.history, past);
    let (incidents, incident_count) = listed(view.incidents, open);
    let (covering, covering_count) = listed(view.covering, around);
    let (more_specific, more_specific_count) = listed(view.more_specific, around);
    v1::LookUpPrefixResponse {
        as_of_us: view.as_of_us,
        known: view.is_known,
        origins,
        origin_count,
        carrying: view.carrying,
        vantage_points: view.vantage_points,
        full_feed_carrying: view.full_feed_carrying,
        full_feed: view.full_feed,
        history,
        history_count,
        incidents,
        incident_count,
        covering,
        covering_count,
        more_specific,
        more_specific_count,
    }
}

fn of_asn(view: AsnView) -> v1::LookUpAsnResponse {
    let (ipv4, ipv4_count) = listed(view.ipv4, originated);
    let (ipv6, ipv6_count) = listed(view.ipv6, originated);
    let (neighbours, neighbour_count) = listed(view.neighbours, neighbour);
    let (suspect_of, suspect_of_count) = listed(view.suspect_of, open);
    let (victim_of, victim_of_count) = listed(view.victim_of, open);
    v1::LookUpAsnResponse {
        as_of_us: view.as_of_us,
        ipv4,
        ipv4_count,
        ipv6,
        ipv6_count,
        neighbours,
        neighbour_count,
        suspect_of,
        suspect_of_count,
        victim_of,
        victim_of_count,
    }
}

/// What is shown of a list, and how long it is.
fn listed<T, U>(list: Listed<T>, each: fn(T) -> U) -> (Vec<U>, Option<v1::Length>) {
    let length = v1::Length {
        total: count(list.total),
        at_least: list.is_cut,
    };
    (list.shown.into_iter().map(each).collect(), Some(length))
}

fn count(of: usize) -> u64 {
    u64::try_from(of).unwrap_or(u64::MAX)
}

fn numbers(asns: &[Asn]) -> Vec<u32> {
    asns.iter().map(|asn| asn.0).collect()
}

fn origination(of: Origination) -> v1::Origination {
    let (carriers, carrier_count) = listed(of.carriers, carrier);
    v1::Origination {
        asns: numbers(Origin::asns(&of.origin)),
        rpki: rpki(of.rpki).into(),
        stable: of.is_stable,
        first_us: of.first_us,
        carriers,
        carrier_count,
        stale: count(of.stale),
    }
}

fn rpki(says: Rpki) -> v1::Rpki {
    match says {
        Rpki::Unknown => v1::Rpki::Unknown,
        Rpki::Stale => v1::Rpki::Stale,
        Rpki::Judged(Validity::NotFound) => v1::Rpki::NotFound,
        Rpki::Judged(Validity::Valid) => v1::Rpki::Valid,
        Rpki::Judged(Validity::Invalid(Mismatch::Asn)) => v1::Rpki::InvalidAsn,
        Rpki::Judged(Validity::Invalid(Mismatch::Length)) => v1::Rpki::InvalidLength,
        Rpki::Judged(Validity::Invalid(Mismatch::As0)) => v1::Rpki::InvalidAs0,
    }
}

fn carrier(of: Carrier) -> v1::Carrier {
    v1::Carrier {
        collector: of.collector,
        peer_address: of.peer.address.to_string(),
        peer_asn: of.peer.asn.0,
        as_path: of.as_path.to_string(),
        since_us: of.since_us,
        stale: of.is_stale,
    }
}

fn past(of: Seen) -> v1::PastOrigin {
    v1::PastOrigin {
        asns: numbers(of.origin.asns()),
        first_us: of.first_us,
        last_us: of.last_us,
        from_rib: of.from_rib,
        present: of.is_present,
    }
}

fn open(of: Open) -> v1::OpenIncident {
    let state = match of.state {
        State::Suspected => "suspected",
        State::Confirmed => "confirmed",
        State::Ended => "ended",
    };
    v1::OpenIncident {
        id: of.id.to_string(),
        r#type: of.kind.name().to_owned(),
        state: state.to_owned(),
        severity: of.severity.name().to_owned(),
        prefix: of.prefix.map(|of| of.to_string()).unwrap_or_default(),
        suspect_asn: of.suspect.0,
        first_seen_us: of.first_seen_us,
    }
}

fn around(of: Around) -> v1::AnnouncedPrefix {
    v1::AnnouncedPrefix {
        prefix: of.prefix.to_string(),
        origin_asns: numbers(&of.origins),
    }
}

fn originated(of: Originated) -> v1::OriginatedPrefix {
    v1::OriginatedPrefix {
        prefix: of.prefix.to_string(),
        first_us: of.first_us,
        other_asns: numbers(&of.others),
    }
}

fn neighbour(of: Neighbour) -> v1::Neighbour {
    v1::Neighbour {
        asn: of.asn.0,
        first_us: of.first_us,
        last_day_us: of.last_day_us,
    }
}
