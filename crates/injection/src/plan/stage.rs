//! Who is cast in a story: a prefix, its origin, a stranger to both, and who watches.

use std::collections::{BTreeMap, BTreeSet};

use rand::{
    rngs::StdRng,
    seq::{IndexedRandom, SliceRandom},
};
use weir_routing::{AsPath, Asn, Bogons, Prefix, Segment};

use super::{Plan, TAIL_US};
use crate::{
    recipes::{Beside, Cast, Fact, Recipe, Scene},
    world::World,
};

/// Vantage points that carry a story of a few.
pub(super) const CARRIERS: usize = 5;
/// Fewer see no prefix that a story is about: some must keep what they have.
const VIEWERS: usize = 8;
/// Strangers that are tried before a prefix is given up.
const TRIES: usize = 100;

/// Who may be cast.
pub(super) struct Stage<'a> {
    pub(super) world: &'a World,
    /// Prefixes that no story was about yet.
    pub(super) prefixes: Vec<Prefix>,
    strangers: Vec<Asn>,
    /// Networks that no story was about yet, with all that they hold.
    pub(super) holders: Vec<(Asn, Vec<Prefix>)>,
    /// Vantage points with a table of some size that was not sent again yet, one of each network.
    pub(super) points: Vec<usize>,
    /// Prefixes that a story was about, and those that it announced.
    pub(super) told: BTreeSet<Prefix>,
    /// Networks that have a sibling by now.
    related: BTreeSet<Asn>,
    /// Strangers that have a new neighbour by now.
    beside: BTreeSet<Asn>,
}

impl<'a> Stage<'a> {
    pub(super) fn of(world: &'a World, dice: &mut StdRng, bogons: &Bogons) -> Self {
        let is_bogon = |prefix: &Prefix| bogons.covering(prefix).is_some();
        let routes = |prefix: &Prefix| world.routes_to(prefix).map_or(0, BTreeMap::len);
        let fits =
            |prefix: &Prefix| prefix.is_ipv4() && !is_bogon(prefix) && routes(prefix) >= VIEWERS;
        let mut prefixes: Vec<Prefix> = world.calm().into_iter().filter(fits).collect();
        prefixes.shuffle(dice);
        let holdings = world.holdings().into_iter();
        let mut holders: Vec<_> = holdings
            .filter(|(asn, held)| !bogons.contains_asn(*asn) && !held.iter().any(is_bogon))
            .collect();
        holders.shuffle(dice);
        let strangers = world.origins().into_iter();
        Self {
            world,
            prefixes,
            strangers: strangers
                .filter(|(asn, seen)| *seen >= CARRIERS && !bogons.contains_asn(*asn))
                .map(|(asn, _)| asn)
                .collect(),
            holders,
            points: points(world, dice),
            told: BTreeSet::new(),
            related: BTreeSet::new(),
            beside: BTreeSet::new(),
        }
    }

    /// Tells one story, if a prefix is left that it could be about.
    pub(super) fn tell(
        &mut self,
        plan: &mut Plan,
        recipe: &Recipe,
        at: i64,
        dice: &mut StdRng,
    ) -> bool {
        let story = plan.story();
        let suits = |prefix: &Prefix| (recipe.shortest..=recipe.longest).contains(&prefix.length());
        let lasts = at..=at + TAIL_US;
        for found in (0..self.prefixes.len()).rev() {
            let prefix = match self.prefixes.get(found) {
                Some(prefix) if suits(prefix) => *prefix,
                _ => continue,
            };
            let is_lost = recipe.cast == Cast::AllAfterLoss;
            if is_lost && !self.world.is_silent(&prefix, lasts.clone()) {
                continue;
            }
            let Some((carriers, scene)) = self.cast(story, recipe, prefix, dice) else {
                continue;
            };
            let told = (recipe.tell)(&scene).prefix;
            let facts = (recipe.facts)(&scene);
            // Who is in two organisations is in neither.
            let both = [scene.origin, scene.stranger];
            let is_related = facts.iter().any(|fact| matches!(fact, Fact::Siblings(..)));
            let is_in_two = is_related && both.iter().any(|asn| self.related.contains(asn));
            if self.told.contains(&told) || is_in_two {
                continue;
            }
            if is_related {
                self.related.extend(both);
            }
            if recipe.beside.is_some() {
                self.beside.insert(scene.stranger);
            }
            self.prefixes.remove(found);
            self.told.extend([told, prefix]);
            plan.facts.extend(facts);
            self.play(plan, recipe, &carriers, &scene, at, dice);
            return true;
        }
        false
    }

    /// A stranger and vantage points that see both the prefix and it.
    fn cast(
        &self,
        story: u32,
        recipe: &Recipe,
        prefix: Prefix,
        dice: &mut StdRng,
    ) -> Option<(Vec<usize>, Scene<'a>)> {
        let routes = self.world.routes_to(&prefix)?;
        let origin = routes.values().next()?.origin()?.suspect();
        let neighbour = neighbour(routes)?;
        for _ in 0..TRIES {
            let stranger = *self.strangers.choose(dice)?;
            if !self.suits(recipe, [origin, neighbour, stranger]) {
                continue;
            }
            let paths = |peer: usize| {
                let own = in_order(routes.get(&peer)?)?;
                let to = self.world.path(peer, stranger)?;
                let is_plain = is_plain(to, origin) && is_plain(own, stranger);
                let carrier = [own.first().copied(), Some(self.world.peers()[peer].1.asn)];
                let is_placed = carrier.iter().flatten().any(|on| recipe.hops.contains(on));
                // Who is on the way to the stranger does not stand behind it too.
                let is_behind = recipe.beside == Some(Beside::Neighbour) && to.contains(&neighbour);
                (is_plain && !is_placed && !is_behind).then_some((own, to))
            };
            let mut carriers: Vec<usize> = routes
                .keys()
                .copied()
                .filter(|peer| paths(*peer).is_some())
                .collect();
            carriers.shuffle(dice);
            let mut asns = BTreeSet::new();
            carriers.retain(|peer| asns.insert(self.world.peers()[*peer].1.asn));
            let wanted = match recipe.cast {
                Cast::Some | Cast::Restless(_) => CARRIERS,
                Cast::AllAfterLoss => carriers.len(),
            };
            if carriers.len() < CARRIERS {
                continue;
            }
            carriers.truncate(wanted);
            let scene = Scene {
                story,
                prefix,
                origin,
                neighbour,
                stranger,
                carriers: carriers.iter().filter_map(|peer| paths(*peer)).collect(),
            };
            // Who holds a part of what is announced is no stranger to it.
            let told = (recipe.tell)(&scene).prefix;
            if !self.world.holds_within(&told, stranger) {
                return Some((carriers, scene));
            }
        }
        None
    }

    /// True when the stranger is one, and nobody on stage stands on the planted paths twice.
    fn suits(&self, recipe: &Recipe, [origin, neighbour, stranger]: [Asn; 3]) -> bool {
        let is_placed = [origin, stranger]
            .iter()
            .any(|asn| recipe.hops.contains(asn));
        let is_new = recipe.beside.is_none_or(|beside| {
            let other = match beside {
                Beside::Origin => origin,
                Beside::Neighbour => neighbour,
            };
            // A network that passes on routes of others may well have a new customer or peer.
            let may_be_innocent = recipe.is_conflict && self.world.passes_on(stranger);
            other != stranger
                && self.world.are_apart(stranger, other)
                && !may_be_innocent
                && !self.beside.contains(&stranger)
        });
        stranger != origin && !is_placed && is_new
    }
}

/// Of each network one vantage point with a steady session, and with a fifth of the prefixes of the greatest table.
fn points(world: &World, dice: &mut StdRng) -> Vec<usize> {
    let mut sizes: BTreeMap<usize, usize> = BTreeMap::new();
    for peer in world.routes().flat_map(|(_, routes)| routes.keys()) {
        *sizes.entry(*peer).or_default() += 1;
    }
    let most = sizes.values().max().copied().unwrap_or_default();
    let large = sizes.into_iter().filter(|(_, size)| size * 5 >= most);
    let mut points: Vec<usize> = large.map(|(peer, _)| peer).collect();
    points.retain(|peer| world.is_steady(*peer));
    points.shuffle(dice);
    let mut asns = BTreeSet::new();
    points.retain(|peer| {
        let point = world.peers().get(*peer);
        point.is_some_and(|(_, peer)| asns.insert(peer.asn))
    });
    points
}

/// Who stands right before the origin on most of these paths; `None` = nobody on any.
fn neighbour(routes: &BTreeMap<usize, AsPath>) -> Option<Asn> {
    let mut times: BTreeMap<Asn, usize> = BTreeMap::new();
    for path in routes.values().filter_map(in_order) {
        let origin = path.last();
        if let Some(before) = path.iter().rev().find(|asn| Some(*asn) != origin) {
            *times.entry(*before).or_default() += 1;
        }
    }
    let most = times.into_iter().max_by_key(|(_, times)| *times);
    most.map(|(asn, _)| asn)
}

/// The hops of a path that is one sequence.
fn in_order(path: &AsPath) -> Option<&[Asn]> {
    match path.segments() {
        [Segment::Sequence(hops)] => Some(hops),
        _ => None,
    }
}

/// No set, no prepend, no private ASN and nobody of the other side on it: a path of a few ordinary hops.
fn is_plain(path: &[Asn], other: Asn) -> bool {
    let distinct: BTreeSet<Asn> = path.iter().copied().collect();
    (2..=12).contains(&path.len())
        && distinct.len() == path.len()
        && !path.contains(&other)
        && !path.iter().any(|asn| asn.is_private())
}
