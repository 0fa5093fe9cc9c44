//! A story of one prefix, message by message.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use weir_events::time::SECOND_US;
use weir_routing::{AsPath, Community, PathAttributes, Prefix, Update};

use super::{LOSS_US, Plan, ROUND_US, SPREAD_US, STANDS_US, delays, stage::Stage};
use crate::{
    label::Label,
    recipes::{Cast, Recipe, Scene, Told},
};

impl Stage<'_> {
    /// Plants the messages of a story, and its label.
    pub(super) fn play(
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
        let later = delays(carriers.len(), SPREAD_US, dice);
        let told_by = || carriers.iter().copied().zip(&told.paths).zip(&later);
        let begins = match recipe.cast {
            Cast::Some => at,
            Cast::Restless(rounds) => {
                for ((peer, path), later) in told_by() {
                    for round in 0..rounds {
                        let goes = at + later + round * ROUND_US;
                        plan.say(goes, peer, withdrawal(told.prefix));
                        if round + 1 < rounds {
                            let back = announcement(told.prefix, path.clone());
                            plan.say(goes + ROUND_US / 2, peer, back);
                        }
                    }
                }
                at + rounds * ROUND_US - ROUND_US / 2
            }
            Cast::AllAfterLoss => {
                for peer in routes.into_iter().flat_map(BTreeMap::keys) {
                    plan.say(at, *peer, withdrawal(scene.prefix));
                }
                at + LOSS_US
            }
        };
        let ends = begins + SPREAD_US + STANDS_US;
        let mut last = ends;
        for (number, ((peer, path), later)) in told_by().enumerate() {
            let planted = planted(&told, path.clone());
            plan.say(begins + later, peer, planted);
            let over = ends + i64::try_from(number).unwrap_or_default() * SECOND_US;
            last = last.max(over);
            let end = match own(peer) {
                Some(path) if told.prefix == scene.prefix => {
                    announcement(scene.prefix, path.clone())
                }
                _ => withdrawal(told.prefix),
            };
            plan.say(over, peer, end);
        }
        plan.labels.push(Label {
            story: scene.story,
            recipe: recipe.name.to_owned(),
            expected: recipe.is_conflict.then(|| recipe.name.to_owned()),
            prefix: Some(told.prefix.to_string()),
            prefixes: Vec::new(),
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
    all_announced(&[prefix], attributes)
}

pub(super) fn all_announced(prefixes: &[Prefix], attributes: PathAttributes) -> Update {
    Update {
        attributes: Some(attributes.into()),
        announced: prefixes.iter().copied().map(Into::into).collect(),
        ..Update::default()
    }
}

fn withdrawal(prefix: Prefix) -> Update {
    all_withdrawn(&[prefix])
}

pub(super) fn all_withdrawn(prefixes: &[Prefix]) -> Update {
    Update {
        withdrawn: prefixes.iter().copied().map(Into::into).collect(),
        ..Update::default()
    }
}
