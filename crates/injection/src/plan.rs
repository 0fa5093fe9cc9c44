//! Whom it happens to, and when: stories spread over the stream, each with a prefix of its own, or with a network or a
//! vantage point of its own.

mod churn;
mod knowledge;
mod play;
mod stage;

use std::collections::BTreeMap;

use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};
use weir_events::time::SECOND_US;
use weir_routing::{Bogons, Update};

use self::stage::Stage;
use crate::{
    label::Label,
    recipes::{self, Churn, Fact, Recipe, What},
    world::World,
};

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
    /// Recipes that found nobody, and how often.
    pub left_out: BTreeMap<&'static str, u32>,
}

impl Plan {
    fn say(&mut self, at_us: i64, peer: usize, update: Update) {
        self.messages.push(Planted {
            at_us,
            peer,
            update,
        });
    }

    /// The number of the story that is told next.
    fn story(&self) -> u32 {
        u32::try_from(self.labels.len() + 1).unwrap_or(u32::MAX)
    }

    fn count(&mut self, name: &'static str, is_told: bool) {
        if !is_told {
            *self.left_out.entry(name).or_default() += 1;
        }
    }
}

/// A story to be told.
#[derive(Clone, Copy)]
enum Act {
    Of(Recipe),
    Churn(Churn),
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
    let mut acts: Vec<Act> = (0..each).flat_map(|_| every_act()).collect();
    acts.shuffle(&mut dice);
    let room = (last - first - LEAD_US - TAIL_US).max(0);
    let count = i64::try_from(acts.len()).unwrap_or(i64::MAX).max(1);
    let mut again = Vec::new();
    for (index, act) in (0_i64..).zip(acts) {
        let at = first + LEAD_US + room / count * index;
        match act {
            Act::Of(recipe) => {
                let is_told = stage.tell(&mut plan, &recipe, at, &mut dice);
                plan.count(recipe.name, is_told);
            }
            Act::Churn(churn) if churn.what == What::TableAgain => again.push((churn, at)),
            Act::Churn(churn) => {
                // Some of them last longer than any other story.
                let at = at.min(last - churn.lasts_us()).max(first + LEAD_US);
                let is_told = stage.churn(&mut plan, &churn, at, &mut dice);
                plan.count(churn.name, is_told);
            }
        }
    }
    // What is in a table at a time is known when all other stories are told.
    for (churn, at) in again {
        let is_told = stage.table_again(&mut plan, &churn, at);
        plan.count(churn.name, is_told);
    }
    plan.messages.sort_by_key(|planted| planted.at_us);
    plan
}

fn every_act() -> impl Iterator<Item = Act> {
    let of_routes = recipes::ALL.into_iter().map(Act::Of);
    of_routes.chain(recipes::CHURNS.into_iter().map(Act::Churn))
}

/// How much later than the first each of them hears of it.
fn delays(count: usize, within_us: i64, dice: &mut StdRng) -> Vec<i64> {
    let delay = |number| match number {
        0 => 0,
        _ => dice.random_range(0..within_us),
    };
    (0..count).map(delay).collect()
}
