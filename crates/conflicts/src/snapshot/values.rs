//! The values of the shards, each written and read side by side.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use prost::Message;
use rustc_hash::FxHashMap;
use weir_events::position::WriterSeq;
use weir_routing::{
    AsPath, Asn, Origin, Peer, Prefix, Segment,
    rib::{PathRef, Route, Routes, Slot, peers::Expiry, peers::Session},
};

use super::{
    SnapshotError,
    bytes::{Reader, Writer},
};
use crate::{
    damping::{Merit, Restless},
    facts::{Mark, Measure},
    history::{History, Seen},
    holdings::Holdings,
    incident::{Incident, Severity},
    knowledge::Remembered,
    links::{Known, Link},
    losses::{Loss, Losses},
    record::Knowledge,
    signal::{Hearing, Holding},
    table::{Entry, Table},
    wire,
};

type Read<T> = Result<T, SnapshotError>;

fn put_address(to: &mut Writer, address: IpAddr) {
    match address {
        IpAddr::V4(v4) => to.bytes(&v4.octets()),
        IpAddr::V6(v6) => to.bytes(&v6.octets()),
    }
}

fn address(from: &mut Reader<'_>) -> Read<IpAddr> {
    let octets = from.bytes()?;
    if let Ok(v4) = <[u8; 4]>::try_from(octets) {
        return Ok(Ipv4Addr::from(v4).into());
    }
    match <[u8; 16]>::try_from(octets) {
        Ok(v6) => Ok(Ipv6Addr::from(v6).into()),
        Err(_) => Err(SnapshotError::Impossible { what: "address" }),
    }
}

pub(crate) fn put_prefix(to: &mut Writer, prefix: Prefix) {
    put_address(to, prefix.address());
    to.unsigned(prefix.length().into());
}

pub(crate) fn prefix(from: &mut Reader<'_>) -> Read<Prefix> {
    let address = address(from)?;
    Prefix::new(address, from.number("prefix length")?)
        .map_err(|_| SnapshotError::Impossible { what: "prefix" })
}

pub(crate) fn put_asn(to: &mut Writer, asn: Asn) {
    to.unsigned(asn.0.into());
}

pub(crate) fn asn(from: &mut Reader<'_>) -> Read<Asn> {
    from.number("ASN").map(Asn)
}

pub(crate) fn writer_seq(from: &mut Reader<'_>) -> Read<WriterSeq> {
    Ok(WriterSeq {
        writer_epoch: from.unsigned()?,
        seq: from.unsigned()?,
    })
}

pub(crate) fn put_peer(to: &mut Writer, peer: Peer) {
    put_address(to, peer.address);
    put_asn(to, peer.asn);
}

pub(crate) fn peer(from: &mut Reader<'_>) -> Read<Peer> {
    let address = address(from)?;
    Ok(Peer::new(address, asn(from)?))
}

pub(crate) fn put_session(to: &mut Writer, session: &Session) {
    to.text(&session.collector);
    put_peer(to, session.peer);
    for number in [
        session.generation,
        session.expired_below,
        session.ends_below,
    ] {
        to.unsigned(number.into());
    }
    let [v4, v6] = session.announced;
    for flag in [session.up, session.current, session.used, v4, v6] {
        to.flag(flag);
    }
    to.option(session.opened_us, Writer::signed);
    to.list(&session.pending, |to, expiry| {
        to.signed(expiry.due_us);
        to.unsigned(expiry.below.into());
        to.flag(expiry.silence);
    });
}

pub(crate) fn session(from: &mut Reader<'_>) -> Read<Session> {
    let collector = from.text()?.into();
    let peer = peer(from)?;
    let mut number = || from.number("generation");
    let (generation, expired_below, ends_below) = (number()?, number()?, number()?);
    let (up, current, used) = (from.flag()?, from.flag()?, from.flag()?);
    Ok(Session {
        collector,
        peer,
        generation,
        expired_below,
        ends_below,
        up,
        current,
        used,
        announced: [from.flag()?, from.flag()?],
        opened_us: from.option(Reader::signed)?,
        pending: from
            .list(|from| {
                Ok(Expiry {
                    due_us: from.signed()?,
                    below: from.number("generation")?,
                    silence: from.flag()?,
                })
            })?
            .into(),
    })
}

pub(crate) fn put_knowledge(to: &mut Writer, knowledge: &Knowledge) {
    to.text(&knowledge.kind);
    to.bytes(&knowledge.content_hash);
    to.signed(knowledge.as_of_us);
}

pub(crate) fn knowledge(from: &mut Reader<'_>) -> Read<Knowledge> {
    Ok(Knowledge {
        kind: from.text()?,
        content_hash: from.bytes()?.to_vec(),
        as_of_us: from.signed()?,
    })
}

pub(crate) fn put_incident(to: &mut Writer, incident: &Incident) {
    to.bytes(&wire::state(incident).encode_to_vec());
}

pub(crate) fn incident(from: &mut Reader<'_>) -> Read<Incident> {
    Ok(wire::decode_state(from.bytes()?)?)
}

pub(crate) fn put_severity(to: &mut Writer, severity: Severity) {
    let at = Severity::ALL.iter().position(|one| *one == severity);
    to.unsigned(at.and_then(|at| u64::try_from(at).ok()).unwrap_or_default());
}

pub(crate) fn severity(from: &mut Reader<'_>) -> Read<Severity> {
    let at: usize = from.number("severity")?;
    let found = Severity::ALL.get(at).copied();
    found.ok_or(SnapshotError::Impossible { what: "severity" })
}

fn put_path(to: &mut Writer, path: &AsPath) {
    to.list(path.segments(), |to, segment| {
        to.unsigned(match segment {
            Segment::Sequence(_) => 0,
            Segment::Set(_) => 1,
            Segment::ConfedSequence(_) => 2,
            Segment::ConfedSet(_) => 3,
        });
        to.list(segment.asns(), |to, asn| put_asn(to, *asn));
    });
}

fn path(from: &mut Reader<'_>) -> Read<AsPath> {
    let segments = from.list(|from| {
        let kind = from.unsigned()?;
        let asns = from.list(asn)?;
        Ok(match kind {
            0 => Segment::Sequence(asns),
            1 => Segment::Set(asns),
            2 => Segment::ConfedSequence(asns),
            3 => Segment::ConfedSet(asns),
            _ => return Err(SnapshotError::Impossible { what: "segment" }),
        })
    })?;
    Ok(AsPath::new(segments))
}

fn put_seen(to: &mut Writer, seen: &Seen) {
    let set = matches!(seen.origin, Origin::Set(_));
    for flag in [set, seen.from_rib, seen.disputed, seen.cleared, seen.held] {
        to.flag(flag);
    }
    to.list(seen.origin.asns(), |to, asn| put_asn(to, *asn));
    to.signed(seen.first_us);
    to.signed(seen.last_us);
}

fn seen(from: &mut Reader<'_>) -> Read<Seen> {
    let (set, from_rib) = (from.flag()?, from.flag()?);
    let (disputed, cleared) = (from.flag()?, from.flag()?);
    let held = from.format() >= 6 && from.flag()?;
    let asns = from.list(asn)?;
    let origin = match asns.as_slice() {
        [asn] if !set => Origin::As(*asn),
        _ => Origin::Set(asns),
    };
    Ok(Seen {
        origin,
        first_us: from.signed()?,
        last_us: from.signed()?,
        from_rib,
        disputed,
        held,
        cleared,
        rpki: Remembered::default(),
    })
}

pub(crate) fn put_restless(to: &mut Writer, restless: &Restless) {
    to.list(restless.sorted(), |to, (prefix, merits)| {
        put_prefix(to, *prefix);
        to.list(merits, |to, (slot, merit)| {
            to.unsigned(slot.0.into());
            to.unsigned(merit.points.into());
            to.signed(merit.at_us);
            to.option(merit.flaps, put_asn);
        });
    });
}

/// Format 2 and older know nobody who is restless.
pub(crate) fn restless(from: &mut Reader<'_>) -> Read<Restless> {
    if from.format() < 3 {
        return Ok(Restless::default());
    }
    let all = from.list(|from| {
        let prefix = prefix(from)?;
        let merits = from.list(|from| {
            let slot = Slot(from.number("slot")?);
            let merit = Merit {
                points: from.number("points")?,
                at_us: from.signed()?,
                flaps: from.option(asn)?,
            };
            Ok((slot, merit))
        })?;
        Ok((prefix, merits))
    })?;
    Ok(all.into_iter().collect())
}

pub(crate) fn put_losses(to: &mut Writer, losses: &Losses) {
    to.list(losses.sorted(), |to, (prefix, missed)| {
        put_prefix(to, *prefix);
        to.option(missed.since_us, Writer::signed);
        to.list(&missed.by, |to, (slot, loss)| {
            to.unsigned(slot.0.into());
            to.unsigned(loss.generation.into());
            to.signed(loss.at_us);
            to.signed(loss.event_time_us);
            to.flag(loss.synthetic);
            let known = losses.path(loss.path);
            to.option(known.and_then(|(_, suspect)| suspect), put_asn);
            put_path(to, known.map_or(&AsPath::default(), |(path, _)| path));
        });
    });
}

/// Format 5 and older know of no losses.
pub(crate) fn losses(from: &mut Reader<'_>) -> Read<Losses> {
    let mut losses = Losses::default();
    if from.format() < 6 {
        return Ok(losses);
    }
    from.list(|from| {
        let prefix = prefix(from)?;
        let since_us = from.option(Reader::signed)?;
        from.list(|from| {
            let slot = Slot(from.number("slot")?);
            let loss = Loss {
                generation: from.number("generation")?,
                path: PathRef(u32::MAX),
                at_us: from.signed()?,
                event_time_us: from.signed()?,
                synthetic: from.flag()?,
            };
            let suspect = from.option(asn)?;
            losses.add(prefix, slot, (&path(from)?, suspect), loss);
            Ok(())
        })?;
        losses.wait(prefix, since_us);
        Ok(())
    })?;
    Ok(losses)
}

pub(crate) fn put_link(to: &mut Writer, link: Link) {
    for end in link.ends() {
        put_asn(to, end);
    }
}

pub(crate) fn link(from: &mut Reader<'_>) -> Read<Link> {
    Ok(Link::new(asn(from)?, asn(from)?))
}

pub(crate) fn put_known(to: &mut Writer, link: Link, known: Known) {
    put_link(to, link);
    to.option(known.first_us, Writer::signed);
    to.signed(known.day);
}

pub(crate) fn known(from: &mut Reader<'_>) -> Read<(Link, Known)> {
    let link = link(from)?;
    let (first_us, day) = (from.option(Reader::signed)?, from.signed()?);
    Ok((link, Known { first_us, day }))
}

pub(crate) fn put_heard(to: &mut Writer, (slot, heard): (&Slot, &Hearing)) {
    for number in [slot.0, heard.messages, heard.announced] {
        to.unsigned(number.into());
    }
    to.signed(heard.skew_us);
}

pub(crate) fn heard(from: &mut Reader<'_>) -> Read<(Slot, Hearing)> {
    let slot = Slot(from.number("slot")?);
    let (messages, announced) = (from.number("messages")?, from.number("prefixes")?);
    Ok((
        slot,
        Hearing {
            messages,
            announced,
            repeated: 0,
            skew_us: from.signed()?,
        },
    ))
}

pub(crate) fn put_holdings(to: &mut Writer, holdings: &Holdings) {
    to.list(&holdings.of, |to, (origin, holding)| {
        put_asn(to, *origin);
        let (gone, parts) = (holding.withdrawn, holding.parts);
        for number in [holding.gained, gone, parts, holding.replaced] {
            to.unsigned(number.into());
        }
        to.list(&holding.examples, |to, example| put_prefix(to, *example));
    });
    to.list(&holdings.repeated, |to, (slot, prefixes)| {
        to.unsigned(slot.0.into());
        to.unsigned((*prefixes).into());
    });
}

/// Format 5 and older hold none; format 6 knows of no parts.
pub(crate) fn holdings(from: &mut Reader<'_>) -> Read<Holdings> {
    if from.format() < 6 {
        return Ok(Holdings::default());
    }
    let knows_parts = from.format() >= 7;
    let of = from.list(|from| {
        let origin = asn(from)?;
        let mut number = || from.number("prefixes");
        let (gained, withdrawn) = (number()?, number()?);
        let parts = if knows_parts { number()? } else { 0 };
        let holding = Holding {
            gained,
            withdrawn,
            parts,
            replaced: number()?,
            examples: from.list(prefix)?,
        };
        Ok((origin, holding))
    })?;
    let repeated = from.list(|from| Ok((Slot(from.number("slot")?), from.number("prefixes")?)))?;
    Ok(Holdings::of_second(of, repeated))
}

pub(crate) fn put_table(to: &mut Writer, table: &Table) {
    // Seats are nobody's business.
    let routes = |entry: &Entry| {
        let mut routes: Vec<Route> = entry.routes.iter(&table.seats).collect();
        routes.sort_unstable_by_key(|route| (route.slot, route.path_id));
        routes
    };
    let all = table.entries.iter();
    let mut entries: Vec<_> = all.map(|(p, entry)| (p, entry, routes(entry))).collect();
    entries.sort_unstable_by_key(|(prefix, ..)| **prefix);
    let mut numbers: FxHashMap<PathRef, u64> = FxHashMap::default();
    let mut used = Vec::new();
    for route in entries.iter().flat_map(|(.., routes)| routes) {
        let next = u64::try_from(used.len()).unwrap_or(u64::MAX);
        numbers.entry(route.path).or_insert_with(|| {
            used.push(route.path);
            next
        });
    }
    to.list(used, |to, at| {
        let mark = table.paths.mark(at).unwrap_or_default();
        to.flag(mark.blackhole);
        to.option(mark.only_to_customer, put_asn);
        to.signed(table.paths.facts(at).map_or(0, |facts| facts.since_us));
        put_path(to, table.paths.path(at).unwrap_or(&AsPath::default()));
    });
    to.list(entries, |to, (prefix, entry, routes)| {
        put_prefix(to, *prefix);
        for flag in [entry.lost, entry.judged, entry.watched] {
            to.flag(flag);
        }
        to.list(routes, |to, route| {
            to.unsigned(route.slot.0.into());
            to.unsigned(route.path_id.into());
            to.unsigned(route.generation.into());
            to.unsigned(numbers.get(&route.path).copied().unwrap_or_default());
            to.signed(route.event_time_us);
        });
        to.list(&entry.history.0, put_seen);
    });
}

pub(crate) fn table(from: &mut Reader<'_>, measure: Measure<'_>) -> Read<Table> {
    let mut table = Table::default();
    let paths = from.list(|from| {
        let mark = Mark {
            blackhole: from.flag()?,
            only_to_customer: if from.format() < 4 {
                None
            } else {
                from.option(asn)?
            },
        };
        let since_us = if from.format() < 5 {
            i64::MAX
        } else {
            from.signed()?
        };
        let path = path(from)?;
        Ok(table.intern(&path, mark, measure, since_us))
    })?;
    let entries = from.list(|from| {
        let prefix = prefix(from)?;
        let (lost, judged, watched) = (from.flag()?, from.flag()?, from.flag()?);
        let told = from.list(|from| route(from, &paths))?;
        let mut routes = Routes::with_capacity(told.len());
        for route in told.iter().flatten() {
            routes.announce(*route, &mut table.seats);
            table.paths.retain(route.path, 1);
            if from.format() < 5
                && let Some((.., facts)) = table.paths.with_facts_mut(route.path)
            {
                // As long as its oldest route, then.
                facts.since_us = facts.since_us.min(route.event_time_us);
            }
        }
        let entry = Entry {
            lost: lost || (routes.is_empty() && !told.is_empty()),
            routes,
            history: History(from.list(seen)?.into()),
            judged,
            watched,
            may_flap: false,
            missed: false,
        };
        Ok((prefix, entry))
    })?;
    for (prefix, entry) in entries {
        *table.entry(prefix) = entry;
    }
    for path in paths {
        table.paths.release(path);
    }
    Ok(table)
}

/// None for one that must be heard again: earlier versions gave a session more generations than a route can tell.
fn route(from: &mut Reader<'_>, paths: &[PathRef]) -> Read<Option<Route>> {
    let slot = Slot(from.number("slot")?);
    let (path_id, generation): (_, u32) = (from.number("path id")?, from.number("generation")?);
    let path = paths.get(from.number::<usize>("path")?).copied();
    let path = path.ok_or(SnapshotError::Impossible { what: "path" })?;
    let event_time_us = from.signed()?;
    Ok(u8::try_from(generation).ok().map(|generation| Route {
        slot,
        path_id,
        generation,
        path,
        event_time_us,
    }))
}
