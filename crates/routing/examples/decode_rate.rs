//! How fast decoding is on this machine, in CPU time of one thread, and how the elements spread
//! over address blocks.
//!
//! `decode_rate MRT...` reads MRT files (`.gz`, `.bz2`, plain) into memory, then decodes them; RIS
//! Live frames are made from their UPDATEs. With `--blocks` it prints the share of the busiest
//! IPv6 block and of prefixes shorter than a block, by width.

use std::{
    collections::HashMap,
    fs::File,
    hint::black_box,
    io::{BufReader, Cursor, Read, Write},
    time::{Duration, Instant},
};

use weir_routing::{
    Body, Message,
    decode::{mrt::Records, ris_live},
    wire,
};

fn main() {
    let mut out = std::io::stdout().lock();
    let (flags, files): (Vec<_>, Vec<_>) = std::env::args().skip(1).partition(|a| a == "--blocks");
    let bytes: Vec<Vec<u8>> = files.iter().map(|file| read(file)).collect();
    if flags.is_empty() {
        rates(&mut out, &bytes);
    } else {
        blocks(&mut out, &bytes);
    }
}

fn read(file: &str) -> Vec<u8> {
    let Ok(input) = File::open(file).map(BufReader::new) else {
        return Vec::new();
    };
    let mut bytes = Vec::new();
    let mut input: Box<dyn Read> = if file.ends_with(".gz") {
        Box::new(flate2::bufread::MultiGzDecoder::new(input))
    } else if file.ends_with(".bz2") {
        Box::new(bzip2::bufread::MultiBzDecoder::new(input))
    } else {
        Box::new(input)
    };
    if let Err(error) = input.read_to_end(&mut bytes) {
        let _ = writeln!(std::io::stderr(), "{file}: {error}");
    }
    bytes
}

fn messages(bytes: &[Vec<u8>]) -> impl Iterator<Item = Message> + '_ {
    bytes
        .iter()
        .flat_map(|bytes| Records::new(&bytes[..]))
        .filter_map(|item| item.ok().map(|decoded| decoded.message))
}

fn rates(out: &mut impl Write, bytes: &[Vec<u8>]) {
    let mut line = |what: &str, (amount, spent): (u64, Duration)| {
        #[expect(clippy::cast_precision_loss, reason = "a rate to three digits")]
        let rate = amount as f64 / spent.as_secs_f64() / 1e3;
        let _ = writeln!(out, "{what}: {amount} in {spent:.3?} CPU = {rate:.0} k/s");
    };
    line(
        "mrt elements, ours",
        cpu(|| {
            messages(bytes)
                .map(|m| black_box(m).body.elements() as u64)
                .sum()
        }),
    );
    line(
        "mrt elements, bgpkit",
        cpu(|| {
            let parsers = bytes
                .iter()
                .map(|bytes| bgpkit_parser::BgpkitParser::from_reader(Cursor::new(&bytes[..])));
            parsers
                .flat_map(|p| p.into_elem_iter())
                .map(|e| u64::from(black_box(e).peer_asn.to_u32() > 0))
                .sum()
        }),
    );
    let updates: Vec<Message> = messages(bytes)
        .filter(|message| matches!(message.body, Body::Update(_)))
        .take(300_000)
        .collect();
    line(
        "messages split into shares",
        cpu(|| {
            for message in &updates {
                if let Body::Update(update) = &message.body {
                    black_box(wire::split(message.peer, update));
                }
            }
            updates.len() as u64
        }),
    );
    let frames: Vec<String> = updates.iter().filter_map(frame).collect();
    drop(updates);
    let size = frames.iter().map(String::len).sum::<usize>() / frames.len().max(1);
    line(
        &format!("ris live messages of {size} bytes"),
        cpu(|| {
            for frame in &frames {
                let _ = black_box(ris_live::decode(frame.as_bytes()));
            }
            frames.len() as u64
        }),
    );
}

/// The RIS Live frame of an UPDATE.
fn frame(message: &Message) -> Option<String> {
    let Body::Update(update) = &message.body else {
        return None;
    };
    let list = |nlris: &[weir_routing::Nlri]| {
        let quoted: Vec<_> = nlris.iter().map(|n| format!("\"{}\"", n.prefix)).collect();
        quoted.join(",")
    };
    let seconds = message.event_time_us / 1_000_000;
    let peer = message.peer;
    let mut text = format!(
        r#"{{"type":"ris_message","data":{{"timestamp":{seconds}.25,"peer":"{}","peer_asn":"{}","id":"{}-{seconds}-1829343","host":"rrc12","type":"UPDATE""#,
        peer.address, peer.asn, peer.address
    );
    if let Some(attributes) = &update.attributes {
        let path: Vec<_> = attributes
            .as_path
            .asns()
            .map(|asn| asn.to_string())
            .collect();
        let communities: Vec<_> = attributes
            .communities
            .iter()
            .map(|c| format!("[{},{}]", c.asn(), c.value()))
            .collect();
        let hop = attributes
            .next_hop
            .map_or_else(String::new, |hop| hop.to_string());
        text += &format!(
            r#","path":[{}],"community":[{}],"origin":"igp","announcements":[{{"next_hop":"{hop}","prefixes":[{}]}}]"#,
            path.join(","),
            communities.join(","),
            list(&update.announced)
        );
    }
    if !update.withdrawn.is_empty() {
        text += &format!(r#","withdrawals":[{}]"#, list(&update.withdrawn));
    }
    Some(text + "}}")
}

fn blocks(out: &mut impl Write, bytes: &[Vec<u8>]) {
    let mut v6: HashMap<(u128, u8), u64> = HashMap::new();
    let (mut all, mut short4) = (0_u64, 0_u64);
    for message in messages(bytes) {
        let Body::Update(update) = message.body else {
            continue;
        };
        for nlri in update.announced.iter().chain(&update.withdrawn) {
            all += 1;
            if nlri.prefix.is_ipv4() {
                short4 += u64::from(nlri.prefix.spans_blocks());
            } else {
                *v6.entry((nlri.prefix.bits(), nlri.prefix.length()))
                    .or_default() += 1;
            }
        }
    }
    let total: u64 = v6.values().sum();
    #[expect(clippy::cast_precision_loss, reason = "a share to two digits")]
    let share = |part: u64, of: u64| 100.0 * part as f64 / of.max(1) as f64;
    let _ = writeln!(
        out,
        "{all} elements, {total} of IPv6; IPv4 shorter than its block {:.3} %",
        share(short4, all - total)
    );
    for width in 16..=32_u8 {
        let mut busy: HashMap<u128, u64> = HashMap::new();
        let mut short = 0;
        for ((bits, length), count) in &v6 {
            *busy.entry(bits >> (128 - width)).or_default() += count;
            short += if *length < width { *count } else { 0 };
        }
        let (block, most) = busy
            .iter()
            .max_by_key(|(_, count)| **count)
            .map_or((0, 0), |(b, c)| (*b, *c));
        let _ = writeln!(
            out,
            "/{width}: busiest {:x} {:.2} % of IPv6, {:.2} % of all; {} blocks; shorter {:.3} % of IPv6",
            block,
            share(most, total),
            share(most, all),
            busy.len(),
            share(short, total)
        );
    }
}

/// What `work` counts, and the time that it took this thread.
fn cpu(work: impl FnOnce() -> u64) -> (u64, Duration) {
    let (wall, before) = (Instant::now(), thread_cpu());
    let amount = work();
    let spent = match (before, thread_cpu()) {
        (Some(before), Some(after)) => after.saturating_sub(before),
        _ => wall.elapsed(),
    };
    (amount, spent)
}

/// CPU time of this thread, from Linux' `schedstat`.
fn thread_cpu() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split(' ')
        .next()?
        .parse()
        .ok()
        .map(Duration::from_nanos)
}
