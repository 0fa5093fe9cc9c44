//! Stories in which nothing is announced that was not there before: routes go and come back as they were, or a table
//! comes again.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::RangeInclusive,
};

use rand::{rngs::StdRng, seq::SliceRandom};
use weir_events::time::SECOND_US;
use weir_routing::{Asn, PathAttributes, Prefix};

use super::{
    Plan, SPREAD_US, delays,
    play::{all_announced, all_withdrawn},
    stage::{CARRIERS, Stage},
};
use crate::{
    label::Label,
    recipes::{Churn, What},
    world::origin,
};

/// Fewer vantage points have no prefix of which some lose sight.
const SIGHTS: usize = 20;
/// A prefix that is out of sight for so long is lost.
const LOST_US: i64 = 60 * SECOND_US;
/// How long the prefixes of a network are away.
const AWAY_US: i64 = 300 * SECOND_US;
/// Who holds more prefixes keeps them.
const HOLDINGS: usize = 300;
/// Prefixes in one message.
const A_MESSAGE: usize = 100;

/// Who says so much again within a minute sends a table by itself: what is planted then is no story of its own.
const REPEATS: usize = 500;
const LATELY_US: i64 = 60 * SECOND_US;

/// A prefix, and the routes to it that go.
type Lost = (Prefix, BTreeMap<usize, PathAttributes>);

impl Churn {
    /// From the first message to the last, at most.
    pub(super) fn lasts_us(&self) -> i64 {
        let [spread_us, away_us] = self.times_us();
        spread_us + away_us + spread_us
    }

    /// How much later one vantage point hears of it than another, and how long routes are away.
    fn times_us(&self) -> [i64; 2] {
        match self.what {
            What::PrefixGone { spread_us, away_us } => [spread_us, away_us],
            What::HoldingsGone { .. } => [SPREAD_US, AWAY_US],
            What::TableAgain => [SPREAD_US, 0],
        }
    }

    /// A label without times.
    fn label(&self, story: u32, suspect: Asn) -> Label {
        Label {
            story,
            recipe: self.name.to_owned(),
            expected: self.is_conflict.then(|| self.name.to_owned()),
            prefix: None,
            prefixes: Vec::new(),
            suspect: suspect.0,
            also: self.also.iter().map(ToString::to_string).collect(),
            begins_us: 0,
            due_us: 0,
            stands_until_us: 0,
            ends_us: 0,
            carriers: 1,
        }
    }
}

impl Stage<'_> {
    /// Tells of routes that go and come back, if somebody is left who could lose them.
    pub(super) fn churn(
        &mut self,
        plan: &mut Plan,
        churn: &Churn,
        at: i64,
        dice: &mut StdRng,
    ) -> bool {
        let lasts = at..=at + churn.lasts_us();
        let found = match churn.what {
            What::PrefixGone { .. } => self.prefix_that_goes(&lasts, dice),
            What::HoldingsGone { least, is_most } => {
                self.holdings_that_go(&lasts, least, is_most, dice)
            }
            What::TableAgain => None,
        };
        let Some((origin, lost)) = found else {
            return false;
        };
        let gone: BTreeSet<Prefix> = lost.iter().map(|(prefix, _)| *prefix).collect();
        self.prefixes.retain(|prefix| !gone.contains(prefix));
        let mut texts = gone.iter().map(ToString::to_string);
        let mut label = churn.label(plan.story(), origin);
        if let What::PrefixGone { .. } = churn.what {
            label.prefix = texts.next();
        } else {
            label.prefixes = texts.collect();
        }
        self.told.extend(gone);
        self.go_and_come_back(plan, churn, label, &lost, at, dice);
        true
    }

    /// A prefix of which nobody speaks meanwhile, and the routes of three quarters of those who have one.
    fn prefix_that_goes(
        &mut self,
        lasts: &RangeInclusive<i64>,
        dice: &mut StdRng,
    ) -> Option<(Asn, Vec<Lost>)> {
        let world = self.world;
        let found = self.prefixes.iter().rposition(|prefix| {
            world.is_silent(prefix, lasts.clone())
                && world.routes_at(prefix, *lasts.start()).len() >= SIGHTS
        })?;
        let prefix = self.prefixes.remove(found);
        let mut routes: Vec<_> = world
            .routes_at(&prefix, *lasts.start())
            .into_iter()
            .collect();
        let origin = routes.iter().find_map(|(_, held)| origin(&held.as_path))?;
        routes.shuffle(dice);
        routes.truncate((routes.len() * 3).div_ceil(4));
        Some((origin, vec![(prefix, routes.into_iter().collect())]))
    }

    /// A network, and all routes to a part of what it holds of which nobody speaks meanwhile.
    fn holdings_that_go(
        &mut self,
        lasts: &RangeInclusive<i64>,
        least: usize,
        is_most: bool,
        dice: &mut StdRng,
    ) -> Option<(Asn, Vec<Lost>)> {
        let holders = self.holders.iter().enumerate();
        let mut holders = holders.filter(|(_, (_, held))| (least..=HOLDINGS).contains(&held.len()));
        let (found, origin, lost) = holders.find_map(|(number, (origin, held))| {
            let lost = match is_most {
                true => self.most(*origin, held, lasts, least),
                false => self.a_fifth(*origin, held, lasts, least, dice),
            };
            Some((number, *origin, lost?))
        })?;
        self.holders.swap_remove(found);
        Some((origin, lost))
    }

    /// Three quarters or more of what a network holds.
    fn most(
        &self,
        origin: Asn,
        prefixes: &[Prefix],
        lasts: &RangeInclusive<i64>,
        least: usize,
    ) -> Option<Vec<Lost>> {
        let (count, lost) = self.held_and_silent(origin, prefixes, lasts);
        let wide = lost.iter().filter(|lost| self.is_wide(lost)).count();
        (wide >= least && lost.len() * 4 >= count * 3).then_some(lost)
    }

    /// A fifth of what a network holds and many see, any.
    fn a_fifth(
        &self,
        origin: Asn,
        prefixes: &[Prefix],
        lasts: &RangeInclusive<i64>,
        least: usize,
        dice: &mut StdRng,
    ) -> Option<Vec<Lost>> {
        let (_, mut lost) = self.held_and_silent(origin, prefixes, lasts);
        lost.retain(|lost| self.is_wide(lost));
        let count = lost.len();
        lost.shuffle(dice);
        lost.truncate(count / 5);
        (count >= least).then_some(lost)
    }

    /// How many prefixes the network holds as it begins, and all routes to those of which nobody speaks meanwhile.
    fn held_and_silent(
        &self,
        origin: Asn,
        prefixes: &[Prefix],
        lasts: &RangeInclusive<i64>,
    ) -> (usize, Vec<Lost>) {
        let is_its = |held: &PathAttributes| crate::world::origin(&held.as_path) == Some(origin);
        let held = prefixes.iter().map(|prefix| {
            let mut routes = self.world.routes_at(prefix, *lasts.start());
            routes.retain(|_, held| is_its(held));
            (*prefix, routes)
        });
        let mut held: Vec<Lost> = held.filter(|(_, routes)| !routes.is_empty()).collect();
        let count = held.len();
        held.retain(|(prefix, _)| {
            !self.told.contains(prefix) && self.world.is_silent(prefix, lasts.clone())
        });
        (count, held)
    }

    /// True when so many networks see it that it is worth a story.
    fn is_wide(&self, (_, routes): &Lost) -> bool {
        self.asns(routes.keys()).len() >= CARRIERS
    }

    fn asns<'p>(&self, peers: impl Iterator<Item = &'p usize>) -> BTreeSet<Asn> {
        let points = peers.filter_map(|peer| self.world.peers().get(*peer));
        points.map(|(_, peer)| peer.asn).collect()
    }

    fn go_and_come_back(
        &self,
        plan: &mut Plan,
        churn: &Churn,
        label: Label,
        lost: &[Lost],
        at: i64,
        dice: &mut StdRng,
    ) {
        let mut by_peer: BTreeMap<usize, Vec<(Prefix, PathAttributes)>> = BTreeMap::new();
        for (prefix, routes) in lost {
            for (peer, route) in routes {
                let of = by_peer.entry(*peer).or_default();
                of.push((*prefix, route.clone()));
            }
        }
        let carriers = self.asns(by_peer.keys()).len();
        let [spread_us, away_us] = churn.times_us();
        let back = at + spread_us + away_us;
        let goes = delays(by_peer.len(), spread_us, dice);
        let comes = delays(by_peer.len(), spread_us, dice);
        let gone = at + goes.iter().max().copied().unwrap_or_default();
        let last = back + comes.iter().max().copied().unwrap_or_default();
        for ((peer, routes), (goes, comes)) in by_peer.into_iter().zip(goes.iter().zip(&comes)) {
            let prefixes: Vec<Prefix> = routes.iter().map(|(prefix, _)| *prefix).collect();
            for some in prefixes.chunks(A_MESSAGE) {
                plan.say(at + goes, peer, all_withdrawn(some));
            }
            for (route, prefixes) in by_route(routes) {
                plan.say(back + comes, peer, all_announced(&prefixes, route));
            }
        }
        let held_back = match churn.what {
            What::PrefixGone { .. } if churn.is_conflict => LOST_US,
            _ => 0,
        };
        plan.labels.push(Label {
            begins_us: at,
            due_us: gone + held_back,
            stands_until_us: back,
            ends_us: last,
            carriers: u32::try_from(carriers).unwrap_or(u32::MAX),
            ..label
        });
    }

    /// Tells of a vantage point that sends all of its table again, if one is left.
    pub(super) fn table_again(&mut self, plan: &mut Plan, churn: &Churn, at: i64) -> bool {
        let around = at - LATELY_US..=at + SPREAD_US;
        let world = self.world;
        let is_quiet = |peer: &usize| world.said_again(*peer, &around) < REPEATS;
        while let Some(found) = self.points.iter().rposition(is_quiet) {
            let peer = self.points.remove(found);
            let Some((_, who)) = self.world.peers().get(peer) else {
                continue;
            };
            let messages = by_route(self.table(plan, peer, &(at..=at + SPREAD_US)));
            let count = i64::try_from(messages.len()).unwrap_or(i64::MAX);
            if count == 0 {
                continue;
            }
            let mut last = at;
            for (number, (route, prefixes)) in (0_i64..).zip(messages) {
                last = at + SPREAD_US * number / count;
                plan.say(last, peer, all_announced(&prefixes, route));
            }
            plan.labels.push(Label {
                begins_us: at,
                due_us: last,
                stands_until_us: last,
                ends_us: last,
                ..churn.label(plan.story(), who.asn)
            });
            return true;
        }
        false
    }

    /// What a vantage point has in its table when this begins, but for what it speaks of meanwhile.
    fn table(
        &self,
        plan: &Plan,
        peer: usize,
        times: &RangeInclusive<i64>,
    ) -> Vec<(Prefix, PathAttributes)> {
        let mut table = self.world.table_at(peer, *times.start());
        let mut spoken_of = self.world.spoken_of(peer, times);
        for planted in plan.messages.iter().filter(|planted| planted.peer == peer) {
            let announced = planted.update.announced.iter();
            let nlris = announced.chain(&planted.update.withdrawn);
            for prefix in nlris.map(|nlri| nlri.prefix) {
                if times.contains(&planted.at_us) {
                    spoken_of.insert(prefix);
                }
                let at = Some(planted.at_us);
                let is_newer = table.get(&prefix).is_none_or(|(known, _)| *known <= at);
                if planted.at_us <= *times.start() && is_newer {
                    let route = planted.update.attributes.as_deref().cloned();
                    table.insert(prefix, (at, route));
                }
            }
        }
        let table = table.into_iter();
        let table = table.filter(|(prefix, _)| !spoken_of.contains(prefix));
        table
            .filter_map(|(prefix, (_, route))| Some((prefix, route?)))
            // A frame cannot tell it of others.
            .filter(|(prefix, route)| prefix.is_ipv4() || route.only_to_customer.is_none())
            .collect()
    }
}

/// The prefixes of each route, as one message can name them.
fn by_route(routes: Vec<(Prefix, PathAttributes)>) -> Vec<(PathAttributes, Vec<Prefix>)> {
    let mut numbers: HashMap<(bool, PathAttributes), usize> = HashMap::new();
    let mut messages: Vec<(PathAttributes, Vec<Prefix>)> = Vec::new();
    for (prefix, route) in routes {
        let new = messages.len();
        let number = numbers.entry((prefix.is_ipv4(), route.clone()));
        let number = number.or_insert(new);
        match messages.get_mut(*number) {
            Some((_, prefixes)) if prefixes.len() < A_MESSAGE => prefixes.push(prefix),
            _ => {
                *number = new;
                messages.push((route, vec![prefix]));
            }
        }
    }
    messages
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rstest::rstest;
    use weir_routing::{Body, Bogons, Message, Peer, Update};

    use super::*;
    use crate::{plan::Planted, recipes::CHURNS, world::World};

    const PREFIX: &str = "198.18.0.0/16";

    fn announced(path: &str) -> Update {
        let attributes = PathAttributes {
            as_path: path.parse().unwrap(),
            ..PathAttributes::default()
        };
        all_announced(&[PREFIX.parse().unwrap()], attributes)
    }

    fn withdrawn() -> Update {
        all_withdrawn(&[PREFIX.parse().unwrap()])
    }

    /// By the stream the route is that of the first path, from 20 s on that of the second.
    #[rstest]
    #[case::before_anything(10, vec![], Some("64501 64502 64500"))]
    #[case::after_another_route_of_the_stream(30, vec![], Some("64501 64503 64500"))]
    #[case::as_it_was_planted(15, vec![(12, announced("64501 64510"))], Some("64501 64510"))]
    #[case::as_the_stream_has_it_since(30, vec![(12, announced("64501 64510"))], Some("64501 64503 64500"))]
    #[case::while_it_is_away(15, vec![(12, withdrawn())], None)]
    #[case::when_it_came_back(15, vec![(12, withdrawn()), (13, announced("64501 64502 64500"))], Some("64501 64502 64500"))]
    #[case::before_it_goes(10, vec![(41, withdrawn())], Some("64501 64502 64500"))]
    #[case::when_it_goes_meanwhile(10, vec![(12, withdrawn())], None)]
    #[case::when_the_stream_speaks_of_it_meanwhile(19, vec![], None)]
    fn a_table_is_the_last_that_was_said(
        #[case] at_s: i64,
        #[case] said: Vec<(i64, Update)>,
        #[case] path: Option<&str>,
    ) {
        let mut world = World::default();
        for (at_s, path) in [(0, "64501 64502 64500"), (20, "64501 64503 64500")] {
            let message = Message {
                event_time_us: at_s * SECOND_US,
                peer: Peer::new("198.51.100.1".parse().unwrap(), Asn(64_501)),
                body: Body::Update(announced(path)),
            };
            world.hear("rrc99", &message);
        }
        let mut plan = Plan::default();
        for (at_s, update) in said {
            plan.say(at_s * SECOND_US, 0, update);
        }
        // What another vantage point says is nothing to this one.
        plan.messages.push(Planted {
            at_us: 0,
            peer: 1,
            update: withdrawn(),
        });
        let mut dice = StdRng::seed_from_u64(1);
        let stage = Stage::of(&world, &mut dice, &Bogons::default());
        let times = at_s * SECOND_US..=(at_s + 2) * SECOND_US;
        let table = stage.table(&plan, 0, &times);
        let paths: Vec<String> = table.iter().map(|(_, r)| r.as_path.to_string()).collect();
        assert_eq!(paths, Vec::from_iter(path));
    }

    #[test]
    fn who_sends_a_table_again_by_itself_is_asked_when_that_is_over() {
        let mut world = World::default();
        let prefixes = (0..REPEATS).map(|n| format!("10.{}.{}.0/24", n / 256, n % 256));
        let prefixes: Vec<Prefix> = prefixes.map(|text| text.parse().unwrap()).collect();
        let mut says = |at_s: i64, host: u8| {
            let route = PathAttributes {
                as_path: "64501 64500".parse().unwrap(),
                ..PathAttributes::default()
            };
            let message = Message {
                event_time_us: at_s * SECOND_US,
                peer: Peer::new([198, 51, 100, host].into(), Asn(64_501)),
                body: Body::Update(all_announced(&prefixes, route)),
            };
            world.hear("rrc99", &message);
        };
        for (at_s, host) in [(0, 1), (0, 2), (95, 1)] {
            says(at_s, host);
        }
        let mut dice = StdRng::seed_from_u64(1);
        let mut stage = Stage::of(&world, &mut dice, &Bogons::default());
        stage.points = vec![1, 0];
        let mut asked = |at_s: i64| {
            let mut plan = Plan::default();
            let again = CHURNS.iter().find(|churn| churn.what == What::TableAgain);
            let is_told = stage.table_again(&mut plan, again.unwrap(), at_s * SECOND_US);
            let peers: BTreeSet<usize> = plan.messages.iter().map(|told| told.peer).collect();
            (is_told, Vec::from_iter(peers))
        };
        assert_eq!(asked(100), (true, vec![1]));
        assert_eq!(asked(100), (false, vec![]));
        assert_eq!(asked(300), (true, vec![0]));
    }

    #[test]
    fn a_message_names_the_prefixes_of_one_route_and_family_and_not_too_many() {
        let route = |path: &str| PathAttributes {
            as_path: path.parse().unwrap(),
            ..PathAttributes::default()
        };
        let [one, other] = ["64501 64500", "64501 64502"].map(route);
        let mut routes: Vec<_> = (0..150)
            .map(|n| (format!("10.0.{n}.0/24").parse().unwrap(), one.clone()))
            .collect();
        routes.push(("10.1.0.0/24".parse().unwrap(), other.clone()));
        routes.push(("2001:db8::/32".parse().unwrap(), one.clone()));
        let messages = by_route(routes);
        let sizes: Vec<_> = messages.iter().map(|(r, p)| (r, p.len())).collect();
        assert_eq!(sizes, [(&one, 100), (&one, 50), (&other, 1), (&one, 1)]);
    }
}
