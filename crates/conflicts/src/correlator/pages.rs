//! The second stage as numbered pages of bytes: page 0 holds what is open or pending, each other page some links and the
//! accounts of some origins, so that what is written goes with what has changed. Equal states are equal bytes.

use std::collections::BTreeMap;

use prost::Message;
use uuid::Uuid;
use weir_routing::Asn;

use super::{
    Correlator, Order,
    groups::{Group, Grouped, Groups},
    outages::{Account, Loss, Outage, Outages, page},
    threads::{Thread, Threads},
    voices::{Manner, Voices},
};
use crate::{
    incident::{Incident, Kind},
    links::{Link, PAGES},
    rules::peer_health::{Fault, Pauses},
    signal::{Signal, Voice},
    snapshot::{
        SnapshotError,
        bytes::{Reader, Writer},
        values,
    },
    wire,
};

/// Version of the format, the first byte of every page.
const FORMAT: u8 = 2;
const HEAD: u8 = b'h';
const PAGE: u8 = b'p';

type Read<T> = Result<T, SnapshotError>;

fn impossible<T>(what: &'static str) -> Read<T> {
    Err(SnapshotError::Impossible { what })
}

impl Correlator {
    /// What changed since this was asked last, as numbered pages to be kept, in one transaction with the position in the
    /// log: page 0 always, others as they change.
    pub fn changed_pages(&mut self) -> Vec<(u32, Vec<u8>)> {
        let mut dirty = std::mem::take(&mut self.threads.dirty);
        dirty.append(&mut self.outages.dirty);
        let pages = dirty
            .into_iter()
            .map(|number| (number + 1, self.page(number)));
        let pages: Vec<_> = pages.collect();
        std::iter::once((0, self.head())).chain(pages).collect()
    }

    /// Takes back a page.
    ///
    /// # Errors
    /// When the bytes are no such page.
    pub fn restore_page(&mut self, number: u32, bytes: &[u8]) -> Result<(), SnapshotError> {
        match number.checked_sub(1) {
            None => self.restore_head(bytes),
            Some(number) if number < PAGES => self.restore_accounts(number, bytes),
            Some(_) => impossible("number of a page"),
        }
    }

    fn head(&self) -> Vec<u8> {
        let mut to = Writer::new(FORMAT, HEAD);
        to.list(&self.open_s, |to, (source, second)| {
            to.unsigned((*source).into());
            to.signed(*second);
        });
        to.option(self.taken_below, Writer::signed);
        to.unsigned(self.signals);
        to.unsigned(self.duplicates);
        to.list(self.pending.values(), |to, signal| {
            to.bytes(&wire::signal(signal).encode_to_vec());
        });
        to.list(self.threads.open.values(), put_thread);
        to.signed(self.threads.swept);
        to.list(&self.groups.0, put_group);
        to.list(self.outages.open.values(), put_outage);
        to.list(&self.voices.0, put_voice);
        to.list(self.outages.over.values(), put_outage);
        to.done()
    }

    fn restore_head(&mut self, bytes: &[u8]) -> Read<()> {
        let mut from = Reader::new(bytes, FORMAT, HEAD, "head of the second stage")?;
        let open_s = from.list(|from| Ok((from.number("partition")?, from.signed()?)))?;
        let taken_below = from.option(Reader::signed)?;
        let (signals, duplicates) = (from.unsigned()?, from.unsigned()?);
        let pending: Vec<(Order, Signal)> = from.list(pending)?;
        let threads: Vec<((Kind, Link), Thread)> = from.list(thread)?;
        let swept = from.signed()?;
        let groups: Vec<_> = from.list(group)?;
        let open: Vec<_> = from.list(outage)?;
        let voices: Vec<_> = from.list(voice)?;
        // In format 1 what was over did not open again.
        let over: Vec<_> = if from.format() >= 2 {
            from.list(outage)?
        } else {
            Vec::new()
        };
        self.open_s = open_s.into_iter().collect();
        self.taken_below = taken_below;
        (self.signals, self.duplicates) = (signals, duplicates);
        self.pending = pending.into_iter().collect();
        self.threads.open = threads.into_iter().collect();
        self.threads.swept = swept;
        self.groups = Groups(groups.into_iter().collect());
        self.outages.open = open.into_iter().collect();
        self.outages.over = over.into_iter().collect();
        self.voices = Voices(voices.into_iter().collect());
        Ok(())
    }

    fn page(&self, number: u32) -> Vec<u8> {
        let mut to = Writer::new(FORMAT, PAGE);
        let links = self.threads.links.iter();
        let mut links: Vec<_> = links.filter(|(link, _)| link.page() == number).collect();
        links.sort_unstable_by_key(|(link, _)| **link);
        to.list(links, |to, (link, known)| {
            values::put_known(to, *link, *known)
        });
        let accounts = self.outages.accounts.iter();
        let mut accounts: Vec<_> = accounts.filter(|(of, _)| page(**of) == number).collect();
        accounts.sort_unstable_by_key(|(origin, _)| **origin);
        to.list(accounts, |to, (origin, account)| {
            values::put_asn(to, *origin);
            to.unsigned(account.held.into());
            to.list(&account.lately, |to, loss| {
                to.signed(loss.second);
                to.signed(loss.net);
                to.unsigned(loss.wholes.into());
                to.list(&loss.examples, |to, prefix| values::put_prefix(to, *prefix));
            });
        });
        to.done()
    }

    fn restore_accounts(&mut self, number: u32, bytes: &[u8]) -> Read<()> {
        let mut from = Reader::new(bytes, FORMAT, PAGE, "page of the second stage")?;
        let links: Vec<_> = from.list(values::known)?;
        let knows_wholes = from.format() >= 2;
        let accounts: Vec<_> = from.list(|from| {
            let origin = values::asn(from)?;
            let held = from.number("prefixes")?;
            let lately = from.list(|from| {
                let (second, net) = (from.signed()?, from.signed()?);
                // Format 1 took each for one.
                let wholes = if knows_wholes {
                    from.number("prefixes")?
                } else {
                    u32::try_from(net).unwrap_or_default()
                };
                Ok(Loss {
                    second,
                    net,
                    wholes,
                    examples: from.list(values::prefix)?,
                })
            })?;
            let lately = lately.into();
            Ok((origin, Account { held, lately }))
        })?;
        let strays = links.iter().any(|(link, _)| link.page() != number)
            || accounts.iter().any(|(origin, _)| page(*origin) != number);
        if strays {
            return impossible("page of the second stage");
        }
        let (Threads { links: all, .. }, Outages { accounts: of, .. }) =
            (&mut self.threads, &mut self.outages);
        all.retain(|link, _| link.page() != number);
        all.extend(links);
        of.retain(|origin, _| page(*origin) != number);
        of.extend(accounts);
        Ok(())
    }
}

fn pending(from: &mut Reader<'_>) -> Read<(Order, Signal)> {
    let signal = wire::decode_signal(from.bytes()?)?;
    let signal = signal.ok_or(SnapshotError::Impossible { what: "signal" })?;
    Ok((super::order(&signal), signal))
}

fn put_id(to: &mut Writer, id: Uuid) {
    to.bytes(id.as_bytes());
}

fn id(from: &mut Reader<'_>) -> Read<Uuid> {
    Uuid::from_slice(from.bytes()?).or_else(|_| impossible("id"))
}

fn put_thread(to: &mut Writer, thread: &Thread) {
    values::put_incident(to, &thread.lead);
    to.list(&thread.parts, |to, (id, (prefix, open))| {
        put_id(to, *id);
        to.option(*prefix, values::put_prefix);
        to.flag(*open);
    });
}

fn thread(from: &mut Reader<'_>) -> Read<((Kind, Link), Thread)> {
    let lead: Incident = values::incident(from)?;
    let parts: Vec<_> = from.list(|from| {
        let id = id(from)?;
        Ok((id, (from.option(values::prefix)?, from.flag()?)))
    })?;
    let parts: BTreeMap<_, _> = parts.into_iter().collect();
    Ok(((lead.kind, lead.link()), Thread { lead, parts }))
}

fn put_group(to: &mut Writer, ((kind, suspect, victim), group): (&super::groups::Of, &Group)) {
    to.text(kind.name());
    values::put_asn(to, *suspect);
    values::put_asn(to, *victim);
    to.list(&group.parts, |to, (id, part)| {
        put_id(to, *id);
        values::put_prefix(to, part.prefix);
        to.signed(part.opened_s);
        to.flag(part.open);
    });
    to.option(group.lead.as_ref(), values::put_incident);
}

fn group(from: &mut Reader<'_>) -> Read<(super::groups::Of, Group)> {
    let Some(kind) = Kind::from_name(&from.text()?) else {
        return impossible("type");
    };
    let of = (kind, values::asn(from)?, values::asn(from)?);
    let parts: Vec<_> = from.list(|from| {
        let part = (
            id(from)?,
            values::prefix(from)?,
            from.signed()?,
            from.flag()?,
        );
        let (id, prefix, opened_s, open) = part;
        let grouped = Grouped {
            prefix,
            opened_s,
            open,
        };
        Ok((id, grouped))
    })?;
    let lead = from.option(values::incident)?;
    let parts = parts.into_iter().collect();
    Ok((of, Group { parts, lead }))
}

fn put_outage(to: &mut Writer, outage: &Outage) {
    values::put_incident(to, &outage.incident);
    to.unsigned(outage.base.into());
    to.list(&outage.examples, |to, prefix| {
        values::put_prefix(to, *prefix)
    });
}

fn outage(from: &mut Reader<'_>) -> Read<(Asn, Outage)> {
    let incident = values::incident(from)?;
    let origin = incident.suspect;
    let outage = Outage {
        incident,
        base: from.number("prefixes")?,
        examples: from.list(values::prefix)?.into_iter().collect(),
    };
    Ok((origin, outage))
}

fn put_voice(to: &mut Writer, (voice, manner): (&Voice, &Manner)) {
    to.text(&voice.collector);
    values::put_peer(to, voice.peer);
    to.signed(manner.heard_s);
    to.list(manner.pauses.0, |to, count| to.unsigned(count.into()));
    to.list(&manner.lately, |to, (second, announced, repeated)| {
        to.signed(*second);
        to.unsigned((*announced).into());
        to.unsigned((*repeated).into());
    });
    to.list(&manner.odd, |to, (fault, (incident, last))| {
        to.text(fault.reason());
        values::put_incident(to, incident);
        to.signed(*last);
    });
}

fn voice(from: &mut Reader<'_>) -> Read<(Voice, Manner)> {
    let voice = Voice {
        collector: from.text()?,
        peer: values::peer(from)?,
    };
    let heard_s = from.signed()?;
    let pauses = from.list(|from| from.number("pauses"))?;
    let Ok(pauses) = pauses.try_into() else {
        return impossible("pauses");
    };
    let lately = from.list(|from| {
        Ok((
            from.signed()?,
            from.number("prefixes")?,
            from.number("prefixes")?,
        ))
    })?;
    let odd: Vec<_> = from.list(|from| {
        let reason = from.text()?;
        let fault = Fault::ALL
            .into_iter()
            .find(|fault| fault.reason() == reason);
        let Some(fault) = fault else {
            return impossible("fault");
        };
        Ok((fault, (values::incident(from)?, from.signed()?)))
    })?;
    let manner = Manner {
        heard_s,
        pauses: Pauses(pauses),
        lately: lately.into(),
        odd: odd.into_iter().collect(),
    };
    Ok((voice, manner))
}

#[cfg(test)]
mod tests {
    use weir_events::position::TopicEpoch;
    use weir_routing::Prefix;

    use super::*;
    use crate::thresholds::Thresholds;

    /// As format 1 was: without what of a loss was no part of anything.
    fn of_format_1(origin: Asn) -> Vec<u8> {
        let mut to = Writer::new(1, PAGE);
        to.list(Vec::<u8>::new(), |_, _| {});
        to.list([origin], |to, origin| {
            values::put_asn(to, origin);
            to.unsigned(12);
            to.list([(50, 7), (51, -2)], |to, (second, net)| {
                to.signed(second);
                to.signed(net);
                to.list(Vec::<Prefix>::new(), |to, prefix| {
                    values::put_prefix(to, prefix)
                });
            });
        });
        to.done()
    }

    #[test]
    fn of_a_page_of_format_1_every_loss_is_one_of_wholes() {
        let mut correlator = Correlator::new(TopicEpoch(1), Thresholds::default());
        let number = page(Asn(64_500));
        let bytes = of_format_1(Asn(64_500));
        correlator.restore_page(number + 1, &bytes).unwrap();
        let account = &correlator.outages.accounts[&Asn(64_500)];
        let lately = account
            .lately
            .iter()
            .map(|loss| (loss.second, loss.net, loss.wholes));
        assert_eq!(lately.collect::<Vec<_>>(), [(50, 7, 7), (51, -2, 0)]);
        assert_eq!(account.held, 12);

        let newest = correlator.page(number);
        let mut again = Correlator::new(TopicEpoch(1), Thresholds::default());
        again.restore_page(number + 1, &newest).unwrap();
        assert_eq!(again.outages, {
            let mut expected = correlator.outages;
            expected.dirty.clear();
            expected
        });
    }
}
