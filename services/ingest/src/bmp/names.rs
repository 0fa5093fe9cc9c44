//! Who may connect, and what the collector of a router is called.

use std::net::IpAddr;

use rustc_hash::{FxHashMap, FxHashSet};

use super::BmpError;
use crate::{config::Bmp, live};

/// The routers of the settings, by address.
#[derive(Debug)]
pub(super) struct Names {
    listed: FxHashMap<IpAddr, Option<String>>,
}

impl Names {
    pub(super) fn new(config: &Bmp) -> Result<Self, BmpError> {
        if config.routers.is_empty() && !config.listen.ip().is_loopback() {
            let listen = config.listen;
            return Err(BmpError::OpenToAll { listen });
        }
        let mut listed = FxHashMap::default();
        let mut names = FxHashSet::default();
        for router in &config.routers {
            let address = router.address.to_canonical();
            if let Some(name) = &router.name {
                if !live::is_collector(name) {
                    let name = name.clone();
                    return Err(BmpError::Name { address, name });
                }
                if !names.insert(name.as_str()) {
                    let what = name.clone();
                    return Err(BmpError::Twice { what });
                }
            }
            if listed.insert(address, router.name.clone()).is_some() {
                let what = address.to_string();
                return Err(BmpError::Twice { what });
            }
        }
        Ok(Self { listed })
    }

    /// True when this address may connect.
    pub(super) fn admits(config: &Bmp, address: IpAddr) -> bool {
        let mut listed = config.routers.iter();
        config.routers.is_empty() || listed.any(|router| router.address.to_canonical() == address)
    }

    /// The collector of a router: as the settings have it, else as it calls itself.
    pub(super) fn of(&self, address: IpAddr, system: Option<&str>) -> String {
        if let Some(Some(name)) = self.listed.get(&address) {
            return name.clone();
        }
        own(address, system)
    }
}

/// The collector of a router that nobody has given a name: as it calls itself, else by its address.
pub(crate) fn own(address: IpAddr, system: Option<&str>) -> String {
    let told = system.map(clean).filter(|name| !name.is_empty());
    format!(
        "bmp-{}",
        told.unwrap_or_else(|| clean(&address.to_string()))
    )
}

/// A name as a collector may have it; empty when nothing of it is left.
fn clean(name: &str) -> String {
    let most = live::LONGEST_NAME - "bmp-".len();
    let name = name.trim().chars().take(most);
    let clean: String = name
        .map(|c| if live::is_of_names(c) { c } else { '-' })
        .collect();
    clean.trim_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Router;

    fn config(listen: &str, routers: &[(&str, Option<&str>)]) -> Bmp {
        Bmp {
            listen: listen.parse().unwrap(),
            routers: routers
                .iter()
                .map(|(address, name)| Router {
                    address: address.parse().unwrap(),
                    name: name.map(str::to_owned),
                })
                .collect(),
            ..Bmp::default()
        }
    }

    #[test]
    fn a_router_is_called_by_the_settings_then_by_itself_then_by_its_address() {
        let routers = [("192.0.2.1", Some("edge1")), ("192.0.2.2", None)];
        let names = Names::new(&config("0.0.0.0:1790", &routers)).unwrap();
        let of = |address: &str, system| names.of(address.parse().unwrap(), system);
        assert_eq!(of("192.0.2.1", Some("other")), "edge1");
        assert_eq!(of("192.0.2.2", Some("core 2/a\u{e9}")), "bmp-core-2-a");
        assert_eq!(of("192.0.2.2", Some(" ? ")), "bmp-192.0.2.2");
        assert_eq!(of("2001:db8::1", None), "bmp-2001-db8--1");
        assert_eq!(of("192.0.2.2", Some(&"x".repeat(500))).len(), 64);
    }

    #[test]
    fn off_loopback_the_routers_must_be_listed() {
        let error = Names::new(&config("0.0.0.0:1790", &[])).unwrap_err();
        assert!(
            error.to_string().contains("routers = [{ address ="),
            "{error}"
        );
        Names::new(&config("[::1]:1790", &[])).unwrap();
        let listed = config("0.0.0.0:1790", &[("192.0.2.1", None)]);
        Names::new(&listed).unwrap();
        let admits = |address: &str| Names::admits(&listed, address.parse().unwrap());
        assert!(admits("192.0.2.1") && !admits("192.0.2.2"));
    }

    #[test]
    fn names_that_say_nothing_and_names_twice_are_refused() {
        for name in ["", "_control", "a b", "ä", &"x".repeat(65)] {
            let one = config("127.0.0.1:0", &[("192.0.2.1", Some(name))]);
            assert!(
                matches!(Names::new(&one), Err(BmpError::Name { .. })),
                "{name}"
            );
        }
        let twice = [
            [("192.0.2.1", Some("a")), ("192.0.2.2", Some("a"))],
            [("192.0.2.1", None), ("::ffff:192.0.2.1", None)],
        ];
        for routers in twice {
            let config = config("127.0.0.1:0", &routers);
            assert!(matches!(Names::new(&config), Err(BmpError::Twice { .. })));
        }
    }
}
