//! Whom it happens to, and when: stories spread over the stream, each with a prefix of its own.

use std::collections::{BTreeMap, BTreeSet};

use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom, seq::SliceRandom};
use serde_json::{Value, json};
use weir_events::time::SECOND_US;
use weir_routing::{AsPath, Asn, Bogons, Community, PathAttributes, Prefix, Segment, Update};

use crate::{
    label::Label,
    recipes::{self, Cast, Fact, Recipe, Scene, Told},
    world::World,
};

/// Vantage points that carry a story of a few.
const CARRIERS: usize = 5;
/// Fewer see no prefix that a story is about: some must keep what they have.
const VIEWERS: usize = 8;
/// The same update reaches one vantage point so much later than another.
const SPREAD_US: i64 = 30 * SECOND_US;
/// How long a story stands before it ends.
const STANDS_US: i64 = 60 * SECOND_US;
/// From the loss of all routes to the first of a stranger.
const LOSS_US: i64 = 5 * SECOND_US;
/// From one time that a restless route goes to the next; it is away for half of that.
const ROUND_US: i64 = 10 * SECOND_US;
/// The longest that it does that.
const RESTLESS_US: i64 = 8 * ROUND_US;
/// Nothing is planted so close to the beginning of the stream ...
const LEAD_US: i64 = 60 * SECOND_US;
/// ... or to its end.
const TAIL_US: i64 = RESTLESS_US + SPREAD_US + STANDS_US + 30 * SECOND_US;
/// Strangers that are tried before a prefix is given up.
const TRIES: usize = 100;

/// A planted message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planted {
    /// Event time, microseconds since the Unix epoch.
    pub at_us: i64,
    /// Number of the vantage point in the world.
    pub peer: usize,
    /// What it says.
    pub update: Update,
}

/// What was planted, and what goes with it.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// In order of time.
    pub messages: Vec<Planted>,
    /// One per story.
    pub labels: Vec<Label>,
    /// What others say.
    pub facts: Vec<Fact>,
    /// Recipes that found no prefix, and how often.
    pub left_out: BTreeMap<&'static str, u32>,
}

/// Plants `each` stories of every recipe; the same seed over the same world plants the same. Nothing happens to
/// what is on the list of bogons.
#[must_use]
pub fn plan(world: &World, each: u32, seed: u64, bogons: &Bogons) -> Plan {
    let mut plan = Plan::default();
    let Some((first, last)) = world.span() else {
        return plan;
    };
    let mut dice = StdRng::seed_from_u64(seed);
    let mut stage = Stage::of(world, &mut dice, bogons);
    let mut recipes: Vec<Recipe> = (0..each).flat_map(|_| recipes::ALL).collect();
    recipes.shuffle(&mut dice);
    let room = (last - first - LEAD_US - TAIL_US).max(0);
    let count = i64::try_from(recipes.len()).unwrap_or(i64::MAX).max(1);
    for (index, recipe) in (0_i64..).zip(recipes) {
        let at = first + LEAD_US + room / count * index;
        let story = u32::try_from(plan.labels.len() + 1).unwrap_or(u32::MAX);
        if !stage.tell(&mut plan, story, &recipe, at, &mut dice) {
            *plan.left_out.entry(recipe.name).or_default() += 1;
        }
    }
    plan.messages.sort_by_key(|planted| planted.at_us);
    plan
}

/// Who may be cast.
struct Stage<'a> {
    world: &'a World,
    /// Prefixes that no story was about yet.
    prefixes: Vec<Prefix>,
    strangers: Vec<Asn>,
    /// Prefixes that are announced by now.
    told: BTreeSet<Prefix>,
    /// Networks that have a sibling by now.
    related: BTreeSet<Asn>,
}

impl<'a> Stage<'a> {
    fn of(world: &'a World, dice: &mut StdRng, bogons: &Bogons) -> Self {
        let fits = |prefix: &Prefix| prefix.is_ipv4() && bogons.covering(prefix).is_none();
        let mut prefixes: Vec<Prefix> = world.calm().into_iter().filter(fits).collect();
        prefixes.shuffle(dice);
        let strangers = world.origins().into_iter();
        Self {
            world,
            prefixes,
            strangers: strangers
                .filter(|(asn, seen)| *seen >= CARRIERS && !bogons.contains_asn(*asn))
                .map(|(asn, _)| asn)
                .collect(),
            told: BTreeSet::new(),
            related: BTreeSet::new(),
        }
    }

    /// Tells one story, if a prefix is left that it could be about.
    fn tell(
        &mut self,
        plan: &mut Plan,
        story: u32,
        recipe: &Recipe,
        at: i64,
        dice: &mut StdRng,
    ) -> bool {
        let suits = |prefix: &Prefix| (recipe.shortest..=recipe.longest).contains(&prefix.length());
        while let Some(found) = self.prefixes.iter().rposition(suits) {
            let prefix = self.prefixes.remove(found);
            let lasts = at..=at + TAIL_US;
            if recipe.cast == Cast::AllAfterLoss && !self.world.is_silent(&prefix, lasts) {
                continue;
            }
            let Some((carriers, scene)) = self.cast(story, recipe, prefix, dice) else {
                continue;
            };
            let told = (recipe.tell)(&scene).prefix;
            if !self.told.insert(told) {
                continue;
            }
            let facts = (recipe.facts)(&scene);
            // Who is in two organisations is in neither.
            let both = [scene.origin, scene.stranger];
            let is_related = facts.iter().any(|fact| matches!(fact, Fact::Siblings(..)));
            if is_related && both.iter().any(|asn| self.related.contains(asn)) {
                continue;
            }
            if is_related {
                self.related.extend(both);
            }
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
        if routes.len() < VIEWERS {
            return None;
        }
        let origin = routes.values().next()?.origin()?.suspect();
        for _ in 0..TRIES {
            let stranger = *self.strangers.choose(dice)?;
            let paths = |peer: usize| {
                let own = in_order(routes.get(&peer)?)?;
                let to = self.world.path(peer, stranger)?;
                (is_plain(to, origin) && is_plain(own, stranger)).then_some((own, to))
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
            if stranger == origin || carriers.len() < CARRIERS {
                continue;
            }
            carriers.truncate(wanted);
            let scene = Scene {
                story,
                prefix,
                origin,
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

    fn play(
        &self,
        plan: &mut Plan,
        recipe: &Recipe,
        carriers: &[usize],
        scene: &Scene<'_>,
        at: i64,
        dice: &mut StdRng,
    ) {
        let told = (recipe.tell)(scene);
        let routes = self.world.routes_to(&scene.prefix);
        let own = |peer: usize| routes.and_then(|routes| routes.get(&peer));
        let mut say = |at_us, peer, update| {
            plan.messages.push(Planted {
                at_us,
                peer,
                update,
            });
        };
        let later = |number| match number {
            0 => 0,
            _ => dice.random_range(0..SPREAD_US),
        };
        let later: Vec<i64> = (0..carriers.len()).map(later).collect();
        let told_by = || carriers.iter().copied().zip(&told.paths).zip(&later);
        let begins = match recipe.cast {
            Cast::Some => at,
            Cast::Restless(rounds) => {
                for ((peer, path), later) in told_by() {
                    for round in 0..rounds {
                        let goes = at + later + round * ROUND_US;
                        say(goes, peer, withdrawal(told.prefix));
                        if round + 1 < rounds {
                            let back = announcement(told.prefix, path.clone());
                            say(goes + ROUND_US / 2, peer, back);
                        }
                    }
                }
                at + rounds * ROUND_US - ROUND_US / 2
            }
            Cast::AllAfterLoss => {
                for peer in routes.into_iter().flat_map(BTreeMap::keys) {
                    say(at, *peer, withdrawal(scene.prefix));
                }
                at + LOSS_US
            }
        };
        let ends = begins + SPREAD_US + STANDS_US;
        let mut last = ends;
        for (number, ((peer, path), later)) in told_by().enumerate() {
            let planted = planted(&told, path.clone());
            say(begins + later, peer, planted);
            let over = ends + i64::try_from(number).unwrap_or_default() * SECOND_US;
            last = last.max(over);
            let end = match own(peer) {
                Some(path) if told.prefix == scene.prefix => {
                    announcement(scene.prefix, path.clone())
                }
                _ => withdrawal(told.prefix),
            };
            say(over, peer, end);
        }
        plan.labels.push(Label {
            story: scene.story,
            recipe: recipe.name.to_owned(),
            expected: recipe.is_conflict.then(|| recipe.name.to_owned()),
            prefix: told.prefix.to_string(),
            suspect: told.suspect.0,
            also: recipe.also.iter().map(ToString::to_string).collect(),
            // Who is restless may be suspected at any of its returns.
            begins_us: if matches!(recipe.cast, Cast::Restless(_)) {
                at
            } else {
                begins
            },
            due_us: begins,
            stands_until_us: ends,
            ends_us: last,
            carriers: u32::try_from(carriers.len()).unwrap_or(u32::MAX),
        });
    }
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

fn announcement(prefix: Prefix, as_path: AsPath) -> Update {
    let attributes = PathAttributes {
        as_path,
        ..PathAttributes::default()
    };
    announced(prefix, attributes)
}

fn planted(told: &Told, as_path: AsPath) -> Update {
    let blackhole = told.blackhole.then_some(Community::BLACKHOLE);
    let attributes = PathAttributes {
        as_path,
        communities: blackhole.into_iter().collect(),
        only_to_customer: told.only_to_customer,
        ..PathAttributes::default()
    };
    announced(told.prefix, attributes)
}

fn announced(prefix: Prefix, attributes: PathAttributes) -> Update {
    Update {
        attributes: Some(attributes.into()),
        announced: vec![prefix.into()],
        ..Update::default()
    }
}

fn withdrawal(prefix: Prefix) -> Update {
    Update {
        withdrawn: vec![prefix.into()],
        ..Update::default()
    }
}

impl Plan {
    /// The ROAs and ASPAs of the plan, as relying parties write them, dated at the beginning of the stream.
    #[must_use]
    pub fn rpki(&self, world: &World) -> Value {
        let roas: Vec<Value> = self
            .facts
            .iter()
            .filter_map(|fact| match fact {
                Fact::Roa(prefix, asn) => Some(json!({
                    "prefix": prefix.to_string(),
                    "maxLength": prefix.length(),
                    "asn": format!("AS{}", asn.0),
                    "ta": "made-up",
                })),
                _ => None,
            })
            .collect();
        let silent: BTreeSet<Asn> = self
            .facts
            .iter()
            .filter_map(|fact| match fact {
                Fact::NoProviders(asn) => Some(*asn),
                _ => None,
            })
            .collect();
        let nobody = |asn: &Asn| json!({ "customer_asid": asn.0, "providers": [0] });
        let aspas: Vec<Value> = silent.iter().map(nobody).collect();
        let at = world.span().map_or(0, |(first, _)| first / SECOND_US);
        let metadata = json!({ "generated": at, "synthetic": true });
        json!({ "metadata": metadata, "roas": roas, "aspas": aspas })
    }

    /// The relations of the plan, as CAIDA writes them.
    #[must_use]
    pub fn relations(&self) -> String {
        let mut text = "# made up\n".to_owned();
        for fact in &self.facts {
            if let Fact::Customer(provider, customer) = fact {
                text += &format!("{}|{}|-1\n", provider.0, customer.0);
            }
        }
        text
    }

    /// The organisations of the plan, as CAIDA writes them.
    #[must_use]
    pub fn organisations(&self) -> String {
        let mut text = String::new();
        for (number, fact) in self.facts.iter().enumerate() {
            if let Fact::Siblings(one, other) = fact {
                for asn in [one, other] {
                    let line = json!({
                        "type": "ASN",
                        "asn": asn.0.to_string(),
                        "organizationId": format!("made-up-{number}"),
                    });
                    text += &format!("{line}\n");
                }
            }
        }
        text
    }
}
