//! Confluent's frame before a protobuf message: 0, the id of the schema as four bytes, then the way
//! to the message in its file as zigzag varints: a count and the places, or a single 0 for the first.

use std::sync::Arc;

use weir_events::{proto, topics};

/// Bytes before the way to the message.
const HEAD: usize = 5;
/// Deeper nesting than anybody's.
const MAX_DEPTH: i64 = 16;

/// The frames of our topics; cheap to clone. The default frames nothing.
#[derive(Clone, Debug, Default)]
pub struct Framing {
    frames: Arc<[(&'static str, Vec<u8>)]>,
}

impl Framing {
    /// The frames of the topics with these schema ids.
    pub(super) fn new(ids: impl IntoIterator<Item = (topics::Topic, u32)>) -> Self {
        let frames = ids.into_iter().filter_map(|(topic, id)| {
            let (_, place) = proto::find(topic.message)?;
            Some((topic.name, frame(id, place)))
        });
        Self {
            frames: frames.collect(),
        }
    }

    /// What stands before each record of `topic`; empty for topics that are not ours, for dead
    /// letters, and without a registry.
    #[must_use]
    pub fn before(&self, topic: &str) -> &[u8] {
        let found = self.frames.iter().find(|(name, _)| *name == topic);
        found.map_or(&[], |(_, frame)| frame)
    }
}

fn frame(id: u32, place: usize) -> Vec<u8> {
    let mut frame = vec![0];
    frame.extend_from_slice(&id.to_be_bytes());
    if place == 0 {
        frame.push(0);
    } else {
        put_varint(&mut frame, 1);
        put_varint(&mut frame, place as u64);
    }
    frame
}

/// A number from 0 on, zigzag.
fn put_varint(out: &mut Vec<u8>, number: u64) {
    let mut rest = number << 1;
    loop {
        let [low, ..] = rest.to_le_bytes();
        rest >>= 7;
        if rest == 0 {
            return out.push(low);
        }
        out.push(low | 0x80);
    }
}

/// The message in `payload` without its frame, if it has one; anything else as it is.
#[must_use]
pub fn unframe(payload: &[u8]) -> &[u8] {
    if payload.first() != Some(&0) {
        return payload;
    }
    payload.get(HEAD..).and_then(skip_way).unwrap_or(payload)
}

/// What stands behind the way to the message; `None` when it is none.
fn skip_way(bytes: &[u8]) -> Option<&[u8]> {
    let (count, mut rest) = varint(bytes)?;
    if !(0..=MAX_DEPTH).contains(&count) {
        return None;
    }
    for _ in 0..count {
        let (place, behind) = varint(rest)?;
        if place < 0 {
            return None;
        }
        rest = behind;
    }
    Some(rest)
}

/// A zigzag varint and what stands behind it.
fn varint(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let mut number = 0_u64;
    for (at, byte) in bytes.iter().enumerate().take(5) {
        number |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            // Zigzag: at most 35 bits.
            let value = (number >> 1).cast_signed() ^ -(number & 1).cast_signed();
            return Some((value, &bytes[at + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_first_message_of_a_file_has_the_short_way() {
        assert_eq!(frame(0x0102_0304, 0), [0, 1, 2, 3, 4, 0]);
        assert_eq!(frame(7, 16), [0, 0, 0, 0, 7, 2, 32]);
        assert_eq!(frame(7, 200), [0, 0, 0, 0, 7, 2, 0x90, 3]);
    }

    #[test]
    fn what_is_not_framed_stays_as_it_is() {
        for plain in [
            &b""[..],
            b"\x0a\x01a",
            b"{}",
            b"\0",
            b"\0\0\0\0\x01",
            b"\0\0\0\0\x01{\"a\":1}",
        ] {
            assert_eq!(unframe(plain), plain);
        }
    }

    #[test]
    fn only_our_topics_are_framed() {
        let framing = Framing::new([(topics::BGP_MESSAGES, 9)]);
        assert_eq!(framing.before("bgp-messages"), [0, 0, 0, 0, 9, 2, 32]);
        assert!(framing.before("bgp-messages.dlq").is_empty());
        assert!(Framing::default().before("bgp-messages").is_empty());
    }

    proptest! {
        #[test]
        fn a_frame_comes_off_again(id: u32, place in 0_usize..5_000, message in prop::collection::vec(any::<u8>(), 0..40)) {
            let mut framed = frame(id, place);
            framed.extend_from_slice(&message);
            prop_assert_eq!(unframe(&framed), &message);
        }

        #[test]
        fn no_bytes_make_it_fail(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            prop_assert!(unframe(&bytes).len() <= bytes.len());
        }
    }
}
