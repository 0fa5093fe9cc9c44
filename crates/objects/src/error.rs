//! Why objects could not be read or written, and whether it may pass.

use std::error::Error;

use object_store::client::{HttpError, HttpErrorKind};

/// Longest part of an answer that an error shows.
const SHOWN: usize = 300;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum ObjectsError {
    /// A setting cannot work.
    #[error("objects: `{setting}` {reason}")]
    Setting {
        /// Which.
        setting: &'static str,
        /// What is wrong with it, and what would be right.
        reason: String,
    },
    /// The folder cannot be made, or no thread can be started for it.
    #[error("objects: cannot use {folder}: {source}")]
    Folder {
        /// Where.
        folder: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// There is no object of that name, or no such bucket.
    #[error("objects: {place} cannot {doing}: {reason}")]
    Missing {
        /// The folder, or the bucket and its endpoint.
        place: String,
        /// What was asked.
        doing: String,
        /// In its words.
        reason: String,
    },
    /// It knows our key and does not let us, or does not know it, or the secret is wrong.
    #[error(
        "objects: {place} will not {doing}: {reason}; check access_key_id, secret_access_key and the rights of that key"
    )]
    Refused {
        /// The bucket and its endpoint, or the folder.
        place: String,
        /// What was asked.
        doing: String,
        /// In its words.
        reason: String,
    },
    /// The endpoint's certificate is not to be trusted.
    #[error(
        "objects: {place} cannot {doing}: {reason}; check ca_file, the host name in endpoint and the dates of its certificate"
    )]
    Certificate {
        /// The bucket and its endpoint.
        place: String,
        /// What was asked.
        doing: String,
        /// What is wrong with it.
        reason: String,
    },
    /// It did not answer, or is too busy: time heals it.
    #[error(
        "objects: {place} could not {doing}: {reason}; does it run there, has it room? it is tried \
         again"
    )]
    Away {
        /// The bucket and its endpoint, or the folder.
        place: String,
        /// What was asked.
        doing: String,
        /// What happened.
        reason: String,
    },
    /// Anything else.
    #[error("objects: {place} cannot {doing}: {reason}")]
    Failed {
        /// The bucket and its endpoint, or the folder.
        place: String,
        /// What was asked.
        doing: String,
        /// In its words.
        reason: String,
    },
}

impl ObjectsError {
    /// True when the same call may succeed later: no answer, overload, a full disk.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Away { .. } | Self::Folder { .. })
    }

    pub(crate) fn of(place: &str, doing: &str, error: object_store::Error) -> Self {
        use object_store::Error as E;
        let (place, doing) = (place.to_owned(), doing.to_owned());
        let reason = reason(&error);
        match &error {
            _ if reason.contains("NoSuchBucket") => Self::Failed {
                place,
                doing,
                reason: format!("{reason}; make the bucket, or name another in url"),
            },
            E::NotFound { .. } => Self::Missing {
                place,
                doing,
                reason,
            },
            // A refused list comes as any other failure.
            _ if matches!(
                error,
                E::PermissionDenied { .. } | E::Unauthenticated { .. }
            ) || ["401 ", "403 "]
                .iter()
                .any(|status| reason.starts_with(status)) =>
            {
                Self::Refused {
                    place,
                    doing,
                    reason,
                }
            }
            E::Generic { .. } if reason.contains("certificate") => Self::Certificate {
                place,
                doing,
                reason,
            },
            E::Generic { .. } if may_pass(&error) => Self::Away {
                place,
                doing,
                reason,
            },
            _ => Self::Failed {
                place,
                doing,
                reason,
            },
        }
    }
}

fn chain<'a>(error: &'a object_store::Error) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    let first: &'a (dyn Error + 'static) = error;
    std::iter::successors(Some(first), |error: &&'a (dyn Error + 'static)| {
        Error::source(*error)
    })
}

/// What stands before the status of an answer; the driver keeps the number to itself.
const STATUS: &str = "non-2xx status code: ";
/// What stands before an error that came as a success.
const ANSWER: &str = "error response: ";

/// An I/O error of a folder may be a full disk; of an endpoint, see its status or the connection.
fn may_pass(error: &object_store::Error) -> bool {
    let text = error.to_string();
    if let Some((_, status)) = text.split_once(STATUS) {
        return status.starts_with('5')
            || ["408", "429"].iter().any(|busy| status.starts_with(busy));
    }
    text.contains(ANSWER)
        || chain(error).any(|cause| match cause.downcast_ref::<HttpError>() {
            Some(http) => http.kind() != HttpErrorKind::Decode,
            None => cause.is::<std::io::Error>(),
        })
}

/// The answer's own status, code and message where there is one, else the innermost cause; one line.
fn reason(error: &object_store::Error) -> String {
    let text = error.to_string();
    let answer = [STATUS, ANSWER]
        .iter()
        .find_map(|mark| text.split_once(mark))
        .map(|(_, answer)| {
            let said = ["Code", "Message"].map(|tag| element(answer, tag).unwrap_or_default());
            let plain = answer.split('<').next().unwrap_or_default();
            format!("{plain} {}", said.join(" "))
        });
    let reason = answer.unwrap_or_else(|| {
        let innermost = chain(error).last();
        innermost.map_or_else(|| text.clone(), ToString::to_string)
    });
    let line = reason.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().take(SHOWN).collect()
}

/// Text of the first `<tag>` of an XML answer.
fn element<'a>(body: &'a str, tag: &str) -> Option<&'a str> {
    let (_, rest) = body.split_once(&format!("<{tag}>"))?;
    rest.split_once(&format!("</{tag}>")).map(|(text, _)| text)
}
