//! What the server or the way to it said, sorted: comes back by itself, or wants a person.

use fred::error::{Error, ErrorKind};

use crate::error::OnlineStoreError;

/// Answers of a server that is starting, failing over or overloaded.
const PASSING: [&str; 13] = [
    "LOADING",
    "CLUSTERDOWN",
    "TRYAGAIN",
    "READONLY",
    "MASTERDOWN",
    "MOVED",
    "ASK",
    "BUSY",
    "OOM",
    "MISCONF",
    "NOREPLICAS",
    "ERR max number of clients",
    "NOSCRIPT",
];

/// True when the same command may succeed later.
pub(super) fn is_passing(error: &Error) -> bool {
    let details = error.details();
    if is_denied(error) || is_tls(error) {
        return false;
    }
    PASSING.iter().any(|prefix| details.starts_with(prefix))
        || details.contains("cluster state")
        || matches!(
            error.kind(),
            ErrorKind::IO
                | ErrorKind::Timeout
                | ErrorKind::Canceled
                | ErrorKind::Cluster
                | ErrorKind::Routing
                | ErrorKind::Sentinel
                | ErrorKind::Backpressure
        )
}

/// True when the server we reached has become a replica: time to look for the master.
pub(super) fn is_replica(error: &Error) -> bool {
    error.details().starts_with("READONLY")
}

fn is_denied(error: &Error) -> bool {
    let details = error.details();
    *error.kind() == ErrorKind::Auth
        || ["WRONGPASS", "NOAUTH", "NOPERM", "ERR AUTH"]
            .iter()
            .any(|prefix| details.starts_with(prefix))
}

/// rustls reports through `std::io`, with kind InvalidData.
fn is_tls(error: &Error) -> bool {
    *error.kind() == ErrorKind::Tls || error.details().contains("kind: InvalidData")
}

/// `what` = what was being done, `place` = where.
pub(super) fn explain(error: &Error, place: &str, what: &'static str) -> OnlineStoreError {
    let (place, reason) = (place.to_owned(), reason(error));
    if is_denied(error) {
        OnlineStoreError::Denied {
            place,
            what,
            reason,
        }
    } else if is_tls(error) {
        OnlineStoreError::Tls { place, reason }
    } else if is_passing(error) {
        OnlineStoreError::Away {
            place,
            what,
            reason,
        }
    } else {
        OnlineStoreError::Refused {
            place,
            what,
            reason,
        }
    }
}

/// For what rustls tells in seconds since 1970.
const EXPIRED: &str = "the server's certificate has expired";

/// The driver prints system errors as code: only their sentence is of use.
fn reason(error: &Error) -> String {
    let details = error.details();
    let between = |from: &str, to: &str| {
        let (_, rest) = details.split_once(from)?;
        Some(rest.split_once(to)?.0.to_owned())
    };
    between("message: \"", "\"")
        .or_else(|| details.contains("Expired").then(|| EXPIRED.to_owned()))
        .or_else(|| between("kind: InvalidData, error: ", " }"))
        .or_else(|| between("error: \"", "\""))
        .unwrap_or_else(|| details.to_owned())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(ErrorKind::Unknown, "LOADING Redis is loading the dataset in memory")]
    #[case(ErrorKind::Cluster, "CLUSTERDOWN The cluster is down")]
    #[case(ErrorKind::Unknown, "TRYAGAIN Multiple keys request during rehashing")]
    #[case(
        ErrorKind::Unknown,
        "READONLY You can't write against a read only replica."
    )]
    #[case(ErrorKind::Unknown, "MASTERDOWN Link with MASTER is down")]
    #[case(
        ErrorKind::IO,
        "Os { code: 111, kind: ConnectionRefused, message: \"refused\" }"
    )]
    #[case(ErrorKind::Timeout, "Request timed out.")]
    #[case(
        ErrorKind::Unknown,
        "OOM command not allowed when used memory > 'maxmemory'."
    )]
    fn what_passes_is_transient(#[case] kind: ErrorKind, #[case] details: &str) {
        let error = explain(&Error::new(kind, details.to_owned()), "here", "write");
        assert!(error.is_transient(), "{error}");
    }

    #[rstest]
    #[case(
        ErrorKind::Auth,
        "WRONGPASS invalid username-password pair or user is disabled."
    )]
    #[case(ErrorKind::Auth, "NOAUTH Authentication required.")]
    #[case(ErrorKind::Sentinel, "NOAUTH Authentication required.")]
    #[case(
        ErrorKind::Unknown,
        "NOPERM this user has no permissions to run 'eval'"
    )]
    #[case(
        ErrorKind::IO,
        "Custom { kind: InvalidData, error: InvalidCertificate(Expired) }"
    )]
    #[case(ErrorKind::InvalidArgument, "WRONGTYPE Operation against a key")]
    fn what_wants_a_person_is_not(#[case] kind: ErrorKind, #[case] details: &str) {
        let error = explain(&Error::new(kind, details.to_owned()), "here", "write");
        assert!(!error.is_transient(), "{error}");
    }
}
