//! Findings as a person reads them: how much was judged, then a line for each, with what to do below it.

use std::io::{self, Write};

use weir_conflicts::peerings::{Finding, Originations, Report};

use crate::columns;

/// Ids that are listed of one finding; JSON has all.
const LISTED: usize = 4;

pub(super) fn write(out: &mut impl Write, report: &Report) -> io::Result<()> {
    let Report {
        peerings,
        active,
        rpki,
        findings,
    } = report;
    writeln!(
        out,
        "peerings {peerings}, active {active}, findings {}",
        findings.len()
    )?;
    writeln!(out, "RPKI: {}", known(rpki.as_ref()))?;
    if findings.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    let rows: Vec<[String; 4]> = findings.iter().flat_map(rows).collect();
    columns::write(
        out,
        [
            "severity",
            "type",
            "peerings",
            "what is wrong, and what to do",
        ],
        &rows,
    )
}

fn known(rpki: Option<&Originations>) -> String {
    match rpki {
        None => "nothing is known without VRPs (--vrps FILE), so no prefix was judged".to_owned(),
        Some(of) => format!(
            "{} originations valid, {} invalid, {} not found (nothing is known of them), {} of private ASNs (not judged)",
            of.valid, of.invalid, of.not_found, of.private
        ),
    }
}

fn rows(finding: &Finding) -> [[String; 4]; 2] {
    let ids = &finding.affected_peers;
    let mut listed = ids[..ids.len().min(LISTED)].join(", ");
    if ids.len() > LISTED {
        listed.push_str(&format!(" and {} more", ids.len() - LISTED));
    }
    [
        [
            finding.severity.name().to_owned(),
            finding.kind.name().to_owned(),
            listed,
            finding.description.clone(),
        ],
        [
            String::new(),
            String::new(),
            String::new(),
            format!("-> {}", finding.recommended_action),
        ],
    ]
}
