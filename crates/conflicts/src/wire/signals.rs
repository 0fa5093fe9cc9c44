//! To and from the messages of `bgp-signals`.

use prost::Message;
use uuid::Uuid;
use weir_events::{topics::BGP_UPDATES, v1};
use weir_routing::{Asn, Prefix, wire};

use super::{WireError, asns, missing, numbers, state, state_back, unknown};
use crate::{
    incident::Kind,
    links::Link,
    record::Record,
    signal::{Hearing, Holding, Part, Signal, Telling, Told, Voice},
};

/// The message for what `record`, before `next_offset` of the partition `source`, tells.
#[must_use]
pub fn telling(telling: Telling, source: u32, next_offset: i64, record: &Record) -> v1::Signal {
    v1::Signal {
        source_partition: source,
        position: next_offset,
        index: telling.index,
        interval_s: telling.interval_s,
        open_s: telling.open_s,
        event_time_us: record.event_time_us,
        receive_time_us: record.receive_time_us,
        synthetic: record.synthetic,
        told: telling.told.iter().map(told).collect(),
        topic_start: None,
    }
}

/// The message for a signal as it stands, for keeping it.
#[must_use]
pub fn signal(of: &Signal) -> v1::Signal {
    v1::Signal {
        source_partition: of.source,
        position: of.position,
        index: of.index,
        interval_s: of.interval_s,
        open_s: of.open_s,
        event_time_us: of.event_time_us,
        receive_time_us: of.receive_time_us,
        synthetic: of.synthetic,
        told: of.told.iter().map(told).collect(),
        topic_start: None,
    }
}

fn told(what: &Told) -> v1::Told {
    use v1::told::What;
    let what = match what {
        Told::Candidate(incident) => What::Candidate(state(incident)),
        Told::Part(part) => What::Part(v1::Part {
            incident_id: part.id.to_string(),
            r#type: part.kind.name().to_owned(),
            prefix: Some(part.prefix.into()),
            suspect_asn: part.suspect.0,
            victim_asn: part.victim.map_or(0, |victim| victim.0),
            open: part.open,
            peer_asns: numbers(&part.peer_asns),
        }),
        Told::Link(link, first_us) => {
            let [lesser, greater] = link.ends();
            What::Link(v1::Link {
                lesser_asn: lesser.0,
                greater_asn: greater.0,
                first_us: *first_us,
            })
        }
        Told::Holding(origin, holding) => What::Holding(v1::Holding {
            origin_asn: origin.0,
            gained: holding.gained,
            withdrawn: holding.withdrawn,
            parts: holding.parts,
            replaced: holding.replaced,
            examples: holding.examples.iter().map(|p| (*p).into()).collect(),
        }),
        Told::Hearing(voice, hearing) => What::Hearing(v1::Hearing {
            collector: voice.collector.clone(),
            peer: Some(voice.peer.into()),
            messages: hearing.messages,
            announced: hearing.announced,
            repeated: hearing.repeated,
            skew_us: hearing.skew_us,
        }),
    };
    v1::Told { what: Some(what) }
}

/// Reads the bytes of a `Signal`.
///
/// # Errors
/// As [`signal_back`].
pub fn decode_signal(bytes: &[u8]) -> Result<Option<Signal>, WireError> {
    signal_back(v1::Signal::decode(bytes)?)
}

/// Checks a `Signal`; `None` for the first record of a partition, which tells nothing.
///
/// # Errors
/// When it says nothing that we could believe: it belongs in the dead-letter topic.
pub fn signal_back(from: v1::Signal) -> Result<Option<Signal>, WireError> {
    if from.topic_start.is_some() {
        return Ok(None);
    }
    if from.source_partition >= BGP_UPDATES.partitions {
        return Err(unknown("source partition", from.source_partition));
    }
    Ok(Some(Signal {
        source: from.source_partition,
        position: from.position,
        index: from.index,
        interval_s: second("interval", from.interval_s)?,
        open_s: second("open second", from.open_s)?,
        event_time_us: from.event_time_us,
        receive_time_us: from.receive_time_us,
        synthetic: from.synthetic,
        told: from
            .told
            .into_iter()
            .map(told_back)
            .collect::<Result<_, _>>()?,
    }))
}

/// Seconds since the Unix epoch that a stream may be in: nobody waits for the others.
fn second(what: &'static str, of: i64) -> Result<i64, WireError> {
    if (0..=u32::MAX.into()).contains(&of) {
        Ok(of)
    } else {
        Err(unknown(what, of))
    }
}

fn told_back(from: v1::Told) -> Result<Told, WireError> {
    use v1::told::What;
    Ok(match from.what {
        Some(What::Candidate(incident)) => Told::Candidate(Box::new(state_back(incident)?)),
        Some(What::Part(part)) => {
            let Some(prefix) = &part.prefix else {
                return missing("prefix");
            };
            let id = Uuid::parse_str(&part.incident_id);
            let kind = Kind::from_name(&part.r#type);
            Told::Part(Part {
                id: id.map_err(|_| unknown("id", &part.incident_id))?,
                kind: kind.ok_or_else(|| unknown("type", &part.r#type))?,
                prefix: Prefix::try_from(prefix)?,
                suspect: Asn(part.suspect_asn),
                victim: Some(Asn(part.victim_asn)).filter(|victim| victim.0 != 0),
                open: part.open,
                peer_asns: asns(part.peer_asns),
            })
        }
        Some(What::Link(link)) => {
            let link_of = Link::new(Asn(link.lesser_asn), Asn(link.greater_asn));
            Told::Link(link_of, link.first_us)
        }
        Some(What::Holding(holding)) => {
            let examples = holding.examples.iter().map(Prefix::try_from);
            let told = Holding {
                gained: holding.gained,
                withdrawn: holding.withdrawn,
                parts: holding.parts,
                replaced: holding.replaced,
                examples: examples.collect::<Result<_, _>>()?,
            };
            Told::Holding(Asn(holding.origin_asn), told)
        }
        Some(What::Hearing(hearing)) => {
            let voice = Voice {
                collector: hearing.collector,
                peer: wire::peer(hearing.peer)?,
            };
            let told = Hearing {
                messages: hearing.messages,
                announced: hearing.announced,
                repeated: hearing.repeated,
                skew_us: hearing.skew_us,
            };
            Told::Hearing(voice, told)
        }
        None => return missing("what is told"),
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::the_last_partition(BGP_UPDATES.partitions - 1, 0, 0, true)]
    #[case::no_partition(BGP_UPDATES.partitions, 0, 0, false)]
    #[case::before_the_epoch(0, -1, 0, false)]
    #[case::the_last_second(0, 0, u32::MAX.into(), true)]
    #[case::after_it(0, 0, i64::from(u32::MAX) + 1, false)]
    fn a_source_or_second_that_none_can_be_is_refused(
        #[case] source_partition: u32,
        #[case] interval_s: i64,
        #[case] open_s: i64,
        #[case] is_believed: bool,
    ) {
        let signal = v1::Signal {
            source_partition,
            interval_s,
            open_s,
            ..v1::Signal::default()
        };
        assert_eq!(signal_back(signal).is_ok(), is_believed);
    }
}
