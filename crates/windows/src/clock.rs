//! Stream time and the watermark of one task, from what its collectors say in the log.
//!
//! A collector takes part from its first record on, with that record's event time; its Ticks move it
//! forward. It stops taking part at its EndOfInput, or while it is further behind the greatest Tick
//! than `silence_us`. The watermark is the least time of those that take part, less `bound_us`; it
//! moves only on a Tick and never backwards, so that EndOfInput closes no window by itself.

use weir_events::time::{MINUTE_US, SECOND_US};

/// Spans that decide what is complete and what is late, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeRules {
    /// How far records of one collector may be out of order.
    pub bound_us: i64,
    /// How long after its window has become final a record still changes it.
    pub allowed_lateness_us: i64,
    /// A collector this far behind the greatest Tick no longer holds the others back.
    pub silence_us: i64,
    /// Stream time between provisional rows.
    pub emit_every_us: i64,
}

impl Default for TimeRules {
    fn default() -> Self {
        Self {
            bound_us: 30 * SECOND_US,
            allowed_lateness_us: 10 * MINUTE_US,
            silence_us: 5 * MINUTE_US,
            emit_every_us: 10 * SECOND_US,
        }
    }
}

/// What a Tick has moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advance {
    /// The watermark before the Tick.
    pub from: i64,
    /// The watermark now; not less than `from`.
    pub to: i64,
    /// True when stream time has passed a point at which provisional rows are due.
    pub point: bool,
}

/// One collector, as a checkpoint keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollectorState {
    /// Its name.
    pub name: String,
    /// Its greatest Tick; before any, the event time of its first record.
    pub mark_us: i64,
    /// It has said EndOfInput and nothing since.
    pub ended: bool,
}

/// Everything that a clock knows, for a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClockState {
    /// In the order in which they were first heard.
    pub collectors: Vec<CollectorState>,
    /// Greatest Tick; `i64::MIN` before any.
    pub stream_time_us: i64,
    /// `i64::MIN` before any Tick.
    pub watermark_us: i64,
}

/// The time of one task.
#[derive(Clone, Debug)]
pub struct Clock {
    rules: TimeRules,
    state: ClockState,
    /// Index of the collector that spoke last: most records come from one.
    recent: usize,
}

impl Clock {
    /// A clock that has heard nothing.
    #[must_use]
    pub fn new(rules: TimeRules) -> Self {
        Self::restore(
            rules,
            ClockState {
                collectors: Vec::new(),
                stream_time_us: i64::MIN,
                watermark_us: i64::MIN,
            },
        )
    }

    /// A clock as a checkpoint kept it.
    #[must_use]
    pub fn restore(rules: TimeRules, state: ClockState) -> Self {
        Self {
            rules,
            state,
            recent: 0,
        }
    }

    /// For a checkpoint.
    #[must_use]
    pub fn state(&self) -> &ClockState {
        &self.state
    }

    /// The spans in force.
    #[must_use]
    pub fn rules(&self) -> &TimeRules {
        &self.rules
    }

    /// No record with an event time below it is expected.
    #[must_use]
    pub fn watermark_us(&self) -> i64 {
        self.state.watermark_us
    }

    /// A record or SourceStart of this collector: it takes part.
    pub fn hear(&mut self, collector: &str, event_time_us: i64) {
        self.collector(collector, event_time_us).ended = false;
    }

    /// A Tick of this collector.
    pub fn tick(&mut self, collector: &str, event_time_us: i64) -> Advance {
        let heard = self.collector(collector, event_time_us);
        heard.ended = false;
        heard.mark_us = heard.mark_us.max(event_time_us);
        let state = &mut self.state;
        let before = state.stream_time_us;
        state.stream_time_us = before.max(event_time_us);
        let silent_below = state.stream_time_us.saturating_sub(self.rules.silence_us);
        let least = state
            .collectors
            .iter()
            .filter(|collector| !collector.ended && collector.mark_us >= silent_below)
            .map(|collector| collector.mark_us)
            .min();
        let from = state.watermark_us;
        if let Some(least) = least {
            state.watermark_us = from.max(least.saturating_sub(self.rules.bound_us));
        }
        let every = self.rules.emit_every_us.max(1);
        Advance {
            from,
            to: state.watermark_us,
            point: before.div_euclid(every) < state.stream_time_us.div_euclid(every),
        }
    }

    /// EndOfInput of this collector: it no longer takes part, until it is heard again.
    pub fn end_of_input(&mut self, collector: &str, event_time_us: i64) {
        self.collector(collector, event_time_us).ended = true;
    }

    fn collector(&mut self, name: &str, event_time_us: i64) -> &mut CollectorState {
        let collectors = &mut self.state.collectors;
        if collectors
            .get(self.recent)
            .is_none_or(|recent| recent.name != name)
        {
            self.recent = collectors
                .iter()
                .position(|collector| collector.name == name)
                .unwrap_or_else(|| {
                    collectors.push(CollectorState {
                        name: name.to_owned(),
                        mark_us: event_time_us,
                        ended: false,
                    });
                    collectors.len() - 1
                });
        }
        &mut collectors[self.recent]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: TimeRules = TimeRules {
        bound_us: 30,
        allowed_lateness_us: 600,
        silence_us: 300,
        emit_every_us: 10,
    };

    enum Said {
        Record(&'static str, i64),
        Tick(&'static str, i64),
        End(&'static str, i64),
    }
    use Said::{End, Record, Tick};

    #[test]
    fn the_watermark_is_the_least_time_of_the_collectors_that_take_part() {
        let cases: [(&str, &[Said], i64); 8] = [
            ("nothing heard", &[], i64::MIN),
            (
                "a record alone moves nothing",
                &[Record("a", 500)],
                i64::MIN,
            ),
            ("one collector, less the bound", &[Tick("a", 100)], 70),
            (
                "the slower of two",
                &[Tick("a", 100), Tick("b", 50), Tick("a", 200)],
                70,
            ),
            (
                "it never moves backwards",
                &[Tick("a", 200), Tick("b", 50), Tick("b", 60)],
                170,
            ),
            (
                "a silent collector stops holding it back",
                &[
                    Record("b", 0),
                    Tick("b", 50),
                    Tick("a", 350),
                    Tick("a", 351),
                ],
                321,
            ),
            (
                "an ended one too, at the next Tick",
                &[
                    Record("b", 0),
                    Tick("b", 50),
                    Tick("a", 200),
                    End("b", 50),
                    Tick("a", 201),
                ],
                171,
            ),
            (
                "EndOfInput by itself moves nothing",
                &[
                    Record("b", 0),
                    Tick("b", 50),
                    Tick("a", 200),
                    End("b", 50),
                    End("a", 200),
                ],
                20,
            ),
        ];
        for (what, said, watermark) in cases {
            let mut clock = Clock::new(RULES);
            for said in said {
                match *said {
                    Record(name, time) => clock.hear(name, time),
                    Tick(name, time) => {
                        clock.tick(name, time);
                    }
                    End(name, time) => clock.end_of_input(name, time),
                }
            }
            assert_eq!(clock.watermark_us(), watermark, "{what}");
        }
    }

    #[test]
    fn provisional_rows_are_due_once_per_point_of_stream_time() {
        let mut clock = Clock::new(RULES);
        let due: Vec<bool> = [9, 9, 10, 11, 19, 35, 36, 30]
            .map(|time| clock.tick("a", time).point)
            .to_vec();
        assert_eq!(due, [true, false, true, false, false, true, false, false]);
    }
}
