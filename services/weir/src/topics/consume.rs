//! `weir topics consume`: any topic as JSON lines; our own events are decoded.

use std::io::{self, Write};

use clap::Args;
use serde_json::{Map, Value as Json, json};
use weir_eventlog::{
    EventLog, RecordRef,
    admin::{self, Browse, Start},
};
use weir_events::{time::rfc3339, topics};

use super::decode::Decoder;
use crate::progress::Failure;

#[derive(Debug, Clone, Args)]
pub(crate) struct ConsumeArguments {
    /// The topic; of ours, of its dead letters, or of others.
    #[arg(value_name = "NAME")]
    topic: String,
    /// Begin with the first record that is kept, not with what comes from now on.
    #[arg(long)]
    from_beginning: bool,
    /// Begin at this offset.
    #[arg(long, value_name = "N", conflicts_with = "from_beginning")]
    offset: Option<i64>,
    /// Only this partition.
    #[arg(long, value_name = "P")]
    partition: Option<u32>,
    /// End after so many records.
    #[arg(long, value_name = "N")]
    max: Option<u64>,
    /// End where the log ends now, instead of waiting for more.
    #[arg(long)]
    until_end: bool,
    /// Tell when each record was produced.
    #[arg(long)]
    timestamps: bool,
    /// Tell the key of each record.
    #[arg(long)]
    key: bool,
}

pub(super) fn consume(log: &EventLog, arguments: &ConsumeArguments) -> Result<(), Failure> {
    let name = arguments.topic.as_str();
    let source = topics::source_of_dead_letters(name).unwrap_or(name);
    let decoder = topics::find(source)
        .map(|topic| Decoder::new(topic.message))
        .transpose()?;
    let from = match arguments.offset {
        Some(offset) => Start::Offset(offset),
        None if arguments.from_beginning => Start::Beginning,
        None => Start::End,
    };
    let wanted = Browse {
        topic: name,
        partition: arguments.partition,
        from,
        max: arguments.max,
        until_end: arguments.until_end,
    };
    let mut out = io::stdout().lock();
    admin::browse(log, &wanted, |partition, record| {
        let line = line(partition, record, decoder.as_ref(), arguments);
        // A reader that has gone ends it.
        writeln!(out, "{line}").is_ok()
    })?;
    Ok(())
}

fn line(
    partition: u32,
    record: &RecordRef<'_>,
    decoder: Option<&Decoder>,
    arguments: &ConsumeArguments,
) -> Json {
    let mut line = Map::new();
    line.insert("partition".to_owned(), json!(partition));
    line.insert("offset".to_owned(), json!(record.offset));
    if arguments.timestamps {
        let at = rfc3339(record.timestamp_ms.saturating_mul(1_000));
        line.insert("produced_at".to_owned(), json!(at));
    }
    if arguments.key {
        line.insert("key".to_owned(), plain(record.key));
    }
    let decoded = decoder.map(|decoder| decoder.decode(record.payload));
    match decoded {
        Some(Ok(event)) => line.insert("event".to_owned(), event),
        Some(Err(error)) => {
            line.insert("error".to_owned(), json!(error));
            line.insert("value".to_owned(), plain(record.payload))
        }
        None => line.insert("value".to_owned(), plain(record.payload)),
    };
    Json::Object(line)
}

/// JSON as it is, text as text, anything else in hexadecimal.
fn plain(bytes: &[u8]) -> Json {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.starts_with(['{', '[']) => {
            serde_json::from_str(text).unwrap_or_else(|_| json!(text))
        }
        Ok(text) if !text.contains(|c: char| c.is_control()) => json!(text),
        _ => json!(super::decode::hexadecimal(bytes)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_ours_is_shown_as_what_it_is() {
        assert_eq!(plain(b"{\"a\":1}"), json!({"a": 1}));
        assert_eq!(plain(b"key"), json!("key"));
        assert_eq!(plain(b"\x00\xff"), json!("00ff"));
    }
}
