//! What two lists of incidents say differently: A as it was found, B as it would have been.
//!
//! The same incident has the same id on both sides, since an id is made of type, prefix, suspect and first event
//! time. What has none on the other side is paired by (type, prefix, suspect) where both overlap in time, the nearest
//! first times first, then by (prefix, suspect), which makes it an incident of other type; what is about no single
//! prefix, by (type, suspect) alone. Only what the comparison needs is kept: A as sketches of about a hundred bytes, and of B what differs.

mod difference;
mod pairing;
mod sketch;

pub use difference::{Aspect, Difference, Tally};
pub use sketch::{Sketch, SketchError, Sketcher};

use sketch::uuid;

/// Why two lists cannot be compared.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DiffError {
    /// Every incident stands once in a list, in its last state.
    #[error(
        "{side} has the incident {id} twice; expected its last state alone, as an export has it"
    )]
    Twice {
        /// `A` or `B`.
        side: &'static str,
        /// The id.
        id: String,
    },
    /// Ids are made of prefix and suspect: one of the lists was not made by us, or was changed.
    #[error("the incident {id} is of another prefix or suspect in B than in A")]
    Clash {
        /// The id.
        id: String,
    },
    /// More than a comparison can weigh against each other.
    #[error(
        "more than {limit} pairs of incidents of {about} overlap in time; expected few of one suspect at a time"
    )]
    Crowded {
        /// The prefix, or the suspect.
        about: String,
        /// The most pairs.
        limit: usize,
    },
}

/// A comparison under way: all of A first, then one of B after the other.
#[derive(Debug)]
pub struct Comparison {
    /// A, by id.
    before: Vec<Sketch>,
    /// Which of them B has too.
    met: Vec<bool>,
    /// What B has and A has not.
    after: Vec<Sketch>,
    changed: Vec<Difference>,
    in_b: u64,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Incidents of A.
    pub in_a: u64,
    /// Incidents of B.
    pub in_b: u64,
    /// Incidents that are the same in both.
    pub equal: u64,
    /// The others, the most severe first, then the earliest.
    pub differences: Vec<Difference>,
}

impl Comparison {
    /// With all of A, in any order.
    ///
    /// # Errors
    /// When an id stands twice in it.
    pub fn with(mut before: Vec<Sketch>) -> Result<Self, DiffError> {
        before.sort_unstable_by_key(|sketch| sketch.id);
        once("A", &before)?;
        Ok(Self {
            met: vec![false; before.len()],
            before,
            after: Vec::new(),
            changed: Vec::new(),
            in_b: 0,
        })
    }

    /// The next of B, in any order.
    ///
    /// # Errors
    /// When A has its id for something else, or B had it before.
    pub fn add(&mut self, sketch: Sketch) -> Result<(), DiffError> {
        self.in_b += 1;
        let found = self.before.binary_search_by_key(&sketch.id, |of| of.id);
        let Ok(index) = found else {
            self.after.push(sketch);
            return Ok(());
        };
        if std::mem::replace(&mut self.met[index], true) {
            return Err(twice("B", sketch.id));
        }
        let before = &self.before[index];
        if (before.prefix, before.suspect_asn) != (sketch.prefix, sketch.suspect_asn) {
            let id = uuid(sketch.id);
            return Err(DiffError::Clash { id });
        }
        if *before != sketch {
            self.changed.push(Difference::Changed {
                a: before.clone(),
                b: sketch,
            });
        }
        Ok(())
    }

    /// When all of B was added.
    ///
    /// # Errors
    /// When an id stands twice in B, or more incidents of one prefix overlap than can be paired.
    pub fn finish(self) -> Result<Report, DiffError> {
        let Self {
            before,
            met,
            mut after,
            changed: mut differences,
            in_b,
        } = self;
        after.sort_unstable_by_key(|sketch| sketch.id);
        once("B", &after)?;
        let count = |length: usize| u64::try_from(length).unwrap_or(u64::MAX);
        let in_a = count(before.len());
        let alone: Vec<Sketch> = before
            .into_iter()
            .zip(&met)
            .filter_map(|(sketch, met)| (!met).then_some(sketch))
            .collect();
        let (alone, after) = pairing::pair(alone, after, pairing::with_type, &mut differences)?;
        let (missed, raised) = pairing::pair(alone, after, pairing::any_type, &mut differences)?;
        differences.extend(missed.into_iter().map(Difference::Missed));
        differences.extend(raised.into_iter().map(Difference::Raised));
        differences.sort_by_cached_key(Difference::rank);
        let of_a = differences.iter().filter(|of| of.a().is_some());
        let equal = in_a - count(of_a.count());
        Ok(Report {
            in_a,
            in_b,
            equal,
            differences,
        })
    }
}

/// Refuses a list, sorted by id, that has one twice.
fn once(side: &'static str, sorted: &[Sketch]) -> Result<(), DiffError> {
    let mut neighbours = sorted.iter().zip(sorted.iter().skip(1));
    let same = neighbours.find(|(one, next)| one.id == next.id);
    same.map_or(Ok(()), |(one, _)| Err(twice(side, one.id)))
}

fn twice(side: &'static str, id: u128) -> DiffError {
    DiffError::Twice { side, id: uuid(id) }
}

#[cfg(test)]
mod tests;
