//! `weir links`: who stands beside whom on the paths of files, as a list that the detector knows neighbours by.

use std::{collections::HashSet, fmt::Write as _, fs, path::PathBuf};

use clap::Args;
use weir_routing::{AsPath, Asn, Bogons, lists::LinkList, update::Body};

use crate::progress::{Failure, say};

#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:
  weir links bview.20201201.*.gz bview.20201208.*.gz --out links.txt
  weir replay updates.*.gz --rib bview.gz --links links.txt")]
pub(crate) struct LinksArguments {
    /// MRT or JSON files of the past, plain or compressed, RIB dumps best of all; folders with their subfolders.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Where to write the list.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

pub(crate) fn links(arguments: &LinksArguments) -> Result<(), Failure> {
    let (mut found, mut paths) = (Found::default(), 0_u64);
    weir_ingest::messages(&arguments.paths, Some("none"), |_, message| {
        if let Body::Update(update) = &message.body
            && let Some(attributes) = &update.attributes
            && !update.announced.is_empty()
        {
            found.see(&attributes.as_path);
            paths += 1;
        }
    })
    .map_err(Failure::unusable)?;
    let links = found.sorted();
    if links.is_empty() {
        return Err(Failure::Unusable(
            "no two networks stand side by side in these files".to_owned(),
        ));
    }
    let mut text = String::from("# who was seen beside whom: written by `weir links`\n");
    for (lesser, greater) in &links {
        // Into a String: cannot fail.
        let _ = writeln!(text, "{lesser}|{greater}");
    }
    let out = &arguments.out;
    fs::write(out, text)
        .map_err(|error| Failure::Broken(format!("cannot write {}: {error}", out.display())))?;
    say(&format!(
        "{} links of {paths} paths in {}",
        links.len(),
        out.display()
    ));
    Ok(())
}

/// Links, without those of numbers that no network in the global table may use.
struct Found {
    links: HashSet<[Asn; 2]>,
    bogons: Bogons,
}

impl Default for Found {
    fn default() -> Self {
        Self {
            links: HashSet::new(),
            bogons: Bogons::nlnog(),
        }
    }
}

impl Found {
    /// A path that loops is passed over: who wants somebody to drop a route puts that network's number there.
    fn see(&mut self, path: &AsPath) {
        if path.looping().is_some() {
            return;
        }
        let public = |link: &[Asn; 2]| link.iter().all(|asn| !self.bogons.contains_asn(*asn));
        let links: Vec<_> = path.links().filter(public).collect();
        self.links.extend(links);
    }

    fn sorted(self) -> Vec<(Asn, Asn)> {
        let pairs = self.links.into_iter().map(|[near, far]| (near, far));
        pairs.collect::<LinkList>().sorted()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_written_once_whatever_their_order_and_not_of_paths_that_loop() {
        let mut found = Found::default();
        for path in [
            "3356 1299 6939",
            "6939 1299 1299 3356",
            "174 3356 174",
            "3356 64512 1299",
            "3356 {1299,174}",
        ] {
            found.see(&path.parse().unwrap());
        }
        let expected = [(1_299, 3_356), (1_299, 6_939)];
        assert_eq!(
            found.sorted(),
            expected.map(|(one, other)| (Asn(one), Asn(other)))
        );
    }
}
