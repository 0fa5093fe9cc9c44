//! The fold: records into cells of (window, key), and rows out of them when they are due.

use std::{collections::BTreeMap, fmt::Display, hash::Hash};

use rustc_hash::FxHashMap;

use crate::{Advance, Aggregate, Clock, ClockState, Counts, TimeRules, aggregate::start_of};

/// What windows are counted per. Its text is the key of rows; equal keys have equal text.
pub trait Key: Copy + Ord + Hash + Display {}

impl<K: Copy + Ord + Hash + Display> Key for K {}

/// The counts of one key in one window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// In the order of the aggregate's measures.
    pub counts: Counts,
    /// It has changed since its last row.
    pub pending: bool,
    /// Something in it was made up.
    pub synthetic: bool,
    /// It has changed since the last checkpoint.
    unsaved: bool,
}

impl Cell {
    /// A cell as a checkpoint kept it.
    #[must_use]
    pub fn restored(counts: Counts, pending: bool, synthetic: bool) -> Self {
        Self {
            counts,
            pending,
            synthetic,
            unsaved: false,
        }
    }
}

/// One key in one window, as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row<K> {
    /// Whose.
    pub key: K,
    /// First microsecond of the window.
    pub start_us: i64,
    /// First microsecond after it.
    pub end_us: i64,
    /// In the order of the aggregate's measures.
    pub counts: Counts,
    /// The watermark has reached the end; only late records change it from now on.
    pub is_final: bool,
    /// Something in it was made up.
    pub synthetic: bool,
}

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// Counted in an open window.
    Open,
    /// Counted in a window that was final already, within the allowed lateness: its row comes again.
    Late,
    /// Not counted: the allowed lateness of its narrowest window is over.
    TooLate,
}

/// A difference to the last checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change<K> {
    /// This cell has this content now.
    Put {
        /// Width of the window.
        width_us: i64,
        /// Its start.
        start_us: i64,
        /// Its key.
        key: K,
        /// Its content.
        cell: Cell,
    },
    /// All cells of this window are gone.
    Drop {
        /// Width of the window.
        width_us: i64,
        /// Its start.
        start_us: i64,
    },
}

/// Orders windows by their end, then by their width.
type PaneId = (i64, i64);

#[derive(Clone, Debug)]
struct Pane<K> {
    cells: FxHashMap<K, Cell>,
    /// Keys of the cells with `pending`, and of those with `unsaved`; in no order.
    pending: Vec<K>,
    unsaved: Vec<K>,
}

impl<K> Default for Pane<K> {
    fn default() -> Self {
        Self {
            cells: FxHashMap::default(),
            pending: Vec::new(),
            unsaved: Vec::new(),
        }
    }
}

/// The windows of one aggregate in one task, and the task's time.
#[derive(Clone, Debug)]
pub struct Windows<K> {
    aggregate: &'static Aggregate,
    clock: Clock,
    panes: BTreeMap<PaneId, Pane<K>>,
    /// Windows dropped since the last checkpoint.
    dropped: Vec<PaneId>,
}

impl<K: Key> Windows<K> {
    /// No window and no time yet.
    #[must_use]
    pub fn new(aggregate: &'static Aggregate, rules: TimeRules) -> Self {
        Self {
            aggregate,
            clock: Clock::new(rules),
            panes: BTreeMap::new(),
            dropped: Vec::new(),
        }
    }

    /// As a checkpoint kept them: the time, and each cell by (width, start, key).
    pub fn restore(
        aggregate: &'static Aggregate,
        rules: TimeRules,
        clock: ClockState,
        cells: impl IntoIterator<Item = (i64, i64, K, Cell)>,
    ) -> Self {
        let mut windows = Self::new(aggregate, rules);
        windows.clock = Clock::restore(rules, clock);
        for (width_us, start_us, key, cell) in cells {
            let pane = windows
                .panes
                .entry((start_us.saturating_add(width_us), width_us))
                .or_default();
            if cell.pending {
                pane.pending.push(key);
            }
            pane.cells.insert(key, cell);
        }
        windows
    }

    /// What is counted.
    #[must_use]
    pub fn aggregate(&self) -> &'static Aggregate {
        self.aggregate
    }

    /// The time of the task.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Number of cells in memory.
    #[must_use]
    pub fn cells(&self) -> usize {
        self.panes.values().map(|pane| pane.cells.len()).sum()
    }

    /// A record or SourceStart of this collector: it takes part in the watermark.
    pub fn hear(&mut self, collector: &str, event_time_us: i64) {
        self.clock.hear(collector, event_time_us);
    }

    /// Adds `counts` to every window that holds `event_time_us`, or to none: a narrow window and the
    /// wide one around it always agree.
    pub fn add(&mut self, key: K, event_time_us: i64, counts: &Counts, synthetic: bool) -> Added {
        let Some(&narrowest) = self.aggregate.widths_us.first() else {
            return Added::Open;
        };
        let end = start_of(event_time_us, narrowest).saturating_add(narrowest);
        let watermark = self.clock.watermark_us();
        if end.saturating_add(self.clock.rules().allowed_lateness_us) <= watermark {
            return Added::TooLate;
        }
        for &width in self.aggregate.widths_us {
            let id = (start_of(event_time_us, width).saturating_add(width), width);
            let pane = self.panes.entry(id).or_default();
            let cell = pane.cells.entry(key).or_default();
            for (sum, count) in cell.counts.iter_mut().zip(counts) {
                *sum += count;
            }
            cell.synthetic |= synthetic;
            if !cell.pending {
                cell.pending = true;
                pane.pending.push(key);
            }
            if !cell.unsaved {
                cell.unsaved = true;
                pane.unsaved.push(key);
            }
        }
        if end <= watermark {
            Added::Late
        } else {
            Added::Open
        }
    }

    /// A Tick: rows of the windows that have become final, then, at a point of stream time, of all
    /// that have changed. Rows come ordered by (end, width, key), each window of a key at most once.
    pub fn tick(&mut self, collector: &str, event_time_us: i64, mut row: impl FnMut(Row<K>)) {
        let advance = self.clock.tick(collector, event_time_us);
        self.close(advance, &mut row);
        if advance.point {
            self.emit_changed(&mut row);
        }
        if advance.to > advance.from {
            self.forget(advance.to, &mut row);
        }
    }

    /// EndOfInput: rows of all windows that have changed. It closes none.
    pub fn end_of_input(
        &mut self,
        collector: &str,
        event_time_us: i64,
        mut row: impl FnMut(Row<K>),
    ) {
        self.clock.end_of_input(collector, event_time_us);
        self.emit_changed(&mut row);
    }

    fn close(&mut self, advance: Advance, row: &mut impl FnMut(Row<K>)) {
        let Advance { from, to, .. } = advance;
        if to <= from {
            return;
        }
        let bounds = (from.saturating_add(1), i64::MIN)..=(to, i64::MAX);
        for (id, pane) in self.panes.range_mut(bounds) {
            let mut keys: Vec<K> = pane.cells.keys().copied().collect();
            pane.emit(*id, &mut keys, true, row);
            pane.pending.clear();
        }
    }

    fn emit_changed(&mut self, row: &mut impl FnMut(Row<K>)) {
        let watermark = self.clock.watermark_us();
        for (id, pane) in &mut self.panes {
            let mut keys = std::mem::take(&mut pane.pending);
            pane.emit(*id, &mut keys, id.0 <= watermark, row);
        }
    }

    /// Drops the windows that nothing can change any more; what they have not yet said, they say.
    fn forget(&mut self, watermark: i64, row: &mut impl FnMut(Row<K>)) {
        let sealed = watermark.saturating_sub(self.clock.rules().allowed_lateness_us);
        while let Some(mut entry) = self.panes.first_entry()
            && entry.key().0 <= sealed
        {
            let id = *entry.key();
            let pane = entry.get_mut();
            let mut keys = std::mem::take(&mut pane.pending);
            pane.emit(id, &mut keys, true, row);
            entry.remove();
            self.dropped.push(id);
        }
    }

    /// Hands over what differs from the last call, for a checkpoint. Drops come before puts.
    pub fn take_changes(&mut self, mut change: impl FnMut(Change<K>)) {
        for (end_us, width_us) in self.dropped.drain(..) {
            change(Change::Drop {
                width_us,
                start_us: end_us - width_us,
            });
        }
        for (&(end_us, width_us), pane) in &mut self.panes {
            for key in std::mem::take(&mut pane.unsaved) {
                if let Some(cell) = pane.cells.get_mut(&key) {
                    cell.unsaved = false;
                    change(Change::Put {
                        width_us,
                        start_us: end_us - width_us,
                        key,
                        cell: *cell,
                    });
                }
            }
        }
    }
}

impl<K: Key> Pane<K> {
    /// Rows of `keys`, in order; their cells have nothing pending afterwards.
    fn emit(&mut self, id: PaneId, keys: &mut [K], is_final: bool, row: &mut impl FnMut(Row<K>)) {
        let (end_us, width_us) = id;
        keys.sort_unstable();
        for key in keys {
            let Some(cell) = self.cells.get_mut(key) else {
                continue;
            };
            if cell.pending {
                cell.pending = false;
                if !cell.unsaved {
                    cell.unsaved = true;
                    self.unsaved.push(*key);
                }
            }
            row(Row {
                key: *key,
                start_us: end_us - width_us,
                end_us,
                counts: cell.counts,
                is_final,
                synthetic: cell.synthetic,
            });
        }
    }
}
