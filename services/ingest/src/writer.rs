//! The only hand that writes for one collector (docs/detector.md 1-4).
//!
//! Each record of `bgp-updates`, each message of `bgp-messages` and each control is an emission
//! with the writer's next seq; the copies of one emission share it: a control goes to every
//! partition of both topics, the context copies of one UPDATE to the partitions that are not home.
//! A writer that resumes counts again what is in the log already and sends only what follows.

use std::{fmt::Write as _, time::Duration};

use weir_eventlog::{DeadLetters, LogError, Publisher, RecordRef, Ticket};
use weir_events::{
    topics::{self, BGP_MESSAGES, BGP_UPDATES},
    v1::{self, control::Kind},
};
use weir_lifecycle::trace::{self, Span};
use weir_routing::{Body, Message, Peer, SessionState, wire};

use crate::counts::Stats;

/// Why a record is in the dead letters, and where it was.
pub(crate) struct DeadLetter<'a> {
    pub(crate) class: &'static str,
    pub(crate) error: &'a str,
    pub(crate) payload: &'a [u8],
    /// The file or the socket.
    pub(crate) origin: &'a str,
    /// Number of the record there.
    pub(crate) record: u64,
}

/// Where all writers of a run write to.
pub(crate) struct Outlet {
    publisher: Publisher,
    dead_letters: DeadLetters,
    payload: Vec<u8>,
    key: String,
    pub(crate) stats: Stats,
}

impl Outlet {
    pub(crate) fn new(publisher: Publisher) -> Self {
        Self {
            dead_letters: DeadLetters::new(publisher.clone(), "ingest"),
            publisher,
            payload: Vec::with_capacity(4096),
            key: String::with_capacity(64),
            stats: Stats::default(),
        }
    }

    /// Everything published so far has a ticket up to this one.
    pub(crate) fn last(&self) -> Ticket {
        self.publisher.last()
    }

    /// Waits until everything published so far is in the log.
    pub(crate) fn flush(&self, within: Duration) -> Result<(), LogError> {
        self.publisher.flush(within)
    }

    fn publish(
        &mut self,
        topic: &str,
        partition: u32,
        key: Option<&[u8]>,
        message: &impl prost::Message,
        released_us: i64,
    ) -> Result<(), LogError> {
        self.payload.clear();
        // A vector grows, so encoding into it cannot fail.
        message.encode_raw(&mut self.payload);
        let key = key.unwrap_or(self.key.as_bytes());
        let span = trace::sample("ingest.publish", released_us)
            .map(|span| span.about(topic, partition, None));
        let traceparent = span.as_ref().map(Span::traceparent);
        self.publisher.publish_traced(
            topic,
            partition,
            key,
            &self.payload,
            released_us,
            traceparent.as_deref(),
        )?;
        Ok(())
    }
}

/// The writer of one collector in one of its lives.
pub(crate) struct Writer {
    next_seq: u64,
    /// Emissions below are in the log.
    resume_at: u64,
    /// What every record of this writer begins with.
    update: v1::BgpUpdate,
    message: v1::BgpMessage,
}

impl Writer {
    pub(crate) fn new(collector: &str, writer_epoch: u64, synthetic: bool) -> Self {
        Self {
            next_seq: 0,
            resume_at: 0,
            update: v1::BgpUpdate {
                collector: collector.to_owned(),
                writer_epoch,
                synthetic,
                ..v1::BgpUpdate::default()
            },
            message: v1::BgpMessage {
                collector: collector.to_owned(),
                writer_epoch,
                synthetic,
                ..v1::BgpMessage::default()
            },
        }
    }

    /// Counts from `first`; emissions below `resume_at` are in the log and are not sent again.
    pub(crate) fn resuming(mut self, first: u64, resume_at: u64) -> Self {
        self.next_seq = first;
        self.resume_at = resume_at;
        self
    }

    /// Nobody has written for this collector before.
    pub(crate) fn is_in_its_first_life(&self) -> bool {
        self.update.writer_epoch <= 1
    }

    pub(crate) fn next_seq(&self) -> u64 {
        self.next_seq
    }

    pub(crate) fn collector(&self) -> &str {
        &self.update.collector
    }

    /// True while what is emitted is in the log already.
    pub(crate) fn is_behind(&self) -> bool {
        self.next_seq < self.resume_at
    }

    /// The next seq, and whether the emission is to be sent.
    fn emission(&mut self) -> (u64, bool) {
        let seq = self.next_seq;
        self.next_seq += 1;
        (seq, seq >= self.resume_at)
    }

    fn stamp(&mut self, event_time_us: i64, receive_time_us: i64) {
        self.update.event_time_us = event_time_us;
        self.update.receive_time_us = receive_time_us;
        self.message.event_time_us = event_time_us;
        self.message.receive_time_us = receive_time_us;
    }

    /// Writes one message: its routes by block, the message itself, and the controls that follow
    /// from it.
    pub(crate) fn message(
        &mut self,
        outlet: &mut Outlet,
        message: &Message,
        released_us: i64,
    ) -> Result<(), LogError> {
        self.stamp(message.event_time_us, released_us);
        outlet.stats.read(message);
        if let Body::EndOfRib = message.body {
            return self.end_of_rib(outlet, message.peer, 0);
        }
        if let Body::Update(update) = &message.body {
            self.routes(outlet, message.peer, update)?;
        }
        let (seq, send) = self.emission();
        if send {
            outlet.key.clear();
            // Writing to a string cannot fail.
            let _ = write!(outlet.key, "{}", message.peer);
            self.message.seq = seq;
            self.message.peer = Some(message.peer.into());
            self.message.body = Some(wire::body(message));
            let partition = topics::partition(&BGP_MESSAGES, outlet.key.as_bytes());
            outlet.publish(
                BGP_MESSAGES.name,
                partition,
                None,
                &self.message,
                released_us,
            )?;
        }
        match session_change(&message.body) {
            Some(change) => self.send_control(outlet, change.control(message.peer)),
            None => Ok(()),
        }
    }

    /// Writes that a dump, which was taken at its event time, holds no more of the peer.
    pub(crate) fn end_of_table(
        &mut self,
        outlet: &mut Outlet,
        message: &Message,
        released_us: i64,
    ) -> Result<(), LogError> {
        self.stamp(message.event_time_us, released_us);
        outlet.stats.read(message);
        self.end_of_rib(outlet, message.peer, message.event_time_us)
    }

    /// `table_us`: when the dump was taken; 0 = the peer itself has ended its table.
    fn end_of_rib(
        &mut self,
        outlet: &mut Outlet,
        peer: Peer,
        table_us: i64,
    ) -> Result<(), LogError> {
        let peer = Some(peer.into());
        self.send_control(outlet, Kind::EndOfRib(v1::EndOfRib { peer, table_us }))
    }

    fn routes(
        &mut self,
        outlet: &mut Outlet,
        peer: Peer,
        update: &weir_routing::Update,
    ) -> Result<(), LogError> {
        let mut copies: Option<(u64, bool)> = None;
        for share in wire::split(peer, update) {
            let elements = (share.routes.announced.len() + share.routes.withdrawn.len()) as u64;
            let (seq, send) = if share.routes.context {
                outlet.stats.copies += elements;
                *copies.get_or_insert_with(|| self.emission())
            } else {
                outlet.stats.elements_out += elements;
                self.emission()
            };
            if send {
                self.update.seq = seq;
                self.update.body = Some(v1::bgp_update::Body::Routes(share.routes));
                let key = share.block.id().to_be_bytes();
                let released_us = self.update.receive_time_us;
                outlet.publish(
                    BGP_UPDATES.name,
                    share.partition,
                    Some(&key),
                    &self.update,
                    released_us,
                )?;
            }
        }
        Ok(())
    }

    /// Writes one control at this event time to every partition of both topics.
    pub(crate) fn control(
        &mut self,
        outlet: &mut Outlet,
        kind: Kind,
        event_time_us: i64,
        released_us: i64,
    ) -> Result<(), LogError> {
        self.stamp(event_time_us, released_us);
        self.send_control(outlet, kind)
    }

    fn send_control(&mut self, outlet: &mut Outlet, kind: Kind) -> Result<(), LogError> {
        let (seq, send) = self.emission();
        if !send {
            return Ok(());
        }
        let released_us = self.update.receive_time_us;
        let peer = match &kind {
            Kind::PeerUp(up) => up.peer,
            Kind::PeerDown(down) => down.peer,
            Kind::Gap(gap) => gap.peer,
            Kind::EndOfRib(end) => end.peer,
            _ => None,
        };
        let control = v1::Control { kind: Some(kind) };
        self.update.seq = seq;
        self.update.body = Some(v1::bgp_update::Body::Control(control.clone()));
        for partition in 0..BGP_UPDATES.partitions {
            outlet.publish(
                BGP_UPDATES.name,
                partition,
                Some(&[]),
                &self.update,
                released_us,
            )?;
        }
        self.message.seq = seq;
        self.message.peer = peer;
        self.message.body = Some(v1::bgp_message::Body::Control(control));
        for partition in 0..BGP_MESSAGES.partitions {
            outlet.publish(
                BGP_MESSAGES.name,
                partition,
                Some(&[]),
                &self.message,
                released_us,
            )?;
        }
        Ok(())
    }

    /// Sends a record to the dead letters. It takes a seq, so that a resumed run knows of it.
    pub(crate) fn dead_letter(
        &mut self,
        outlet: &mut Outlet,
        letter: &DeadLetter<'_>,
        now_us: i64,
    ) -> Result<(), LogError> {
        outlet.stats.dead_letters += 1;
        outlet.stats.future += u64::from(letter.class == "future");
        let (_, send) = self.emission();
        if send {
            let record = RecordRef {
                offset: i64::try_from(letter.record).unwrap_or(i64::MAX),
                timestamp_ms: now_us / 1000,
                key: letter.origin.as_bytes(),
                payload: letter.payload,
                trace: &[],
            };
            let error = format!(
                "{} record {}: {}",
                letter.origin, letter.record, letter.error
            );
            let topic = BGP_MESSAGES.name;
            outlet
                .dead_letters
                .send(topic, 0, &record, "decode", letter.class, &error)?;
        }
        Ok(())
    }
}

/// True of a message by which a session begins or ends.
pub(crate) fn changes_session(body: &Body) -> bool {
    session_change(body).is_some()
}

/// What a message says of its session. One session may say it three times (OPEN sent, OPEN
/// received, up): the detector opens one slot (docs/detector.md 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SessionChange {
    Up,
    Down(&'static str),
}

impl SessionChange {
    fn control(self, peer: Peer) -> Kind {
        let peer = Some(peer.into());
        match self {
            Self::Up => Kind::PeerUp(v1::PeerUp { peer }),
            Self::Down(reason) => Kind::PeerDown(v1::PeerDown {
                peer,
                reason: reason.to_owned(),
            }),
        }
    }
}

fn session_change(body: &Body) -> Option<SessionChange> {
    use SessionState::{Established, Idle};
    match body {
        Body::Open(_) => Some(SessionChange::Up),
        Body::Notification(_) => Some(SessionChange::Down("notification")),
        Body::StateChange {
            to: Established, ..
        } => Some(SessionChange::Up),
        Body::StateChange {
            from: Some(Established),
            ..
        }
        | Body::StateChange {
            from: None,
            to: Idle,
        } => Some(SessionChange::Down("state")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_session_that_was_up_goes_down() {
        use SessionState::{Active, Connect, Established, Idle};
        let change = |from, to| session_change(&Body::StateChange { from, to });
        assert_eq!(
            change(Some(Established), Idle),
            Some(SessionChange::Down("state"))
        );
        assert_eq!(change(None, Idle), Some(SessionChange::Down("state")));
        assert_eq!(change(Some(Idle), Active), None);
        assert_eq!(change(None, Connect), None);
        assert_eq!(change(Some(Active), Established), Some(SessionChange::Up));
        assert_eq!(session_change(&Body::Keepalive), None);
    }
}
