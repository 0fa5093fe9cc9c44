//! Merges files in order of event time, stable by lane and then by record.
//!
//! A lane is a file; lanes are numbered in the order that breaks ties (collector, path). A lane is
//! opened when its first record is due and closed at its end, so that hundreds of files that do
//! not overlap in time are one open file. Within a lane the order of the file is kept, even where
//! its times go backwards.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, binary_heap::PeekMut},
};

/// Something with an event time.
pub(crate) trait Timed {
    /// Microseconds since the Unix epoch.
    fn time_us(&self) -> i64;
}

/// The merge of all lanes.
pub(crate) struct Merge<R, T, O> {
    /// The next event time of each lane that has one.
    heads: BinaryHeap<Reverse<(i64, usize)>>,
    lanes: Vec<Lane<R, T>>,
    open: O,
}

enum Lane<R, T> {
    /// Not opened yet, or ended.
    Closed,
    /// The reader, and what it gave last.
    Open(R, T),
}

impl<R, T, O, E> Merge<R, T, O>
where
    R: Iterator<Item = T>,
    T: Timed,
    O: FnMut(usize) -> Result<R, E>,
{
    /// A merge of lanes with these first event times (`None`: the lane is empty), opened by `open`.
    pub(crate) fn new(first_times: impl IntoIterator<Item = Option<i64>>, open: O) -> Self {
        let mut heads = BinaryHeap::new();
        let mut lanes = Vec::new();
        for (lane, first) in first_times.into_iter().enumerate() {
            lanes.push(Lane::Closed);
            heads.extend(first.map(|first| Reverse((first, lane))));
        }
        Self { heads, lanes, open }
    }

    /// The next record and its lane.
    pub(crate) fn next(&mut self) -> Result<Option<(usize, T)>, E> {
        while let Some(mut head) = self.heads.peek_mut() {
            let number = head.0.1;
            let Some(lane) = self.lanes.get_mut(number) else {
                PeekMut::pop(head);
                continue;
            };
            if matches!(lane, Lane::Closed) {
                let mut reader = (self.open)(number)?;
                let Some(first) = reader.next() else {
                    PeekMut::pop(head);
                    continue;
                };
                // The look at the file said when it begins; what it says now counts.
                *head = Reverse((first.time_us(), number));
                *lane = Lane::Open(reader, first);
                continue;
            }
            let Lane::Open(reader, waiting) = lane else {
                continue;
            };
            return Ok(Some(match reader.next() {
                Some(following) => {
                    *head = Reverse((following.time_us(), number));
                    (number, std::mem::replace(waiting, following))
                }
                None => {
                    PeekMut::pop(head);
                    match std::mem::replace(lane, Lane::Closed) {
                        Lane::Open(_, last) => (number, last),
                        Lane::Closed => continue,
                    }
                }
            }));
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, convert::Infallible, rc::Rc};

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
    struct At(i64, usize, usize);

    impl Timed for At {
        fn time_us(&self) -> i64 {
            self.0
        }
    }

    fn merged(lanes: &[Vec<At>]) -> Vec<At> {
        let firsts: Vec<_> = lanes
            .iter()
            .map(|lane| lane.first().map(|at| at.0))
            .collect();
        let mut merge = Merge::new(firsts, |lane: usize| {
            Ok::<_, Infallible>(lanes[lane].clone().into_iter())
        });
        let mut all = Vec::new();
        while let Some((lane, at)) = merge.next().unwrap() {
            assert_eq!(lane, at.1);
            all.push(at);
        }
        all
    }

    fn lanes(sorted: bool) -> impl Strategy<Value = Vec<Vec<At>>> {
        prop::collection::vec(prop::collection::vec(0_i64..40, 0..30), 0..8).prop_map(
            move |lanes| {
                lanes
                    .into_iter()
                    .enumerate()
                    .map(|(lane, mut times)| {
                        if sorted {
                            times.sort_unstable();
                        }
                        let numbered = times.into_iter().enumerate();
                        numbered
                            .map(|(record, time)| At(time, lane, record))
                            .collect()
                    })
                    .collect()
            },
        )
    }

    proptest! {
        #[test]
        fn sorted_files_come_out_by_time_then_lane_then_record(lanes in lanes(true)) {
            let mut expected: Vec<_> = lanes.concat();
            expected.sort();
            prop_assert_eq!(merged(&lanes), expected);
        }

        #[test]
        fn nothing_is_lost_and_each_file_keeps_its_order(lanes in lanes(false)) {
            let all = merged(&lanes);
            for (number, lane) in lanes.iter().enumerate() {
                let own: Vec<_> = all.iter().filter(|at| at.1 == number).cloned().collect();
                prop_assert_eq!(&own, lane);
            }
        }
    }

    #[test]
    fn files_that_do_not_overlap_are_never_open_together() {
        struct Counted(std::vec::IntoIter<At>, Rc<Cell<usize>>);
        impl Iterator for Counted {
            type Item = At;
            fn next(&mut self) -> Option<At> {
                self.0.next()
            }
        }
        impl Drop for Counted {
            fn drop(&mut self) {
                self.1.set(self.1.get() - 1);
            }
        }
        let open = Rc::new(Cell::new(0_usize));
        let counter = open.clone();
        let mut merge = Merge::new((0..300).map(|lane| Some(lane * 10)), move |lane: usize| {
            counter.set(counter.get() + 1);
            let times = (0..5).map(|n| At(i64::try_from(lane).unwrap() * 10 + n, lane, 0));
            Ok::<_, Infallible>(Counted(
                times.collect::<Vec<_>>().into_iter(),
                counter.clone(),
            ))
        });
        let mut count = 0;
        while merge.next().unwrap().is_some() {
            assert!(open.get() <= 1);
            count += 1;
        }
        assert_eq!(count, 1500);
    }
}
