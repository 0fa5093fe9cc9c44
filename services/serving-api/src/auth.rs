//! Who may ask: bearer tokens, and the same tokens as the password of HTTP Basic so that a browser
//! can show the page. Probes are open, everything else is not.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::{config::Token, problem::Problem};

const OPEN: [&str; 3] = ["/livez", "/readyz", "/healthz"];

pub(crate) async fn require(
    State(tokens): State<Arc<[Token]>>,
    request: Request,
    next: Next,
) -> Response {
    if tokens.is_empty() || OPEN.contains(&request.uri().path()) {
        return next.run(request).await;
    }
    let given = request.headers().get(header::AUTHORIZATION);
    if given.is_some_and(|value| is_known(&tokens, value.as_bytes())) {
        return next.run(request).await;
    }
    let mut answer = Problem::new(
        StatusCode::UNAUTHORIZED,
        "send `Authorization: Bearer <token>` (a browser: any name, the token as password)",
    )
    .into_response();
    let challenge = HeaderValue::from_static(r#"Bearer realm="weir", Basic realm="weir""#);
    answer
        .headers_mut()
        .insert(header::WWW_AUTHENTICATE, challenge);
    answer
}

/// `value` is a scheme and credentials (RFC 9110, 11.4) that carry one of the tokens.
pub(crate) fn is_known(tokens: &[Token], value: &[u8]) -> bool {
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
