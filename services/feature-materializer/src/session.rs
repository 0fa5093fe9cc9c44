//! What is remembered of one session, and the only ways to change it.
//!
//! Pure: times are event times, given by the caller. The sources lie (a peer is "down" every 63 s
//! while it sends updates and never an OPEN), so several records of one event count once, and an
//! UPDATE, which only an established session can send, overrules what was told before it.

pub(crate) mod window;

use weir_events::v1::state_change::State;
use weir_routing::{Direction, Open};

use self::window::{Bucket, Counts};

/// One session, as it is kept between records and in the task's state.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Session {
    /// Names its prefixes in the prefix set; never reused.
    #[prost(uint32, tag = "1")]
    pub(crate) slot: u32,
    /// Raised when the routes of the session go: empties the prefix set at once.
    #[prost(uint32, tag = "2")]
    pub(crate) generation: u32,
    /// Size of the prefix set.
    #[prost(uint64, tag = "3")]
    pub(crate) prefixes: u64,
    /// Unspecified = unknown.
    #[prost(enumeration = "State", tag = "4")]
    state: i32,
    /// Start of the established session, when it was seen.
    #[prost(sint64, optional, tag = "5")]
    since_us: Option<i64>,
    /// The start was told, but not by a state change: one that follows means the same start.
    #[prost(bool, tag = "6")]
    start_may_be_told_again: bool,
    /// The end was told, but not by a state change: one that follows means the same end.
    #[prost(bool, tag = "7")]
    end_may_be_told_again: bool,
    #[prost(uint32, optional, tag = "8")]
    hold_sent: Option<u32>,
    #[prost(uint32, optional, tag = "9")]
    hold_received: Option<u32>,
    #[prost(uint32, optional, tag = "10")]
    pub(crate) as_path_length: Option<u32>,
    #[prost(sint64, optional, tag = "11")]
    pub(crate) last_flap_us: Option<i64>,
    #[prost(message, repeated, tag = "12")]
    buckets: Vec<Bucket>,
    /// Greatest event time that it rests on: the event time of its row.
    #[prost(sint64, tag = "13")]
    pub(crate) as_of_us: i64,
    #[prost(bool, tag = "14")]
    pub(crate) synthetic: bool,
    /// Who saw it last: whose gaps concern it.
    #[prost(string, tag = "15")]
    pub(crate) collector: String,
    /// Changed since its last row.
    #[prost(bool, tag = "16")]
    pub(crate) changed: bool,
}

impl Session {
    /// A session of which nothing is known at `time_us`.
    pub(crate) fn new(slot: u32, time_us: i64) -> Self {
        Self {
            slot,
            as_of_us: time_us,
            ..Self::default()
        }
    }

    /// The session has something new to tell as of `time_us`.
    pub(crate) fn touch(&mut self, time_us: i64) {
        self.as_of_us = self.as_of_us.max(time_us);
        self.changed = true;
    }

    /// The start of the present session, when it is up and its start was seen.
    pub(crate) fn established_since(&self) -> Option<i64> {
        self.since_us.filter(|_| self.is_established())
    }

    /// Negotiated hold time in seconds, as far as it was seen.
    pub(crate) fn hold_time(&self) -> Option<u32> {
        match (self.hold_sent, self.hold_received) {
            (Some(sent), Some(received)) => Some(sent.min(received)),
            (one, other) => one.or(other),
        }
    }

    pub(crate) fn counts_at(&self, now_us: i64) -> Counts {
        window::counts(&self.buckets, now_us)
    }

    fn is_established(&self) -> bool {
        self.state() == State::Established
    }

    /// An UPDATE of the peer, whose prefixes are accounted for already.
    pub(crate) fn update(&mut self, time_us: i64, as_path_length: Option<u32>) {
        window::at(&mut self.buckets, time_us).received += 1;
        if as_path_length.is_some() {
            self.as_path_length = as_path_length;
        }
        self.alive(time_us);
    }

    /// A KEEPALIVE: it ends the handshake (RFC 4271, 8.2.2, event 26).
    pub(crate) fn keepalive(&mut self, time_us: i64) {
        self.alive(time_us);
    }

    /// The peer has sent what only an established session, or one about to be, can send.
    fn alive(&mut self, time_us: i64) {
        match self.state() {
            State::Established => {}
            State::OpenSent | State::OpenConfirm => self.establish(Some(time_us), true),
            // It came up unseen.
            _ => self.establish(None, true),
        }
    }

    fn establish(&mut self, since_us: Option<i64>, may_be_told_again: bool) {
        self.set_state(State::Established);
        self.since_us = since_us;
        self.start_may_be_told_again = may_be_told_again;
        self.end_may_be_told_again = false;
    }

    /// An OPEN: a session is being made, and an earlier one is over, whether that was told or not.
    pub(crate) fn open(&mut self, time_us: i64, open: &Open) {
        let told_before =
            self.is_established() && self.start_may_be_told_again && self.since_us.is_some();
        if !told_before {
            let state = self.state();
            if !matches!(state, State::OpenSent | State::OpenConfirm) {
                if self.is_established() {
                    self.flap(time_us);
                }
                self.end_routes();
            }
            let received = open.direction != Some(Direction::Sent);
            self.set_state(if received || state == State::OpenConfirm {
                State::OpenConfirm
            } else {
                State::OpenSent
            });
            self.end_may_be_told_again = false;
        }
        let hold_time = Some(u32::from(open.hold_time));
        match open.direction {
            Some(Direction::Sent) => self.hold_sent = hold_time,
            _ => self.hold_received = hold_time,
        }
    }

    /// A peer-up control (`by_state_change` = false) or a change of state to established.
    pub(crate) fn up(&mut self, time_us: i64, by_state_change: bool) {
        match self.state() {
            State::Established if self.since_us.is_some() => {
                if by_state_change && !self.start_may_be_told_again {
                    // A second start: the end between them was not told.
                    self.end_routes();
                    self.since_us = Some(time_us);
                }
                if by_state_change {
                    self.start_may_be_told_again = false;
                }
            }
            // The handshake goes on; what ends it is told by itself.
            State::OpenSent | State::OpenConfirm if !by_state_change => {}
            State::OpenSent | State::OpenConfirm => self.establish(Some(time_us), false),
            _ => {
                self.end_routes();
                self.establish(Some(time_us), !by_state_change);
            }
        }
    }

    /// A NOTIFICATION or a peer-down control: the session is over.
    pub(crate) fn down(&mut self, time_us: i64) {
        if matches!(self.state(), State::Established | State::Unspecified) {
            self.flap(time_us);
            self.end_may_be_told_again = true;
        }
        self.leave(State::Idle);
    }

    /// The collector's state machine has moved.
    pub(crate) fn state_change(&mut self, time_us: i64, from: Option<State>, to: State) {
        if to == State::Established {
            return self.up(time_us, true);
        }
        let was_up = match from {
            Some(from) => from == State::Established,
            // Who is told down was up, if nothing else is known; who connects was not.
            None => {
                self.is_established() || (self.state() == State::Unspecified && to == State::Idle)
            }
        };
        if was_up && !self.end_may_be_told_again {
            self.flap(time_us);
        }
        self.end_may_be_told_again = false;
        if was_up || self.is_established() || to == State::Idle {
            self.leave(to);
        } else {
            self.set_state(to);
        }
    }

    /// Messages were lost: whether the session has started anew meanwhile is not known.
    pub(crate) fn gap(&mut self) -> bool {
        self.start_may_be_told_again = false;
        self.since_us.take().is_some()
    }

    /// Lets time pass in silence; true when the row is no longer right.
    pub(crate) fn pass(&mut self, now_us: i64) -> bool {
        window::expire(&mut self.buckets, now_us) || self.established_since().is_some()
    }

    fn flap(&mut self, time_us: i64) {
        window::at(&mut self.buckets, time_us).flaps += 1;
        self.last_flap_us = self.last_flap_us.max(Some(time_us));
    }

    fn leave(&mut self, to: State) {
        self.set_state(to);
        self.since_us = None;
        self.start_may_be_told_again = false;
        self.end_routes();
    }

    /// Routes and OPENs belong to one session.
    fn end_routes(&mut self) {
        if self.prefixes > 0 {
            self.prefixes = 0;
            self.generation += 1;
        }
        self.hold_sent = None;
        self.hold_received = None;
    }
}

/// Name of a state in the rows; `None` = unknown.
pub(crate) fn state_name(state: State) -> Option<&'static str> {
    Some(match state {
        State::Unspecified => return None,
        State::Idle => "idle",
        State::Connect => "connect",
        State::Active => "active",
        State::OpenSent => "open-sent",
        State::OpenConfirm => "open-confirm",
        State::Established => "established",
    })
}

#[cfg(test)]
mod tests;
