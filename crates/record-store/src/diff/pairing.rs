//! Which incidents without a common id are the same trouble: those of one prefix and suspect that overlap in time, the
//! nearest first times first. What is about no single prefix keeps to its type. The outcome is the same whichever side
//! is called A.

use std::cmp::Ordering;

use weir_routing::prefix::Prefix;

use super::{DiffError, Difference, Sketch};

/// The most pairs of one prefix and suspect that are weighed against each other.
const MOST_PAIRS: usize = 1_000_000;

/// What both must have in common.
type Key<'a> = (Option<Prefix>, Option<u32>, &'a str);

pub(super) fn with_type(sketch: &Sketch) -> Key<'_> {
    (sketch.prefix, sketch.suspect_asn, &sketch.kind)
}

pub(super) fn any_type(sketch: &Sketch) -> Key<'_> {
    let kind = sketch.prefix.map_or(&*sketch.kind, |_| "");
    (sketch.prefix, sketch.suspect_asn, kind)
}

/// Pairs what it can into `differences`; gives back what is left of both.
pub(super) fn pair(
    mut a: Vec<Sketch>,
    mut b: Vec<Sketch>,
    key: for<'a> fn(&'a Sketch) -> Key<'a>,
    differences: &mut Vec<Difference>,
) -> Result<(Vec<Sketch>, Vec<Sketch>), DiffError> {
    for side in [&mut a, &mut b] {
        side.sort_unstable_by(|one, other| {
            let order = key(one).cmp(&key(other));
            order.then_with(|| (one.first_seen_us, one.id).cmp(&(other.first_seen_us, other.id)))
        });
    }
    let mut mates: Vec<Option<usize>> = vec![None; a.len()];
    let (mut i, mut j) = (0, 0);
    while let (Some(of_a), Some(of_b)) = (a.get(i), b.get(j)) {
        match key(of_a).cmp(&key(of_b)) {
            Ordering::Less => i += 1,
            Ordering::Greater => j += 1,
            Ordering::Equal => {
                let alike = |one: &&Sketch| key(one) == key(of_a);
                let n = a[i..].iter().take_while(alike).count();
                let m = b[j..].iter().take_while(alike).count();
                for (x, y) in nearest(&a[i..i + n], &b[j..j + m])? {
                    mates[i + x] = Some(j + y);
                }
                (i, j) = (i + n, j + m);
            }
        }
    }
    Ok(take(a, b, &mates, differences))
}

/// Moves the pairs out of both sides. One that differs in nothing but the id is no difference.
fn take(
    a: Vec<Sketch>,
    b: Vec<Sketch>,
    mates: &[Option<usize>],
    differences: &mut Vec<Difference>,
) -> (Vec<Sketch>, Vec<Sketch>) {
    let mut left = Vec::new();
    let mut b: Vec<Option<Sketch>> = b.into_iter().map(Some).collect();
    for (a, mate) in a.into_iter().zip(mates) {
        match mate.and_then(|mate| b[mate].take()) {
            Some(b) => {
                let pair = Difference::Changed { a, b };
                if !pair.aspects().is_empty() {
                    differences.push(pair);
                }
            }
            None => left.push(a),
        }
    }
    (left, b.into_iter().flatten().collect())
}

/// A pair that may be: how far apart, both ids (the smaller first), and where they stand.
type Candidate = (u64, u128, u128, usize, usize);

/// Of two lists, each sorted by first time, the pairs that overlap in time: each one once at most, the nearest first.
fn nearest(a: &[Sketch], b: &[Sketch]) -> Result<Vec<(usize, usize)>, DiffError> {
    let mut candidates = overlapping(a, b)?;
    candidates.sort_unstable();
    let (mut of_a, mut of_b) = (vec![false; a.len()], vec![false; b.len()]);
    let mut pairs = Vec::new();
    for (_, _, _, i, j) in candidates {
        if !of_a[i] && !of_b[j] {
            (of_a[i], of_b[j]) = (true, true);
            pairs.push((i, j));
        }
    }
    Ok(pairs)
}

/// One walk through time, with those of either side that have begun and are not over.
fn overlapping(a: &[Sketch], b: &[Sketch]) -> Result<Vec<Candidate>, DiffError> {
    let mut candidates = Vec::new();
    let (mut open_a, mut open_b): (Vec<usize>, Vec<usize>) = (Vec::new(), Vec::new());
    let (mut i, mut j) = (0, 0);
    while i < a.len() || j < b.len() {
        let next_is_of_a = match (a.get(i), b.get(j)) {
            (Some(of_a), Some(of_b)) => of_a.first_seen_us <= of_b.first_seen_us,
            (of_a, _) => of_a.is_some(),
        };
        if next_is_of_a {
            let now = a[i].first_seen_us;
            open_b.retain(|&j| b[j].last_us() >= now);
            candidates.extend(open_b.iter().map(|&j| candidate(a, b, i, j)));
            open_a.push(i);
            i += 1;
        } else {
            let now = b[j].first_seen_us;
            open_a.retain(|&i| a[i].last_us() >= now);
            candidates.extend(open_a.iter().map(|&i| candidate(a, b, i, j)));
            open_b.push(j);
            j += 1;
        }
        if candidates.len() > MOST_PAIRS {
            return Err(DiffError::Crowded {
                about: a[0].about(),
                limit: MOST_PAIRS,
            });
        }
    }
    Ok(candidates)
}

fn candidate(a: &[Sketch], b: &[Sketch], i: usize, j: usize) -> Candidate {
    let (one, other) = (&a[i], &b[j]);
    let apart = one.first_seen_us.abs_diff(other.first_seen_us);
    (apart, one.id.min(other.id), one.id.max(other.id), i, j)
}
