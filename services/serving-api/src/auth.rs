//! Who may ask: bearer tokens, and the same tokens as the password of HTTP Basic so that a browser
//! can show the page. Probes are open, everything else is not.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use weir_lifecycle::tokens::{Token, is_known};

use crate::problem::Problem;

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
