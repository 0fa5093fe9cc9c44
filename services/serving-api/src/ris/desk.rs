//! Who is here, counted, and whether the log is read for them: one value that changes at once, so
//! that nobody enters while the reader goes to rest.

use std::{collections::HashMap, net::IpAddr};

use axum::http::StatusCode;

use crate::{config, problem::Problem};

/// What the reader does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// There is no log.
    Never,
    Not,
    Now,
}

pub(super) struct Desk {
    pub(super) reading: Reading,
    clients: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// Why a client may not come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    NoLog,
    Full,
    FullForAddress,
}

impl Desk {
    pub(super) fn new(reading: Reading) -> Self {
        Self {
            reading,
            clients: 0,
            by_address: HashMap::new(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.clients == 0
    }

    pub(super) fn enter(&mut self, address: IpAddr, config: &config::Ris) -> Result<(), Refused> {
        if self.reading == Reading::Never {
            return Err(Refused::NoLog);
        }
        if self.clients >= config.clients {
            return Err(Refused::Full);
        }
        let here = self.by_address.get(&address).copied().unwrap_or(0);
        if here >= config.clients_per_address {
            return Err(Refused::FullForAddress);
        }
        self.by_address.insert(address, here + 1);
        self.clients += 1;
        Ok(())
    }

    pub(super) fn leave(&mut self, address: IpAddr) {
        self.clients -= 1;
        if let Some(here) = self.by_address.get_mut(&address) {
            *here -= 1;
            if *here == 0 {
                self.by_address.remove(&address);
            }
        }
    }
}

impl Refused {
    pub(super) fn problem(self, address: IpAddr) -> Problem {
        let (reason, detail) = match self {
            Self::NoLog => ("log", "there is no log to follow here".to_owned()),
            Self::Full => ("clients", "too many clients follow the stream".to_owned()),
            Self::FullForAddress => (
                "address",
                format!("too many clients of {address} follow the stream"),
            ),
        };
        metrics::counter!("weir_ris_refused_total", "reason" => reason).increment(1);
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seats_are_counted_in_all_and_by_address() {
        let config = config::Ris {
            clients: 3,
            clients_per_address: 2,
            ..config::Ris::default()
        };
        let [one, other] = [[192, 0, 2, 1], [192, 0, 2, 2]].map(IpAddr::from);
        let mut desk = Desk::new(Reading::Not);
        assert_eq!(desk.enter(one, &config), Ok(()));
        assert_eq!(desk.enter(one, &config), Ok(()));
        assert_eq!(desk.enter(one, &config), Err(Refused::FullForAddress));
        assert_eq!(desk.enter(other, &config), Ok(()));
        assert_eq!(desk.enter(other, &config), Err(Refused::Full));
        desk.leave(one);
        assert_eq!(desk.enter(one, &config), Ok(()));
        for address in [one, one, other] {
            desk.leave(address);
        }
        assert!(desk.is_empty() && desk.by_address.is_empty());
        let mut desk = Desk::new(Reading::Never);
        assert_eq!(desk.enter(one, &config), Err(Refused::NoLog));
    }
}
