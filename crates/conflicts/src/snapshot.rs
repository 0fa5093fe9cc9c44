//! The shards as bytes: the control shard and the links as of P0, each block as of its own Pb.
//!
//! Taking a snapshot copies one shard; encoding the copy may happen on another thread. Equal states
//! encode to equal bytes (everything is sorted, paths are numbered by first use), so that files can
//! be named by their content. A checksum is the caller's.

pub(crate) mod bytes;
pub(crate) mod values;

use rustc_hash::FxHashMap;
use weir_events::topics::Block;

use crate::{
    control::{ControlShard, Tally},
    detector::Detector,
    facts::Measure,
    incident::{Incident, Key, Severity},
    links::{Known, Link, PAGES, Page},
    shard::{Baseline, Closed, Live, Shard},
    wire::WireError,
};
use bytes::{Reader, Writer};

/// Version of the format, the first byte of every snapshot. Older ones are read too: in format 1 incidents do not
/// say how bad their routes are by themselves, which was the same; before format 3 nothing is said of flaps, before
/// format 4 nothing of routes that are for customers only, before format 5 nothing of how long a path has been known,
/// before format 6 nothing of links, of what origins hold (that is told anew then), and of who lost a prefix, before
/// format 7 nothing of parts among what origins lost.
const FORMAT: u8 = 7;
const CONTROL: u8 = b'c';
const BLOCK: u8 = b'b';
const LINKS: u8 = b'l';

/// Pages of links are filed among the blocks, under numbers that no block has.
const PAGE_MARK: u32 = 1 << 30;

/// Bytes that are no snapshot. Never transient.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// Written by another version of the program, or something else altogether.
    #[error("not a {what} snapshot of format {FORMAT}")]
    Format {
        /// What was expected.
        what: &'static str,
    },
    /// It ends too early.
    #[error("the snapshot ends too early")]
    Truncated,
    /// A value that nobody writes.
    #[error("the snapshot holds an impossible {what}")]
    Impossible {
        /// What it should have been.
        what: &'static str,
    },
    /// An incident that cannot be read.
    #[error("an incident in the snapshot")]
    Incident(#[from] WireError),
}

/// A copy of the control shard, without the pages of links.
#[derive(Clone, Debug)]
pub struct ControlSnapshot {
    shard: ControlShard,
    since_us: Option<i64>,
    from_rib: bool,
    untold: Vec<Link>,
}

/// A copy of one page of links. It stands where the control shard stands.
#[derive(Clone, Debug)]
pub struct LinksSnapshot {
    page: u32,
    links: FxHashMap<Link, Known>,
}

/// A copy of one block's shard.
#[derive(Clone, Debug)]
pub struct BlockSnapshot {
    block: Block,
    shard: Shard,
}

impl Detector {
    /// A copy of the control shard as it is now.
    #[must_use]
    pub fn control_snapshot(&self) -> ControlSnapshot {
        ControlSnapshot {
            shard: self.control.clone(),
            since_us: self.links.since_us,
            from_rib: self.links.from_rib,
            untold: self.links.untold.clone(),
        }
    }

    /// Copies of the pages of links that changed since this was asked last. They belong to the control shard: to be
    /// taken together with it.
    pub fn links_snapshots(&mut self) -> Vec<LinksSnapshot> {
        let pages = (0..).zip(&mut self.links.pages);
        let dirty = pages.filter(|(_, page)| page.dirty);
        let copies = dirty.map(|(number, page)| {
            page.dirty = false;
            LinksSnapshot {
                page: number,
                links: page.links.clone(),
            }
        });
        copies.collect()
    }

    /// Blocks that changed since their last snapshot, ascending.
    #[must_use]
    pub fn dirty_blocks(&self) -> Vec<Block> {
        self.shards
            .iter()
            .filter(|(_, shard)| shard.dirty)
            .map(|(block, _)| *block)
            .collect()
    }

    /// A copy of one block as it is now; from here on it is clean until it changes.
    pub fn block_snapshot(&mut self, block: Block) -> BlockSnapshot {
        let now = self.control.now();
        let shard = self.shards.entry(block).or_default();
        shard.dirty = false;
        // Equal states are equal bytes, whenever what has decayed was forgotten.
        shard.restless.forget(now, &self.thresholds);
        let shard = shard.clone();
        BlockSnapshot { block, shard }
    }

    /// Takes back a control shard. The next record to be applied is the one at its P0.
    ///
    /// # Errors
    /// When the bytes are no control snapshot; the detector is as it was.
    pub fn restore_control(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        let snapshot = ControlSnapshot::decode(bytes, self.measure())?;
        self.control = snapshot.shard;
        self.links.since_us = snapshot.since_us;
        self.links.from_rib = snapshot.from_rib;
        self.links.untold = snapshot.untold;
        Ok(())
    }

    /// Takes back a block, or a page of links, after the control shard. Records before `pb` are in a block already
    /// and will pass it by.
    ///
    /// # Errors
    /// When the bytes are no snapshot of this block; the detector is as it was.
    pub fn restore_block(
        &mut self,
        block: Block,
        bytes: &[u8],
        pb: i64,
    ) -> Result<(), SnapshotError> {
        if let Some(page) = page_of(block) {
            let links = LinksSnapshot::decode(bytes, page)?.links;
            if let Some(page) = self.links.pages.get_mut(page as usize) {
                *page = Page {
                    links,
                    dirty: false,
                };
            }
            return Ok(());
        }
        let mut shard = BlockSnapshot::decode(bytes, block, self.measure())?.shard;
        shard.pb = pb;
        if bytes.first().is_some_and(|format| *format < 6) {
            self.learn_of_older(&mut shard);
        }
        self.shards.insert(block, shard);
        Ok(())
    }

    /// What a snapshot of an older format holds and nobody was told of.
    fn learn_of_older(&mut self, shard: &mut Shard) {
        let now = self.control.now();
        let (bogons, t) = (self.measure().own.clone(), self.thresholds.clone());
        for path in shard.table.hold_anew(&t) {
            self.links.see(&path, true, now, &bogons, &t);
        }
        shard.dirty = true;
    }
}

/// The page of links that is filed under the number of a block.
fn page_of(block: Block) -> Option<u32> {
    let page = block.id() ^ PAGE_MARK;
    (page < PAGES).then_some(page)
}

impl LinksSnapshot {
    /// The number that it is filed under.
    #[must_use]
    pub fn block(&self) -> Block {
        Block::from_id(PAGE_MARK | self.page)
    }

    /// The bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut to = Writer::new(FORMAT, LINKS);
        let mut links: Vec<_> = self.links.iter().collect();
        links.sort_unstable_by_key(|(link, _)| **link);
        to.list(links, |to, (link, known)| {
            values::put_known(to, *link, *known)
        });
        to.done()
    }

    fn decode(bytes: &[u8], page: u32) -> Result<Self, SnapshotError> {
        let mut from = Reader::new(bytes, FORMAT, LINKS, "links")?;
        let links: Vec<_> = from.list(values::known)?;
        if links.iter().any(|(link, _)| link.page() != page) {
            return Err(SnapshotError::Impossible {
                what: "page of links",
            });
        }
        let links = links.into_iter().collect();
        Ok(Self { page, links })
    }
}

impl ControlSnapshot {
    /// The bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut to = Writer::new(FORMAT, CONTROL);
        let shard = &self.shard;
        to.list(&shard.writers, |to, (name, last)| {
            to.text(name);
            to.unsigned(last.writer_epoch);
            to.unsigned(last.seq);
        });
        to.list(shard.peers.sessions(), values::put_session);
        to.option(shard.tick, Writer::signed);
        to.signed(shard.event_time_us);
        values::put_table(&mut to, &shard.short);
        to.list(shard.knowledge.values(), values::put_knowledge);
        let tally = shard.tally;
        for count in [tally.elements, tally.copies, tally.duplicates, tally.fenced] {
            to.unsigned(count);
        }
        to.list(&shard.heard, values::put_heard);
        to.option(self.since_us, Writer::signed);
        to.flag(self.from_rib);
        to.list(&self.untold, |to, link| values::put_link(to, *link));
        to.done()
    }

    fn decode(bytes: &[u8], measure: Measure<'_>) -> Result<Self, SnapshotError> {
        let mut from = Reader::new(bytes, FORMAT, CONTROL, "control")?;
        let writers = from.list(|from| Ok((from.text()?, values::writer_seq(from)?)))?;
        let sessions = from.list(values::session)?;
        let tick = from.option(Reader::signed)?;
        let event_time_us = from.signed()?;
        let short = values::table(&mut from, measure)?;
        let knowledge: Vec<_> = from.list(values::knowledge)?;
        let tally = Tally {
            elements: from.unsigned()?,
            copies: from.unsigned()?,
            duplicates: from.unsigned()?,
            fenced: from.unsigned()?,
        };
        let is_older = from.format() < 6;
        let heard: Vec<_> = if is_older {
            Vec::new()
        } else {
            from.list(values::heard)?
        };
        let since_us = if is_older {
            None
        } else {
            from.option(Reader::signed)?
        };
        let from_rib = !is_older && from.flag()?;
        let untold = if is_older {
            Vec::new()
        } else {
            from.list(values::link)?
        };
        let shard = ControlShard {
            writers: writers.into_iter().collect(),
            peers: weir_routing::rib::Peers::from_sessions(sessions),
            tick,
            event_time_us,
            short,
            knowledge: knowledge.into_iter().map(|k| (k.kind.clone(), k)).collect(),
            tally,
            heard: heard.into_iter().collect(),
        };
        Ok(Self {
            shard,
            since_us,
            from_rib,
            untold,
        })
    }
}

impl BlockSnapshot {
    /// Whose it is.
    #[must_use]
    pub fn block(&self) -> Block {
        self.block
    }

    /// The bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut to = Writer::new(FORMAT, BLOCK);
        let shard = &self.shard;
        to.unsigned(self.block.id().into());
        values::put_table(&mut to, &shard.table);
        to.list(shard.open.values(), |to, live| {
            values::put_incident(to, &live.incident);
            values::put_severity(to, live.worst);
            to.signed(live.changed_us);
            to.signed(live.due_us);
        });
        to.list(shard.closed.values(), |to, closed| {
            values::put_incident(to, &closed.incident);
            values::put_severity(to, closed.worst);
            to.signed(closed.at_us);
            to.flag(closed.gone);
        });
        let Baseline {
            judged,
            stable,
            unsettled,
        } = shard.baseline;
        for count in [judged, stable, unsettled] {
            to.unsigned(count);
        }
        values::put_restless(&mut to, &shard.restless);
        values::put_holdings(&mut to, &shard.table.holdings);
        values::put_losses(&mut to, &shard.losses);
        to.done()
    }

    fn decode(bytes: &[u8], block: Block, measure: Measure<'_>) -> Result<Self, SnapshotError> {
        let mut from = Reader::new(bytes, FORMAT, BLOCK, "block")?;
        if from.unsigned()? != u64::from(block.id()) {
            return Err(SnapshotError::Impossible { what: "block" });
        }
        let mut table = values::table(&mut from, measure)?;
        let open = from.list(|from| {
            let (key, incident) = filed(from)?;
            let live = Live {
                worst: worst(from, &incident)?,
                incident,
                changed_us: from.signed()?,
                due_us: from.signed()?,
            };
            Ok((key, live))
        })?;
        let closed = from.list(|from| {
            let (key, incident) = filed(from)?;
            let closed = Closed {
                worst: worst(from, &incident)?,
                incident,
                at_us: from.signed()?,
                gone: from.flag()?,
            };
            Ok((key, closed))
        })?;
        let baseline = Baseline {
            judged: from.unsigned()?,
            stable: from.unsigned()?,
            unsettled: from.unsigned()?,
        };
        let restless = values::restless(&mut from)?;
        table.holdings = values::holdings(&mut from)?;
        for (prefix, _) in restless.sorted() {
            if let Some(entry) = table.entries.get_mut(prefix) {
                entry.may_flap = true;
            }
        }
        let losses = values::losses(&mut from)?;
        for (prefix, _) in losses.sorted() {
            if let Some(entry) = table.entries.get_mut(prefix) {
                entry.missed = true;
            }
        }
        let timers = open.iter().filter(|(_, live)| live.due_us != i64::MAX);
        let timers = timers.map(|(key, live)| (live.due_us, *key));
        let mut of_link: FxHashMap<_, u32> = FxHashMap::default();
        for (key, _) in open.iter().filter(|(key, _)| key.role.is_link()) {
            *of_link.entry((key.role, key.link())).or_default() += 1;
        }
        let shard = Shard {
            timers: timers.collect(),
            table,
            open: open.into_iter().collect(),
            closed: closed.into_iter().collect(),
            baseline,
            restless,
            losses,
            of_link,
            pb: 0,
            dirty: false,
        };
        Ok(Self { block, shard })
    }
}

/// An incident and where the block files it: by a prefix, which all of a block have.
fn filed(from: &mut Reader<'_>) -> Result<(Key, Incident), SnapshotError> {
    let incident = values::incident(from)?;
    let what = "incident without a prefix";
    let key = incident.key().ok_or(SnapshotError::Impossible { what })?;
    Ok((key, incident))
}

/// How bad the routes of an incident are by themselves.
fn worst(from: &mut Reader<'_>, incident: &Incident) -> Result<Severity, SnapshotError> {
    if from.format() < 2 {
        return Ok(incident.severity);
    }
    values::severity(from)
}

#[cfg(test)]
mod tests {
    use weir_events::v1;
    use weir_routing::Prefix;

    use super::*;
    use crate::{Thresholds, wire};

    fn open(about: Prefix) -> Live {
        let told = v1::Incident {
            id: "11111111-1111-5111-8111-111111111111".to_owned(),
            r#type: "moas".to_owned(),
            prefix: Some(about.into()),
            state: v1::incident::State::Suspected.into(),
            severity: v1::incident::Severity::High.into(),
            transition: v1::incident::Transition::Opened.into(),
            ..v1::Incident::default()
        };
        Live {
            incident: wire::state_back(told).unwrap(),
            worst: Severity::High,
            changed_us: 0,
            due_us: 0,
        }
    }

    #[test]
    fn an_incident_of_no_prefix_is_in_no_block() {
        let about: Prefix = "10.64.0.0/20".parse().unwrap();
        let (mut live, block) = (open(about), about.block());
        let key = live.incident.key().unwrap();
        let mut detector = Detector::new(
            weir_events::position::TopicEpoch(1),
            Thresholds::default(),
            weir_routing::Bogons::parse("192.168.0.0/16").unwrap(),
        );
        for (prefix, is_read) in [(Some(about), true), (None, false)] {
            live.incident.prefix = prefix;
            let mut shard = Shard::default();
            shard.open.insert(key, live.clone());
            let bytes = BlockSnapshot { block, shard }.encode();
            let read = detector.restore_block(block, &bytes, 0);
            assert_eq!(read.is_ok(), is_read);
            let impossible = matches!(read, Err(SnapshotError::Impossible { .. }));
            assert_eq!(impossible, !is_read);
        }
    }
}
