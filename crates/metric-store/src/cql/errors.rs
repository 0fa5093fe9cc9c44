//! What the driver's errors mean: away for now, or refused.

use std::sync::Arc;

use scylla::errors::{
    ConnectionError, ConnectionPoolError, ConnectionSetupRequestErrorKind, DbError, ExecutionError,
    MetadataError, MetadataFetchErrorKind, NewSessionError, PrepareError, RequestAttemptError,
    RequestError,
};

use crate::MetricStoreError;

/// What to do about a refusal; none = it may pass.
type Next = Option<&'static str>;

const LOGIN: &str = "check username and password (password_file) of [metric_store]";
const RIGHTS: &str = "grant this user MODIFY and SELECT on the keyspace, and CREATE for migrations";
const TLS: &str =
    "check ca_file, and that the node's certificate names its IP address and has not expired";
pub(super) const STATEMENT: &str = "its tables are not as `weir migrate` made them: put back what was \
    changed, or name an empty keyspace in url of [metric_store], migrate and replay";
const ADDRESS: &str = "check the hosts in the URL";
const FORMAT: &str = "check that the port is the CQL port, with TLS on both sides or on none";

/// A driver's error that can be judged.
pub(super) trait Judged: std::error::Error {
    fn next(&self) -> Next;
}

/// Makes our error of the driver's.
pub(super) fn failed<E: Judged>(what: &'static str, hosts: &str) -> impl Fn(E) -> MetricStoreError {
    let hosts = hosts.to_owned();
    move |error| {
        let (hosts, reason) = (hosts.clone(), innermost(&error.to_string()));
        match error.next() {
            None => MetricStoreError::Away {
                what,
                hosts,
                reason,
            },
            Some(next) => MetricStoreError::Refused {
                what,
                hosts,
                reason,
                next,
            },
        }
    }
}

/// The driver tells its way through its own parts first.
fn innermost(reason: &str) -> String {
    const BEFORE: [&str; 2] = ["Last connection failed with: ", "Error message: "];
    let mut rest = reason;
    for mark in BEFORE {
        rest = rest.split_once(mark).map_or(rest, |(_, cause)| cause);
    }
    rest.trim_end_matches(':').to_owned()
}

fn database(error: &DbError) -> Next {
    match error {
        DbError::AuthenticationError => Some(LOGIN),
        DbError::Unauthorized => Some(RIGHTS),
        DbError::ProtocolError => Some(FORMAT),
        DbError::SyntaxError
        | DbError::Invalid
        | DbError::ConfigError
        | DbError::AlreadyExists { .. }
        | DbError::FunctionFailure { .. } => Some(STATEMENT),
        _ => None,
    }
}

impl Judged for RequestAttemptError {
    fn next(&self) -> Next {
        match self {
            Self::DbError(error, _) => database(error),
            Self::BrokenConnectionError(_)
            | Self::UnableToAllocStreamId
            | Self::RepreparedIdChanged { .. }
            | Self::RepreparedIdMissingInBatch => None,
            _ => Some(STATEMENT),
        }
    }
}

impl Judged for RequestError {
    fn next(&self) -> Next {
        match self {
            Self::ConnectionPoolError(error) => error.next(),
            Self::LastAttemptError(error) => error.next(),
            _ => None,
        }
    }
}

impl Judged for PrepareError {
    fn next(&self) -> Next {
        match self {
            Self::ConnectionPoolError(error) => error.next(),
            Self::AllAttemptsFailed { first_attempt } => first_attempt.next(),
            _ => None,
        }
    }
}

impl Judged for ExecutionError {
    fn next(&self) -> Next {
        match self {
            Self::BadQuery(_) => Some(STATEMENT),
            Self::PrepareError(error) => error.next(),
            Self::ConnectionPoolError(error) => error.next(),
            Self::LastAttemptError(error) => error.next(),
            Self::MetadataError(error) => error.next(),
            _ => None,
        }
    }
}

impl Judged for MetadataError {
    fn next(&self) -> Next {
        match self {
            Self::ConnectionPoolError(error) => error.next(),
            Self::FetchError(error) => match &error.error {
                MetadataFetchErrorKind::PrepareError(error) => error.next(),
                _ => None,
            },
            _ => None,
        }
    }
}

impl Judged for NewSessionError {
    fn next(&self) -> Next {
        match self {
            Self::FailedToResolveAnyHostname(_) => None,
            Self::MetadataError(error) => error.next(),
            Self::EmptyKnownNodesList | Self::IllegalConfig(_) => Some(ADDRESS),
            _ => None,
        }
    }
}

impl Judged for ConnectionPoolError {
    fn next(&self) -> Next {
        match self {
            Self::Broken {
                last_connection_error,
            } => last_connection_error.next(),
            _ => None,
        }
    }
}

impl Judged for ConnectionError {
    fn next(&self) -> Next {
        match self {
            Self::IoError(error) => tls(error),
            Self::ConnectionSetupRequestError(error) => match error.get_error() {
                ConnectionSetupRequestErrorKind::DbError(error, _) => database(error),
                ConnectionSetupRequestErrorKind::MissingAuthentication
                | ConnectionSetupRequestErrorKind::StartAuthSessionError(_)
                | ConnectionSetupRequestErrorKind::AuthChallengeEvaluationError(_)
                | ConnectionSetupRequestErrorKind::AuthFinishError(_) => Some(LOGIN),
                ConnectionSetupRequestErrorKind::BrokenConnection(_) => None,
                _ => Some(FORMAT),
            },
            _ => None,
        }
    }
}

/// A handshake that failed over a certificate will fail again.
fn tls(error: &Arc<std::io::Error>) -> Next {
    let text = error.to_string();
    (text.contains("certificate") || text.contains("SSL routines")).then_some(TLS)
}
