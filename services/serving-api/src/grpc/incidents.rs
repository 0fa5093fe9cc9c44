//! `weir.serving.v1.Incidents`.

use std::{pin::Pin, sync::Arc};

use futures_util::{Stream, StreamExt};
use tokio_stream::wrappers::{BroadcastStream, errors::BroadcastStreamRecvError};
use tonic::{Request, Response, Status};
use weir_record_store::{Cursor, Filter, IncidentRow, MAX_PAGE};

use super::values;
use crate::{
    app::App,
    generated::v1::{
        GetIncidentRequest, GetIncidentResponse, ListIncidentsRequest, ListIncidentsResponse,
        WatchIncidentsRequest, WatchIncidentsResponse, incidents_server::Incidents,
    },
    live::LiveEvent,
    own::Own,
    problem::Problem,
};

const DEFAULT_PAGE: usize = 50;

/// Answers from the record store and the live events.
pub(super) struct Service(pub(super) App);

type Transitions = Pin<Box<dyn Stream<Item = Result<WatchIncidentsResponse, Status>> + Send>>;

#[tonic::async_trait]
impl Incidents for Service {
    type WatchIncidentsStream = Transitions;

    async fn list_incidents(
        &self,
        request: Request<ListIncidentsRequest>,
    ) -> Result<Response<ListIncidentsResponse>, Status> {
        let request = request.into_inner();
        let cursor = match request.page_token.as_str() {
            "" => None,
            token => Some(Cursor::parse(token).ok_or_else(|| {
                Status::invalid_argument("`page_token` is not one that this API has given out")
            })?),
        };
        let limit = match usize::try_from(request.page_size) {
            Ok(0) => DEFAULT_PAGE,
            Ok(size) if size <= MAX_PAGE => size,
            _ => {
                return Err(Status::invalid_argument(format!(
                    "`page_size` is {}: write 1 to {MAX_PAGE}",
                    request.page_size
                )));
            }
        };
        let mine = request.filter.as_ref().and_then(|filter| filter.mine);
        let filter = Filter {
            from_us: request.from.as_ref().map(values::micros),
            to_us: request.to.as_ref().map(values::micros),
            ..values::filter(request.filter)?
        };
        let App { own, records, .. } = &self.0;
        let page = own.list(records, &filter, cursor, limit, mine).await?;
        let incidents = page.incidents.iter();
        Ok(Response::new(ListIncidentsResponse {
            incidents: incidents.map(|row| values::incident(row, own)).collect(),
            next_page_token: page.next.map(|next| next.to_text()).unwrap_or_default(),
        }))
    }

    async fn get_incident(
        &self,
        request: Request<GetIncidentRequest>,
    ) -> Result<Response<GetIncidentResponse>, Status> {
        let id = request.into_inner().id;
        let recorded = self.0.records.get(&id).await.map_err(Problem::from)?;
        let recorded =
            recorded.ok_or_else(|| Status::not_found(format!("there is no incident `{id}`")))?;
        let incident = &recorded.incident;
        Ok(Response::new(GetIncidentResponse {
            evidence: incident.evidence.iter().map(values::evidence).collect(),
            incident: Some(values::incident(incident, &self.0.own)),
            history: recorded.history.iter().map(values::transition).collect(),
        }))
    }

    async fn watch_incidents(
        &self,
        request: Request<WatchIncidentsRequest>,
    ) -> Result<Response<Transitions>, Status> {
        let filter = request.into_inner().filter;
        let mine = filter.as_ref().and_then(|filter| filter.mine);
        let own = self.0.own.clone();
        own.check(mine)?;
        let filter = values::filter(filter)?;
        let seat = Arc::clone(&self.0.live_seats)
            .try_acquire_owned()
            .map_err(|_| {
                Status::resource_exhausted("too many clients follow live events already")
            })?;
        let stop = self.0.stop.clone();
        let transitions = BroadcastStream::new(self.0.live.subscribe())
            .filter_map(move |event| {
                let _seat = &seat;
                std::future::ready(match event {
                    Ok(event) => transition(&event, &filter, (&own, mine)).map(Ok),
                    Err(BroadcastStreamRecvError::Lagged(missed)) => Some(Err(Status::data_loss(
                        format!("{missed} events were dropped because this client was too slow: list, then watch again"),
                    ))),
                })
            })
            .take_until(async move { stop.wait_async().await });
        Ok(Response::new(Box::pin(transitions)))
    }
}

fn transition(
    event: &LiveEvent,
    filter: &Filter,
    (own, mine): (&Own, Option<bool>),
) -> Option<WatchIncidentsResponse> {
    let LiveEvent::Incident { row, .. } = event else {
        return None;
    };
    let is_wanted = matches(filter, row) && own.is_wanted(row, mine);
    is_wanted.then(|| WatchIncidentsResponse {
        incident: Some(values::incident(row, own)),
        transition: row.transition.to_string(),
        at: Some(values::timestamp(row.transition_at_us)),
    })
}

/// The same question that the store answers in SQL.
fn matches(filter: &Filter, row: &IncidentRow) -> bool {
    let any = |wanted: bool, empty: bool| empty || wanted;
    any(filter.types.contains(&row.kind), filter.types.is_empty())
        && any(filter.states.contains(&row.state), filter.states.is_empty())
        && any(
            filter.severities.contains(&row.severity),
            filter.severities.is_empty(),
        )
        && filter.prefix.is_none_or(|wanted| wanted.finds(row))
        && filter.asn.is_none_or(|asn| {
            row.suspect_asn == Some(asn)
                || [&row.origins, &row.expected_origins, &row.victim_asns]
                    .iter()
                    .any(|asns| asns.contains(&asn))
        })
        && filter.case.as_ref().is_none_or(|case| *case == row.case_id)
        && filter
            .synthetic
            .is_none_or(|synthetic| synthetic == row.synthetic)
}
