//! Files made by hand, good and bad, read back.

use std::io::Write;

use proptest::prelude::*;

use super::*;

const TIME: u32 = 1_609_480_200;

/// A BGP4MP_MESSAGE_AS4 of a KEEPALIVE, or of whatever `bgp` is.
fn mrt(time: u32, bgp: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend(64_496_u32.to_be_bytes());
    body.extend(64_511_u32.to_be_bytes());
    body.extend([0, 0, 0, 1]);
    body.extend([192, 0, 2, 1, 192, 0, 2, 2]);
    body.extend(bgp);
    let mut record = Vec::new();
    record.extend(time.to_be_bytes());
    record.extend([0, 16, 0, 4]);
    record.extend(u32::try_from(body.len()).unwrap().to_be_bytes());
    record.extend(body);
    record
}

fn keepalive(time: u32) -> Vec<u8> {
    let mut bgp = vec![0xff; 16];
    bgp.extend([0, 19, 4]);
    mrt(time, &bgp)
}

/// An UPDATE that withdraws one prefix of this length.
fn withdrawal(time: u32, length: u8) -> Vec<u8> {
    let mut bgp = vec![0xff; 16];
    bgp.extend([0, 27, 2, 0, 4, length, 198, 51, 100, 0, 0]);
    mrt(time, &bgp)
}

fn json(time: &str, prefix: &str) -> String {
    format!(
        "{{\"type\":\"withdraw\",\"peer_ip\":\"192.0.2.1\",\"peer_asn\":64496,\
         \"prefix\":\"{prefix}\",\"timestamp\":{time}}}\n"
    )
}

struct Read {
    messages: usize,
    bad: Vec<Bad>,
    notes: Notes,
    first: Option<i64>,
}

fn read(bytes: &[u8]) -> Result<Read, InputError> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    let file = InputFile {
        collector: "rrc00".to_owned(),
        path: file.path().to_owned(),
        bytes: 0,
        must_be_rib: false,
    };
    let notes = Notes::default();
    let entries: Vec<_> = FileReader::open(&file, &BytesRead::default(), &notes)?.collect();
    let bad = entries.iter().filter_map(|entry| match &entry.item {
        Item::Bad(bad) => Some(bad.clone()),
        Item::Message(_) => None,
    });
    Ok(Read {
        bad: bad.collect(),
        messages: entries.len()
            - entries
                .iter()
                .filter(|e| matches!(e.item, Item::Bad(_)))
                .count(),
        first: entries.first().map(|entry| entry.time_us),
        notes,
    })
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn mrt_and_both_forms_of_json_are_told_by_content() {
    let flat = json(&TIME.to_string(), "198.51.100.0/24");
    let array = format!("[{},\n{}]", flat.trim(), flat.trim());
    for (bytes, messages) in [
        ([keepalive(TIME), keepalive(TIME + 1)].concat(), 2),
        (gzip(&keepalive(TIME)), 1),
        (flat.clone().into_bytes(), 1),
        (array.into_bytes(), 2),
        (Vec::new(), 0),
        (gzip(b""), 0),
    ] {
        let read = read(&bytes).unwrap();
        assert_eq!((read.messages, read.bad.len()), (messages, 0));
        assert_eq!(read.notes.broken_files(), 0);
    }
}

#[test]
fn what_is_no_bgp_file_is_named_with_what_was_expected() {
    let noise: Vec<u8> = (0..5000_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    for bytes in [
        &noise[..],
        b"just some text\nof several lines\n",
        &gzip(&noise),
    ] {
        let error = read(bytes).err().unwrap().to_string();
        assert!(
            error.contains("is not a BGP file: want MRT or JSON"),
            "{error}"
        );
    }
}

#[test]
fn a_truncated_file_keeps_the_rest_and_leaves_a_note() {
    let plain: Vec<u8> = (0..2000).flat_map(|n| keepalive(TIME + n)).collect();
    let whole = gzip(&plain);
    for bytes in [&plain[..plain.len() - 5], &whole[..whole.len() / 2]] {
        let read = read(bytes).unwrap();
        assert!(
            read.messages > 100 && read.messages < 2000,
            "{}",
            read.messages
        );
        assert_eq!(read.notes.broken_files(), 1);
        assert!(read.notes.warnings()[0].contains("breaks off at record"));
    }
}

#[test]
fn a_record_that_cannot_be_read_keeps_its_bytes_and_the_others_are_read() {
    let bad = withdrawal(TIME + 1, 200);
    let all = [withdrawal(TIME, 24), bad.clone(), withdrawal(TIME + 2, 24)].concat();
    let read_back = read(&all).unwrap();
    assert_eq!((read_back.messages, read_back.bad.len()), (2, 1));
    assert_eq!(read_back.bad[0].payload, bad);

    let text =
        json(&TIME.to_string(), "198.51.100.0/200") + &json(&TIME.to_string(), "198.51.100.0/24");
    let read_back = read(text.as_bytes()).unwrap();
    assert_eq!((read_back.messages, read_back.bad.len()), (1, 1));
    assert!(
        read_back.bad[0].error.contains("200"),
        "{}",
        read_back.bad[0].error
    );
}

#[test]
fn a_line_of_ten_megabytes_is_a_cut_dead_letter_and_the_next_line_is_read() {
    let mut bytes = json(&TIME.to_string(), "198.51.100.0/24").into_bytes();
    bytes.extend(format!("{{\"x\":\"{}\"}}\n", "y".repeat(10 << 20)).bytes());
    bytes.extend(json(&TIME.to_string(), "203.0.113.0/24").bytes());
    let read = read(&bytes).unwrap();
    assert_eq!((read.messages, read.bad.len()), (2, 1));
    assert_eq!(read.bad[0].payload.len(), capture::MOST);
    assert!(
        read.bad[0].error.contains("10485768 bytes"),
        "{}",
        read.bad[0].error
    );
}

#[test]
fn a_clock_ten_years_ahead_is_refused_wherever_it_stands() {
    let ahead = TIME + 10 * 365 * 86_400;
    for times in [
        [ahead, TIME, TIME + 1],
        [TIME, ahead, TIME + 1],
        [TIME, TIME + 1, ahead],
    ] {
        let bytes: Vec<u8> = times.into_iter().flat_map(keepalive).collect();
        let read = read(&bytes).unwrap();
        assert_eq!((read.messages, read.bad.len()), (2, 1), "{times:?}");
        assert_eq!(read.bad[0].class, "future");
        assert_eq!(read.bad[0].payload, keepalive(ahead), "{times:?}");
        assert_eq!(read.first, Some(i64::from(TIME) * 1_000_000));
    }
}

proptest! {
    #[test]
    fn no_bytes_end_the_process(mut bytes in prop::collection::vec(any::<u8>(), 0..600), head in any::<bool>()) {
        if head {
            bytes = [keepalive(TIME), bytes].concat();
        }
        let _ = read(&bytes);
    }
}
