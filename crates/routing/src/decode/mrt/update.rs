//! What was said on a session: BGP4MP records (RFC 6396, 4.4) and those of the deprecated type 5.

use std::{io::Read, sync::Arc};

use bgpkit_parser::{
    error::BgpValidationWarning,
    models::{
        Bgp4MpEnum, Bgp4MpType, BgpMessage, BgpOpenMessage, BgpState, BgpUpdateMessage,
        CapabilityValue, LegacyBgp, ParamValue,
    },
};

use super::{
    Records,
    attributes::{self, asn_of},
};
use crate::{
    asn::Asn,
    update::{Body, Direction, Message, Notification, Open, Peer, SessionState, Update},
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
            BgpMessage::Open(message) => Body::Open(open(&message, sent)),
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

    /// One UPDATE is one message, or two when it announces with two next hops.
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
        let mut parts = attributes::parts(update.attributes, four_octet, announces)?;
        self.skipped.other_families += u64::from(parts.other_families);
        withdrawn.append(&mut parts.unreached);

        if announced.is_empty() && parts.reached.is_empty() && withdrawn.is_empty() {
            // RFC 4724, 2: nothing, or nothing but an empty MP_UNREACH_NLRI.
            if parts.none || (parts.has_unreach && !parts.other_families) {
                self.say(time_us, peer, Body::EndOfRib);
            }
            return Ok(());
        }
        let mut classic = None;
        if !announced.is_empty() && !parts.reached.is_empty() {
            if parts.reached_next_hop == parts.attributes.next_hop {
                announced.append(&mut parts.reached);
            } else {
                classic = Some((
                    std::mem::take(&mut announced),
                    parts.attributes.clone(),
                    std::mem::take(&mut withdrawn),
                ));
            }
        }
        if let Some((announced, attributes, withdrawn)) = classic {
            self.say(
                time_us,
                peer,
                Body::Update(Update {
                    attributes: Some(Arc::new(attributes)),
                    announced,
                    withdrawn,
                    from_rib: false,
                }),
            );
        }
        if announced.is_empty() {
            announced = parts.reached;
            parts.attributes.next_hop = parts.reached_next_hop;
        }
        let attributes = (!announced.is_empty()).then(|| Arc::new(parts.attributes));
        self.say(
            time_us,
            peer,
            Body::Update(Update {
                attributes,
                announced,
                withdrawn,
                from_rib: false,
            }),
        );
        Ok(())
    }
}

fn open(open: &BgpOpenMessage, sent: bool) -> Open {
    let four_octet = open
        .opt_params
        .iter()
        .find_map(|param| match &param.param_value {
            ParamValue::Capacities(capabilities) => {
                capabilities
                    .iter()
                    .find_map(|capability| match &capability.value {
                        CapabilityValue::FourOctetAs(value) => Some(Asn(value.asn)),
                        _ => None,
                    })
            }
            ParamValue::Raw(_) => None,
        });
    Open {
        direction: Some(if sent {
            Direction::Sent
        } else {
            Direction::Received
        }),
        asn: four_octet.unwrap_or_else(|| asn_of(open.asn)),
        hold_time: open.hold_time,
        router_id: open.bgp_identifier,
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
