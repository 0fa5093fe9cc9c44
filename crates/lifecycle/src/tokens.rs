//! Who may ask: bearer tokens, from a file or the environment, which do not print and are compared in a time that
//! says nothing.

use std::{fmt, io, path::PathBuf};

use serde::Deserialize;

/// Bearer tokens. Both sources count; none = no authentication, loopback only.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Auth {
    /// File with one token per line; empty lines and lines that begin with `#` are left out.
    pub token_file: Option<PathBuf>,
    /// One token, meant for the environment: `WEIR__SERVING_API__AUTH__TOKEN`, `WEIR__LOOKUPS__TOKEN`.
    pub token: Option<Token>,
}

/// Shortest token that is accepted, in bytes.
pub const MIN_TOKEN: usize = 16;

/// A secret that does not print.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct Token(String);

impl Token {
    /// Wraps a secret.
    #[must_use]
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// A secret that nobody else knows.
    #[must_use]
    pub fn random() -> Self {
        Self(format!("{:032x}", rand::random::<u128>()))
    }

    /// The secret, to be sent to who asks for it.
    #[must_use]
    pub fn secret(&self) -> &str {
        &self.0
    }

    /// Compares in a time that depends on the length of `given` alone.
    fn is(&self, given: &[u8]) -> bool {
        let own = self.0.as_bytes();
        let different = given.iter().enumerate().fold(
            u8::from(own.len() != given.len()),
            |different, (i, byte)| different | (byte ^ own.get(i % own.len().max(1)).unwrap_or(&0)),
        );
        std::hint::black_box(different) == 0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

impl Auth {
    /// All tokens, read once at start.
    ///
    /// # Errors
    /// When the file cannot be read or holds none, or a token could be guessed.
    pub fn tokens(&self) -> Result<Vec<Token>, TokensError> {
        let mut tokens: Vec<Token> = self.token.clone().into_iter().collect();
        if let Some(path) = &self.token_file {
            let text = std::fs::read_to_string(path).map_err(|source| TokensError::Unreadable {
                path: path.clone(),
                source,
            })?;
            let lines = text.lines().map(str::trim);
            tokens.extend(
                lines
                    .filter(|line| !line.is_empty() && !line.starts_with('#'))
                    .map(Token::new),
            );
            if tokens.is_empty() {
                return Err(TokensError::None { path: path.clone() });
            }
        }
        if tokens.iter().any(|token| token.0.len() < MIN_TOKEN) {
            return Err(TokensError::Short);
        }
        Ok(tokens)
    }
}

/// Why there are no tokens.
#[derive(Debug, thiserror::Error)]
pub enum TokensError {
    /// The file of tokens cannot be read.
    #[error("cannot read the tokens in {path}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file of tokens is empty.
    #[error("{path} holds no token")]
    None {
        /// The file.
        path: PathBuf,
    },
    /// A token could be guessed.
    #[error("a token is shorter than {MIN_TOKEN} bytes")]
    Short,
}

/// `value` is a scheme and credentials (RFC 9110, 11.4) that carry one of the tokens.
#[must_use]
pub fn is_known(tokens: &[Token], value: &[u8]) -> bool {
    let Some((scheme, credentials)) = std::str::from_utf8(value)
        .ok()
        .and_then(|text| text.split_once(' '))
    else {
        return false;
    };
    let given = match scheme.to_ascii_lowercase().as_str() {
        "bearer" => credentials.as_bytes().to_vec(),
        "basic" => {
            let pair = from_base64(credentials).unwrap_or_default();
            let colon = pair.iter().position(|byte| *byte == b':');
            colon.map_or_else(Vec::new, |colon| {
                pair.get(colon + 1..).unwrap_or_default().to_vec()
            })
        }
        _ => return false,
    };
    // No early exit: the time does not say which token came near.
    tokens
        .iter()
        .fold(false, |known, token| known | token.is(&given))
}

/// RFC 4648, 4.
fn from_base64(text: &str) -> Option<Vec<u8>> {
    let (mut bits, mut count, mut bytes) = (0_u32, 0, Vec::new());
    for byte in text.trim_end_matches('=').bytes() {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(six);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from((bits >> count) & 0xff).ok()?);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_equal_only_to_itself_and_does_not_print() {
        let token = Token::new("correct-horse-battery");
        assert!(token.is(b"correct-horse-battery"));
        for wrong in [
            "",
            "correct",
            "correct-horse-batterx",
            "correct-horse-batteryy",
        ] {
            assert!(!token.is(wrong.as_bytes()), "{wrong}");
        }
        assert!(!format!("{token:?}").contains("horse"));
    }

    #[test]
    fn bearer_and_basic_carry_the_same_token() {
        let tokens = [Token::new("0123456789abcdef")];
        for (value, known) in [
            ("Bearer 0123456789abcdef", true),
            ("bearer 0123456789abcdef", true),
            ("Bearer 0123456789abcdee", false),
            ("Basic bWU6MDEyMzQ1Njc4OWFiY2RlZg==", true),
            ("Basic bWU6", false),
            ("Basic !", false),
            ("0123456789abcdef", false),
        ] {
            assert_eq!(is_known(&tokens, value.as_bytes()), known, "{value}");
        }
    }
}
