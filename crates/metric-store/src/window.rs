//! Windows as readers see them: partials summed.

use weir_events::v1::WindowResult;

/// Which keys a query wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys<'a> {
    /// This one.
    One(&'a str),
    /// All that begin with this text; the empty text means all.
    Prefix(&'a str),
}

impl Keys<'_> {
    pub(crate) fn first(&self) -> &str {
        let (Self::One(text) | Self::Prefix(text)) = self;
        text
    }

    /// True while a key at or after [`Self::first`] is still one of them.
    pub(crate) fn holds(&self, key: &str) -> bool {
        match self {
            Self::One(one) => key == *one,
            Self::Prefix(prefix) => key.starts_with(prefix),
        }
    }
}

/// What to read.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// Name of the aggregate.
    pub aggregate: &'a str,
    /// Which keys.
    pub keys: Keys<'a>,
    /// Width of the windows in microseconds.
    pub width_us: i64,
    /// Windows that start here or later.
    pub from_us: i64,
    /// Windows that start before this.
    pub to_us: i64,
    /// At most so many windows.
    pub limit: usize,
}

/// One window of one key, over all partitions that have counted it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// Name of the aggregate.
    pub aggregate: String,
    /// Whose window.
    pub key: String,
    /// First microsecond.
    pub start_us: i64,
    /// First microsecond after it.
    pub end_us: i64,
    /// Counts by name, in the order of the aggregate's definition.
    pub measures: Vec<(String, u64)>,
    /// Every partial that is present is final.
    pub is_final: bool,
    /// Something in it was made up.
    pub synthetic: bool,
    /// How many partitions have counted it.
    pub partials: u32,
}

impl Window {
    /// Width in microseconds.
    #[must_use]
    pub fn width_us(&self) -> i64 {
        self.end_us - self.start_us
    }

    pub(crate) fn of(partial: WindowResult) -> Self {
        Self {
            aggregate: partial.aggregate,
            key: partial.key,
            start_us: partial.start_us,
            end_us: partial.end_us,
            measures: partial
                .measures
                .into_iter()
                .map(|measure| (measure.name, measure.count))
                .collect(),
            is_final: partial.r#final,
            synthetic: partial.synthetic,
            partials: 1,
        }
    }

    pub(crate) fn same_window(&self, partial: &WindowResult) -> bool {
        (self.start_us, self.end_us) == (partial.start_us, partial.end_us)
            && self.key == partial.key
            && self.aggregate == partial.aggregate
    }

    pub(crate) fn add(&mut self, partial: WindowResult) {
        for measure in partial.measures {
            match self
                .measures
                .iter_mut()
                .find(|(name, _)| *name == measure.name)
            {
                Some((_, sum)) => *sum = sum.saturating_add(measure.count),
                None => self.measures.push((measure.name, measure.count)),
            }
        }
        self.is_final &= partial.r#final;
        self.synthetic |= partial.synthetic;
        self.partials += 1;
    }
}

/// Adds a partial to the last window when it is the same one, else as a new one; false when there
/// is no room for a new one.
pub(crate) fn gather(
    windows: &mut Vec<Window>,
    partial: WindowResult,
    horizon: i64,
    limit: usize,
) -> bool {
    if partial.end_us <= horizon {
        return true;
    }
    let full = windows.len() >= limit;
    match windows.last_mut() {
        Some(last) if last.same_window(&partial) => last.add(partial),
        _ if full => return false,
        _ => windows.push(Window::of(partial)),
    }
    true
}
