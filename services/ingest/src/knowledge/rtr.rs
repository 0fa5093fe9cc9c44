//! VRPs and ASPAs from the caches of relying parties, by RTR (`weir_routing::rtr`): kept connected to the first that
//! answers, and brought as a changed file is, at most once in so many seconds.
//!
//! The age of what is brought is the time of the cache's last End of Data. While no cache answers it grows, and
//! whoever judges by it goes by that. In the clear: RTR belongs on loopback, or into a tunnel.

mod conversation;

use std::{io, net::IpAddr, path::PathBuf, sync::Arc, time::Duration};

use tokio::{
    runtime::Runtime,
    sync::watch,
    time::{self, Instant},
};
use weir_lifecycle::Stop;
use weir_routing::{knowledge::Kind, rtr::Session};

use super::Brought;
use crate::config;
use conversation::Conversation;

/// Why no cache can be asked.
#[derive(Debug, thiserror::Error)]
pub enum RtrError {
    /// No address of a cache.
    #[error("[ingest.knowledge] rtr: \"{given}\" is no cache, expected host:port")]
    Address {
        /// What was given.
        given: String,
    },
    /// What it says would travel in the clear.
    #[error(
        "[ingest.knowledge] rtr: {server} is not on loopback, and RTR has no protection of its own: lead it through \
         a tunnel, or set rtr_plaintext = true"
    )]
    OffLoopback {
        /// Its address.
        server: String,
    },
    /// The same kind from two sides.
    #[error(
        "[ingest.knowledge] names both rtr and the file {path} for {what}, expected one of them"
    )]
    Twice {
        /// Kind of knowledge.
        what: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// The operating system refused a runtime.
    #[error("cannot start a runtime: {0}")]
    Runtime(#[from] io::Error),
}

/// What a cache has told, as files would have it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Load {
    vrps: Vec<u8>,
    /// `None` = it speaks a version without them.
    aspas: Option<Vec<u8>>,
    /// When it was last said to be all: microseconds since the Unix epoch.
    as_of_us: i64,
}

impl Load {
    fn of(session: &Session, as_of_us: i64) -> Self {
        let records = session.records();
        Self {
            vrps: records.vrps_json(),
            aspas: session.has_aspas().then(|| records.aspas_json()),
            as_of_us,
        }
    }
}

/// What was told last, and how much of it was brought.
#[derive(Default)]
pub(super) struct Told {
    pub(super) load: Option<Arc<Load>>,
    vrps: Brought,
    aspas: Brought,
}

impl Told {
    /// What a cache tells.
    pub(super) const KINDS: [Kind; 2] = [Kind::Vrps, Kind::Aspas];

    /// The content of a kind with its age, when it is not brought yet, or so long ago that a log may have forgotten
    /// it.
    pub(super) fn due(&mut self, kind: Kind) -> Option<(&[u8], i64, &mut Brought)> {
        let load = self.load.as_deref()?;
        let (content, brought) = match kind {
            Kind::Vrps => (&load.vrps, &mut self.vrps),
            Kind::Aspas => (load.aspas.as_ref()?, &mut self.aspas),
            _ => return None,
        };
        let is_brought = brought.last.is_some_and(|(_, at)| at == load.as_of_us);
        (!is_brought || brought.is_old()).then_some((content, load.as_of_us, brought))
    }
}

/// The caches that the settings name.
pub(super) struct Caches {
    runtime: Runtime,
    /// In order of preference.
    servers: Vec<String>,
    /// Between two loads.
    every: Duration,
}

impl Caches {
    /// `None` = there are none.
    pub(super) fn named(config: &config::Knowledge) -> Result<Option<Self>, RtrError> {
        let Some(named) = &config.rtr else {
            return Ok(None);
        };
        for kind in Told::KINDS {
            if let Some(path) = config.file(kind) {
                let (what, path) = (kind.name(), path.clone());
                return Err(RtrError::Twice { what, path });
            }
        }
        let servers = named.split(',').map(str::trim);
        let servers = servers.map(|server| checked(server, config.rtr_plaintext));
        Ok(Some(Self {
            servers: servers.collect::<Result<_, _>>()?,
            every: Duration::from_secs(config.rtr_seconds),
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?,
        }))
    }

    /// Until told to stop: gives what is told, and nothing each time that `every` has passed.
    pub(super) fn listen(
        self,
        every: Duration,
        stop: &Stop,
        mut give: impl FnMut(Option<Arc<Load>>),
    ) {
        let (sender, mut loads) = watch::channel(None);
        let conversation = Conversation::new(self.servers, self.every, sender);
        self.runtime.spawn(conversation.hold());
        let mut look = Instant::now() + every;
        loop {
            // What is given may wait for a store, so it is given outside the runtime.
            let next = self.runtime.block_on(async {
                tokio::select! {
                    () = stop.wait_async() => None,
                    () = time::sleep_until(look) => Some(None),
                    Ok(()) = loads.changed() => Some(loads.borrow_and_update().clone()),
                }
            });
            match next {
                None => break,
                Some(None) => {
                    look = Instant::now() + every;
                    give(None);
                }
                Some(load) => give(load),
            }
        }
        // A name that is being looked up is not waited for.
        self.runtime.shutdown_background();
    }
}

/// `host:port`, which may be asked.
fn checked(server: &str, plaintext: bool) -> Result<String, RtrError> {
    let given = || server.to_owned();
    let split = server.rsplit_once(':');
    let has_port = |port: &str| port.parse::<u16>().is_ok_and(|port| port > 0);
    let (host, _) = split
        .filter(|(host, port)| !host.is_empty() && has_port(port))
        .ok_or_else(|| RtrError::Address { given: given() })?;
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    if bare.is_none() && host.contains(':') {
        return Err(RtrError::Address { given: given() });
    }
    let address = bare.unwrap_or(host).parse::<IpAddr>();
    let is_loopback = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
    if !is_loopback && !plaintext {
        return Err(RtrError::OffLoopback { server: given() });
    }
    Ok(given())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn named(rtr: &str, plaintext: bool) -> Result<Vec<String>, String> {
        let config = config::Knowledge {
            rtr: Some(rtr.to_owned()),
            rtr_plaintext: plaintext,
            ..config::Knowledge::default()
        };
        let caches = Caches::named(&config).map_err(|error| error.to_string())?;
        Ok(caches.unwrap().servers)
    }

    #[test]
    fn caches_are_named_in_order_with_commas_between_them() {
        for (text, servers) in [
            ("127.0.0.1:3323", vec!["127.0.0.1:3323"]),
            (
                "localhost:323, [::1]:8282",
                vec!["localhost:323", "[::1]:8282"],
            ),
        ] {
            assert_eq!(named(text, false).unwrap(), servers);
        }
        let off = named("rtr.example.net:323,192.0.2.1:323", true).unwrap();
        assert_eq!(off, ["rtr.example.net:323", "192.0.2.1:323"]);
    }

    #[test]
    fn what_is_no_address_or_in_the_clear_is_refused_by_name() {
        for (text, plaintext, why) in [
            ("", true, "\"\" is no cache, expected host:port"),
            ("localhost", true, "\"localhost\" is no cache"),
            ("localhost:0", true, "\"localhost:0\" is no cache"),
            (":323", true, "\":323\" is no cache"),
            ("::1:323", true, "\"::1:323\" is no cache"),
            ("localhost:323,", true, "\"\" is no cache"),
            ("192.0.2.1:323", false, "192.0.2.1:323 is not on loopback"),
            (
                "localhost:323,rtr.example.net:323",
                false,
                "rtr.example.net:323 is not",
            ),
        ] {
            let error = named(text, plaintext).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn a_file_and_a_cache_for_the_same_kind_are_refused() {
        let config = config::Knowledge {
            rtr: Some("localhost:323".to_owned()),
            aspas: Some("aspas.json".into()),
            ..config::Knowledge::default()
        };
        let error = Caches::named(&config).err().unwrap().to_string();
        assert!(
            error.contains("both rtr and the file aspas.json for aspas"),
            "{error}"
        );
    }

    #[test]
    fn a_stop_does_not_wait_for_a_name_that_is_being_looked_up() {
        let config = config::Knowledge {
            rtr: Some("localhost:323".to_owned()),
            ..config::Knowledge::default()
        };
        let caches = Caches::named(&config).unwrap().unwrap();
        let (found, finding) = mpsc::channel::<()>();
        let (tell, stopped) = mpsc::channel();
        // So does tokio look up names.
        caches.runtime.spawn_blocking(move || finding.recv());
        let stop = Stop::new();
        stop.set();
        std::thread::spawn(move || {
            caches.listen(Duration::from_secs(1), &stop, |_| {});
            let _ = tell.send(());
        });
        assert_eq!(stopped.recv_timeout(Duration::from_secs(30)), Ok(()));
        drop(found);
    }

    #[test]
    fn what_was_told_is_due_until_it_is_brought_and_never_what_was_not() {
        let load = |as_of_us, aspas: Option<&[u8]>| Load {
            vrps: b"v".to_vec(),
            aspas: aspas.map(<[u8]>::to_vec),
            as_of_us,
        };
        let mut told = Told::default();
        assert!(told.due(Kind::Vrps).is_none());
        told.load = Some(Arc::new(load(7, None)));
        assert!(told.due(Kind::Aspas).is_none());
        let (content, as_of_us, brought) = told.due(Kind::Vrps).unwrap();
        assert_eq!((content, as_of_us), (&b"v"[..], 7));
        brought.last = Some(([0; 32], 7));
        assert!(told.due(Kind::Vrps).is_none());
        // The same, said again later, is younger.
        told.load = Some(Arc::new(load(8, Some(b"a"))));
        assert!(told.due(Kind::Vrps).is_some() && told.due(Kind::Aspas).is_some());
    }
}
