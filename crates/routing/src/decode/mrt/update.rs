//! What was said on a session: BGP4MP records (RFC 6396, 4.4) and those of the deprecated type 5.

use std::io::Read;

use bgpkit_parser::{
    error::BgpValidationWarning,
    models::{Bgp4MpEnum, Bgp4MpType, BgpMessage, BgpState, BgpUpdateMessage, LegacyBgp},
};

use super::Records;
use crate::{
    decode::bgp::{
        self,
        attributes::{self, asn_of},
    },
    update::{Body, Direction, Message, Notification, Peer, SessionState},
};

impl<R: Read> Records<R> {
    pub(super) fn bgp4mp(&mut self, time_us: i64, record: Bgp4MpEnum) {
        match record {
            Bgp4MpEnum::StateChange(change) => {
                let peer = Peer::new(change.peer_ip, asn_of(change.peer_asn));
                self.state_change(time_us, peer, change.old_state, change.new_state);
            }
            Bgp4MpEnum::Message(message) => {
                let peer = Peer::new(message.peer_ip, asn_of(message.peer_asn));
                let four_octet = matches!(
                    message.msg_type,
                    Bgp4MpType::MessageAs4
                        | Bgp4MpType::MessageAs4Local
                        | Bgp4MpType::MessageAs4Addpath
                        | Bgp4MpType::MessageLocalAs4Addpath
                );
                let sent = message.is_local();
                self.message(time_us, peer, message.bgp_message, four_octet, sent);
            }
        }
    }

    pub(super) fn legacy(&mut self, time_us: i64, record: LegacyBgp) {
        match record {
            LegacyBgp::StateChange(change) => {
                let peer = Peer::new(change.peer_ip, asn_of(change.peer_asn));
                self.state_change(time_us, peer, change.old_state, change.new_state);
            }
            LegacyBgp::Message(message) => {
                let peer = Peer::new(message.peer_ip, asn_of(message.peer_asn));
                self.message(time_us, peer, message.bgp_message, false, false);
            }
        }
    }

    fn state_change(&mut self, time_us: i64, peer: Peer, from: BgpState, to: BgpState) {
        let body = Body::StateChange {
            from: Some(state(from)),
            to: state(to),
        };
        self.say(time_us, peer, body);
    }

    fn message(
        &mut self,
        time_us: i64,
        peer: Peer,
        message: BgpMessage,
        four_octet: bool,
        sent: bool,
    ) {
        let body = match message {
            BgpMessage::Update(_) | BgpMessage::KeepAlive if sent => {
                self.skipped.sent_by_collector += 1;
                return;
            }
            BgpMessage::Update(update) => return self.update(time_us, peer, update, four_octet),
            BgpMessage::Open(message) => Body::Open(bgp::open(
                &message,
                if sent {
                    Direction::Sent
                } else {
                    Direction::Received
                },
            )),
            BgpMessage::Notification(notification) => {
                let (code, subcode) = notification.error.get_codes();
                Body::Notification(Notification { code, subcode })
            }
            BgpMessage::KeepAlive => Body::Keepalive,
            BgpMessage::RouteRefresh(_) => {
                self.skipped.without_message += 1;
                return;
            }
        };
        self.say(time_us, peer, body);
    }

    fn say(&mut self, event_time_us: i64, peer: Peer, body: Body) {
        // Old Zebra left the addresses out, and the parser puts in zeros.
        if peer.address.is_unspecified() {
            self.skipped.without_peer += 1;
            return;
        }
        self.push(Message {
            event_time_us,
            peer,
            body,
        });
    }

    fn update(&mut self, time_us: i64, peer: Peer, update: BgpUpdateMessage, four_octet: bool) {
        let malformed = update
            .attributes
            .validation_warnings()
            .iter()
            .find_map(|warning| match warning {
                BgpValidationWarning::MalformedNlri {
                    nlri_type, reason, ..
                } => Some(format!("{nlri_type} prefixes of {peer}: {reason}")),
                _ => None,
            });
        if let Some(reason) = malformed {
            return self.malformed(reason);
        }
        if let Err(reason) = self.fold(time_us, peer, update, four_octet) {
            self.malformed(format!("UPDATE of {peer}: {reason}"));
        }
    }

    fn fold(
        &mut self,
        time_us: i64,
        peer: Peer,
        update: BgpUpdateMessage,
        four_octet: bool,
    ) -> Result<(), String> {
        let (mut announced, mut withdrawn) = (Vec::new(), Vec::new());
        attributes::extend(&mut announced, update.announced_prefixes)?;
        attributes::extend(&mut withdrawn, update.withdrawn_prefixes)?;
        let announces = !announced.is_empty();
        let parts = attributes::parts(update.attributes, four_octet, announces)?;
        let folded = bgp::fold(parts, announced, withdrawn);
        self.skipped.other_families += u64::from(folded.other_families);
        if folded.end_of_rib.is_some() {
            self.say(time_us, peer, Body::EndOfRib);
        }
        for update in folded.updates {
            self.say(time_us, peer, Body::Update(update));
        }
        Ok(())
    }
}

/// Quagga's Clearing and Deleted come after the session, so they are as good as Idle.
fn state(state: BgpState) -> SessionState {
    match state {
        BgpState::Idle | BgpState::Clearing | BgpState::Deleted => SessionState::Idle,
        BgpState::Connect => SessionState::Connect,
        BgpState::Active => SessionState::Active,
        BgpState::OpenSent => SessionState::OpenSent,
        BgpState::OpenConfirm => SessionState::OpenConfirm,
        BgpState::Established => SessionState::Established,
    }
}
