//! The desk behind gRPC, for the admin port. The admin paths need no login, this does where tokens are set.

use std::{net::SocketAddr, str::FromStr, sync::Arc};

use tonic::{
    Request, Response, Status,
    service::{Interceptor, Routes, interceptor::InterceptedService},
};
use weir_lifecycle::{
    admin::Router,
    tokens::{self, Token},
};
use weir_routing::{Asn, Prefix};

use crate::{
    desk::{Answer, Desk, Question, Unanswered},
    v1::{
        LookUpAsnRequest, LookUpAsnResponse, LookUpPrefixRequest, LookUpPrefixResponse,
        lookups_server::{Lookups, LookupsServer},
    },
};

/// Longest question, in bytes: a prefix and two numbers.
const QUESTION_BYTES: usize = 1024;

/// True when questions may be asked at this address: off loopback nobody is answered without a token.
#[must_use]
pub fn may_answer(address: SocketAddr, tokens: &[Token]) -> bool {
    address.ip().is_loopback() || !tokens.is_empty()
}

/// The routes of a desk.
pub fn routes(desk: Desk, tokens: Arc<[Token]>) -> Router {
    let lookups = LookupsServer::new(Counter { desk }).max_decoding_message_size(QUESTION_BYTES);
    let lookups = InterceptedService::new(lookups, Authorize { tokens });
    // What is no look-up is not found: the port has other paths, which are no gRPC.
    Routes::new(lookups).into_axum_router().reset_fallback()
}

/// Asks for a bearer token in the metadata `authorization`.
#[derive(Clone)]
struct Authorize {
    tokens: Arc<[Token]>,
}

impl Interceptor for Authorize {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        let given = request.metadata().get("authorization");
        let known =
            given.is_some_and(|value| tokens::is_known(&self.tokens, value.as_encoded_bytes()));
        if self.tokens.is_empty() || known {
            Ok(request)
        } else {
            Err(Status::unauthenticated(
                "send the metadata `authorization: Bearer <token>` with a token of [lookups]",
            ))
        }
    }
}

struct Counter {
    desk: Desk,
}

#[tonic::async_trait]
impl Lookups for Counter {
    async fn look_up_prefix(
        &self,
        request: Request<LookUpPrefixRequest>,
    ) -> Result<Response<LookUpPrefixResponse>, Status> {
        let LookUpPrefixRequest { partition, prefix } = request.into_inner();
        let prefix = Prefix::from_str(&prefix).map_err(|error| {
            Status::invalid_argument(format!("`prefix` is `{prefix}`: {error}"))
        })?;
        match self.desk.ask(partition, Question::Prefix(prefix)).await? {
            Answer::Prefix(answer) => Ok(Response::new(answer)),
            Answer::Asn(_) => Err(Status::internal("the answer is to another question")),
        }
    }

    async fn look_up_asn(
        &self,
        request: Request<LookUpAsnRequest>,
    ) -> Result<Response<LookUpAsnResponse>, Status> {
        let LookUpAsnRequest { partition, asn } = request.into_inner();
        match self.desk.ask(partition, Question::Asn(Asn(asn))).await? {
            Answer::Asn(answer) => Ok(Response::new(answer)),
            Answer::Prefix(_) => Err(Status::internal("the answer is to another question")),
        }
    }
}

impl From<Unanswered> for Status {
    fn from(why: Unanswered) -> Self {
        let says = why.to_string();
        match why {
            Unanswered::Elsewhere { .. } => Self::not_found(says),
            Unanswered::NotReady { .. } => Self::unavailable(says),
            Unanswered::TooMany { .. } => Self::resource_exhausted(says),
            Unanswered::Late { .. } => Self::deadline_exceeded(says),
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::on_loopback("127.0.0.1:9102", false, true)]
    #[case::on_loopback_with_a_token("[::1]:9102", true, true)]
    #[case::off_loopback("192.0.2.1:9102", false, false)]
    #[case::on_all_addresses("0.0.0.0:9102", false, false)]
    #[case::on_all_addresses_with_a_token("[::]:9102", true, true)]
    fn off_loopback_nobody_is_answered_without_a_token(
        #[case] address: &str,
        #[case] has_token: bool,
        #[case] answers: bool,
    ) {
        let tokens = [Token::new("0123456789abcdef")];
        let tokens = if has_token { &tokens[..] } else { &[] };
        assert_eq!(may_answer(address.parse().unwrap(), tokens), answers);
    }
}
