//! The differences as a person reads them: how many of each kind and rule, then one line for each incident.

use std::{
    fmt::Display,
    io::{self, Write},
};

use weir_events::time::rfc3339;
use weir_record_store::diff::{Aspect, Difference, Report, Sketch};

use crate::{columns, config_show::without_password};

/// Both places, counts by kind and rule, and at most `limit` differences.
pub(super) fn write(
    out: &mut impl Write,
    places: (&str, &str),
    report: &Report,
    limit: usize,
) -> io::Result<()> {
    writeln!(
        out,
        "A  {}  {} incidents",
        without_password(places.0),
        report.in_a
    )?;
    writeln!(
        out,
        "B  {}  {} incidents",
        without_password(places.1),
        report.in_b
    )?;
    let differ = report.differences.len();
    writeln!(out, "{} are equal, {differ} differ", report.equal)?;
    if differ == 0 {
        return Ok(());
    }
    counts(out, report)?;
    writeln!(out)?;
    let listed = &report.differences[..differ.min(limit)];
    let rows: Vec<[String; 6]> = listed.iter().map(row).collect();
    columns::write(
        out,
        [
            "severity",
            "first seen",
            "type",
            "prefix",
            "suspect",
            "what differs (A -> B)",
        ],
        &rows,
    )?;
    if listed.len() < differ {
        let more = differ - listed.len();
        writeln!(out, "... and {more} more: --limit 0 lists all")?;
    }
    Ok(())
}

/// Differences by rule and kind; kinds that nothing has are left out.
fn counts(out: &mut impl Write, report: &Report) -> io::Result<()> {
    let tally = report.tally();
    let mut sum = [0; Aspect::ALL.len()];
    for counts in tally.values() {
        for (sum, count) in sum.iter_mut().zip(counts) {
            *sum += count;
        }
    }
    let has = |aspect: &&Aspect| sum[**aspect as usize] > 0;
    let aspects: Vec<&Aspect> = Aspect::ALL.iter().filter(has).collect();
    let width = tally.keys().map(String::len).max().unwrap_or(0).max(4);
    writeln!(out)?;
    let mut line = |name: &str, cells: &mut dyn Iterator<Item = String>| {
        write!(out, "{name:width$}")?;
        for cell in cells {
            write!(out, "{cell:>11}")?;
        }
        writeln!(out)
    };
    line("type", &mut aspects.iter().map(|of| of.name().to_owned()))?;
    for (rule, counts) in &tally {
        line(
            rule,
            &mut aspects.iter().map(|of| counts[**of as usize].to_string()),
        )?;
    }
    line(
        "all",
        &mut aspects.iter().map(|of| sum[**of as usize].to_string()),
    )
}

fn row(difference: &Difference) -> [String; 6] {
    let one = difference.either();
    let suspect = one
        .suspect_asn
        .map_or("-".to_owned(), |asn| format!("AS{asn}"));
    let prefix = one
        .prefix
        .map_or("-".to_owned(), |prefix| prefix.to_string());
    let first = difference.b().map_or(one.first_seen_us, |b| {
        one.first_seen_us.min(b.first_seen_us)
    });
    let mut what = match (difference.a(), difference.b()) {
        (Some(a), Some(b)) => changed(difference, a, b).join("; "),
        (Some(_), None) => "missed (in A only)".to_owned(),
        _ => "raised (in B only)".to_owned(),
    };
    if difference.is_synthetic() {
        what.push_str(" [synthetic]");
    }
    [
        difference.severity().to_string(),
        rfc3339(first),
        difference.rule(),
        prefix,
        suspect,
        what,
    ]
}

/// Each aspect with both its values.
fn changed(difference: &Difference, a: &Sketch, b: &Sketch) -> Vec<String> {
    let both = |name: &str, a: &dyn Display, b: &dyn Display| format!("{name}: {a} -> {b}");
    let aspects = difference.aspects();
    // The column of the type has both.
    let told = aspects
        .iter()
        .filter(|aspect| **aspect != Aspect::Type || aspects.len() == 1);
    told.map(|aspect| match aspect {
        Aspect::Type => "type".to_owned(),
        Aspect::Began => both(
            "began",
            &rfc3339(a.first_seen_us),
            &rfc3339(b.first_seen_us),
        ),
        Aspect::Ended => both("ended", &end(a), &end(b)),
        Aspect::Severity => both("severity", &a.severity, &b.severity),
        Aspect::Suspicion => both("suspicion", &points(a), &points(b)),
        Aspect::Confirmed => both("confirmed", &yes(a.confirmed), &yes(b.confirmed)),
        Aspect::Synthetic => both("synthetic", &yes(a.synthetic), &yes(b.synthetic)),
        Aspect::Raised | Aspect::Missed => aspect.name().to_owned(),
    })
    .collect()
}

fn points(of: &Sketch) -> String {
    of.suspicion
        .map_or_else(|| "unknown".to_owned(), |points| points.to_string())
}

fn yes(fact: bool) -> &'static str {
    if fact { "yes" } else { "no" }
}

fn end(of: &Sketch) -> String {
    match (of.ended_at_us, of.end_reason) {
        (Some(at), Some(reason)) => format!("{reason} {}", rfc3339(at)),
        (Some(at), None) => rfc3339(at),
        (None, _) => "goes on".to_owned(),
    }
}
