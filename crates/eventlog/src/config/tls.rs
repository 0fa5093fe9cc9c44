//! Certificates and their key, each from a file or as text (PEM).

use std::path::Path;

use secrecy::{ExposeSecret as _, SecretString};

use super::{LogConfig, wrong};
use crate::LogError;

/// One of the three things that TLS is set up with. At most one of `file` and `text` is set.
pub(crate) struct Part<'a> {
    /// The names of its two settings.
    keys: (&'static str, &'static str),
    pub(crate) file: Option<&'a Path>,
    pub(crate) text: Option<&'a SecretString>,
}

impl Part<'_> {
    /// The setting that sets it, by the name of the client: `ssl.ca.location`.
    pub(crate) fn property(&self) -> Option<String> {
        Some(self.key()?.replace('_', "."))
    }

    /// The setting that sets it.
    pub(super) fn key(&self) -> Option<&'static str> {
        let (file, text) = self.keys;
        (self.file.map(|_| file)).or(self.text.map(|_| text))
    }

    /// Refuses what is set twice, a file that cannot be read, a text that is no PEM.
    pub(super) fn check(&self) -> Result<(), LogError> {
        let (file_key, text_key) = self.keys;
        if self.file.is_some() && self.text.is_some() {
            let what = format!("is set, and so is {text_key}: set one of them");
            return Err(wrong(file_key, what));
        }
        if let Some(file) = self.file
            && let Err(error) = std::fs::read(file)
        {
            let what = format!("cannot read {}: {error}", file.display());
            return Err(wrong(file_key, what));
        }
        if let Some(text) = self.text
            && !text.expose_secret().trim_start().starts_with("-----BEGIN ")
        {
            let what = format!("is no PEM: it begins with -----BEGIN; a file goes to {file_key}");
            return Err(wrong(text_key, what));
        }
        Ok(())
    }
}

impl LogConfig {
    /// Who may vouch for a broker, our certificate, its key.
    pub(crate) fn tls(&self) -> [Part<'_>; 3] {
        [
            Part {
                keys: ("ssl_ca_location", "ssl_ca_pem"),
                file: self.ssl_ca_location.as_deref(),
                text: self.ssl_ca_pem.as_ref(),
            },
            Part {
                keys: ("ssl_certificate_location", "ssl_certificate_pem"),
                file: self.ssl_certificate_location.as_deref(),
                text: self.ssl_certificate_pem.as_ref(),
            },
            Part {
                keys: ("ssl_key_location", "ssl_key_pem"),
                file: self.ssl_key_location.as_deref(),
                text: self.ssl_key_pem.as_ref(),
            },
        ]
    }
}
