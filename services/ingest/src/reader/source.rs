//! Tells the format of a file by its content, and decodes it record by record.

use std::{
    io::{self, BufRead, Read},
    path::Path,
};

use weir_routing::{
    Message,
    decode::{
        json::{self, JsonError},
        mrt,
    },
};

use super::{
    capture::{self, Capture, Captured},
    is_damage,
    json_items::{self, JsonItem, JsonItems},
};
use crate::{decompress::Content, input::InputError};

/// What the decoder gives, before the clock of the file has judged it.
#[derive(Debug)]
pub(super) enum Raw {
    Message {
        record: u64,
        message: Message,
        /// The bytes of its record where the reader has gone on since; empty: ask the source.
        payload: Vec<u8>,
    },
    Bad {
        record: u64,
        error: String,
        payload: Vec<u8>,
    },
    /// Nothing more comes.
    BrokenOff { record: u64, reason: String },
}

/// Bytes of the file that were looked at, then the rest of it.
type Input = io::Chain<io::Cursor<Vec<u8>>, Content>;

/// A file being decoded.
pub(super) enum Source {
    Empty,
    Mrt(Box<mrt::Records<Captured<Input>>>, Capture),
    Json {
        items: JsonItems<Input>,
        /// Messages of one document that came after its first.
        more: std::collections::VecDeque<Raw>,
    },
}

/// Header of an MRT record: time, type, subtype, length.
const MRT_HEADER: usize = 12;
/// What is looked at to tell the format.
const LOOK: u64 = 4096;
/// A record that claims more is no record.
const MRT_LONGEST: u32 = 64 << 20;

/// Looks at the first bytes; true when the file is a RIB dump.
pub(super) fn open(mut content: Content, path: &Path) -> Result<(Source, bool), InputError> {
    let mut first = Vec::new();
    if let Err(source) = (&mut content).take(LOOK).read_to_end(&mut first) {
        if first.is_empty() && !is_damage(&source) {
            return Err(InputError::Unreadable {
                path: path.to_owned(),
                source,
            });
        }
        if first.len() < MRT_HEADER {
            return Err(InputError::NotCompressed {
                path: path.to_owned(),
                source,
            });
        }
        content = Box::new(Broken(source.kind()));
    }
    if first.is_empty() {
        return Ok((Source::Empty, false));
    }
    let kind = mrt_type(&first);
    if !looks_like_json(&first) && kind.is_none() {
        return Err(InputError::NotBgp {
            path: path.to_owned(),
            begins: hex(&first),
        });
    }
    let input = io::Cursor::new(first).chain(content);
    if let Some(kind) = kind {
        let capture = Capture::default();
        let records = mrt::Records::new(capture.reader(input));
        return Ok((
            Source::Mrt(Box::new(records), capture),
            matches!(kind, 12 | 13),
        ));
    }
    let items = JsonItems::new(input).map_err(|source| InputError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    Ok((
        Source::Json {
            items,
            more: std::collections::VecDeque::new(),
        },
        false,
    ))
}

/// A decompressor that has failed, and fails again: some forget it.
struct Broken(io::ErrorKind);

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(self.0.into())
    }
}

impl BufRead for Broken {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        Err(self.0.into())
    }

    fn consume(&mut self, _: usize) {}
}

/// The type of a plausible first header (RFC 6396, 4; RFC 8050).
fn mrt_type(first: &[u8]) -> Option<u16> {
    let header: &[u8; MRT_HEADER] = first.first_chunk()?;
    let [.., t1, t0, s1, s0, l3, l2, l1, l0] = *header;
    let kind = u16::from_be_bytes([t1, t0]);
    let subtype = u16::from_be_bytes([s1, s0]);
    let length = u32::from_be_bytes([l3, l2, l1, l0]);
    let known = match kind {
        5 => subtype <= 7,
        9..=12 | 16 | 17 => subtype <= 11,
        13 => (1..=12).contains(&subtype),
        32 | 33 | 48 | 49 => subtype <= 12,
        _ => false,
    };
    (known && length <= MRT_LONGEST).then_some(kind)
}

/// Text whose first line, or a later one, begins with a brace or bracket.
fn looks_like_json(first: &[u8]) -> bool {
    let text = !first.iter().any(|b| *b < 0x20 && !b.is_ascii_whitespace());
    text && first
        .split(|byte| *byte == b'\n')
        .any(|line| matches!(line.trim_ascii_start().first(), Some(b'{' | b'[')))
}

fn hex(bytes: &[u8]) -> String {
    let shown: Vec<_> = bytes.iter().take(16).map(|b| format!("{b:02x}")).collect();
    shown.join(" ")
}

impl Source {
    pub(super) fn next(&mut self) -> Option<Raw> {
        match self {
            Self::Empty => None,
            Self::Mrt(records, capture) => records.next().map(|item| match item {
                Ok(decoded) => Raw::Message {
                    record: decoded.record,
                    message: decoded.message,
                    payload: Vec::new(),
                },
                Err(error) if error.ends_input() => Raw::BrokenOff {
                    record: error.record(),
                    reason: error.to_string(),
                },
                Err(error) => Raw::Bad {
                    record: error.record(),
                    error: error.to_string(),
                    payload: capture.bytes(),
                },
            }),
            Self::Json { items, more } => loop {
                if let Some(raw) = more.pop_front() {
                    return Some(raw);
                }
                match items.next() {
                    Ok(Some(item)) => decode_json(&item, items.bytes(), more),
                    Ok(None) => return None,
                    Err(error) => {
                        *self = Self::Empty;
                        return Some(Raw::BrokenOff {
                            record: 0,
                            reason: error.to_string(),
                        });
                    }
                }
            },
        }
    }

    /// The bytes of the record that was read last.
    pub(super) fn bytes_of_last(&self) -> Vec<u8> {
        match self {
            Self::Empty => Vec::new(),
            Self::Mrt(_, capture) => capture.bytes(),
            Self::Json { items, .. } => cut(items.bytes()),
        }
    }
}

fn cut(bytes: &[u8]) -> Vec<u8> {
    bytes[..bytes.len().min(capture::MOST)].to_vec()
}

/// Decodes one document; frames that say nothing of routes give nothing.
fn decode_json(item: &JsonItem, bytes: &[u8], more: &mut std::collections::VecDeque<Raw>) {
    let record = item.number;
    if item.length > json_items::MOST as u64 {
        more.push_back(Raw::Bad {
            record,
            error: format!(
                "{} bytes, more than the {} that one update may have",
                item.length,
                json_items::MOST
            ),
            payload: cut(bytes),
        });
        return;
    }
    let mut bad = |error: JsonError| {
        more.push_back(Raw::Bad {
            record,
            error: error.to_string(),
            payload: cut(bytes),
        });
    };
    match json::decode(bytes) {
        Ok(updates) => {
            for update in updates {
                match update {
                    Ok(decoded) => more.push_back(Raw::Message {
                        record,
                        message: decoded.message,
                        payload: Vec::new(),
                    }),
                    Err(error) => more.push_back(Raw::Bad {
                        record,
                        error: error.to_string(),
                        payload: cut(bytes),
                    }),
                }
            }
        }
        Err(error) => bad(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_told_by_their_first_bytes() {
        let header = |kind: u16, subtype: u16, length: u32| {
            let mut bytes = vec![0x5f, 0xee, 0x70, 0x18];
            bytes.extend(kind.to_be_bytes());
            bytes.extend(subtype.to_be_bytes());
            bytes.extend(length.to_be_bytes());
            bytes
        };
        assert_eq!(mrt_type(&header(16, 4, 100)), Some(16));
        assert_eq!(mrt_type(&header(13, 1, 100)), Some(13));
        assert_eq!(mrt_type(&header(14, 1, 100)), None);
        assert_eq!(mrt_type(&header(16, 4, u32::MAX)), None);
        assert_eq!(mrt_type(b"short"), None);
        assert!(looks_like_json(b" {\"type\":1}"));
        assert!(looks_like_json(b"rubbish\n{\"type\":1}\n"));
        assert!(looks_like_json(b"[\n{}]"));
        assert!(!looks_like_json(b"just text"));
        assert!(!looks_like_json(b"{\0\x01"));
    }
}
