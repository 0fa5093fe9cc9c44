//! The same data by gRPC, over real sockets.

use std::time::Duration;

use tonic::{Code, Request, transport::Channel};
use weir_serving_api::{
    Auth, Token,
    generated::v1::{
        GetIncidentRequest, IncidentFilter, ListIncidentsRequest, ListWindowsRequest,
        ServeFeaturesRequest, State, WatchIncidentsRequest, feature::Status as Presence,
        feature::Value, features_client::FeaturesClient, incident_filter::Prefix,
        incidents_client::IncidentsClient, windows_client::WindowsClient,
    },
};

use super::{House, house, house_with, sample};

/// The listener has a runtime of its own, which cannot be started inside of another.
pub(crate) fn ask<F: Future>(question: F) -> F::Output {
    tokio::runtime::Runtime::new().unwrap().block_on(question)
}

const TOKEN: &str = "0123456789abcdef";

/// The channel connects when it is first used.
fn channel(house: &House) -> Channel {
    let address = house.served.running.grpc_address().unwrap();
    Channel::from_shared(format!("http://{address}"))
        .unwrap()
        .connect_lazy()
}

pub(crate) fn incidents(house: &House) -> IncidentsClient<Channel> {
    IncidentsClient::new(channel(house))
}

#[test]
fn incidents_are_listed_filtered_paged_and_told_with_evidence() {
    let house = house();
    ask(async {
        let mut client = IncidentsClient::new(channel(&house));
        let all = client
            .list_incidents(ListIncidentsRequest::default())
            .await
            .unwrap()
            .into_inner();
        assert!(all.incidents.len() > 1, "{all:?}");

        let mut paged = Vec::new();
        let mut request = ListIncidentsRequest {
            page_size: 1,
            ..ListIncidentsRequest::default()
        };
        loop {
            let page = client.list_incidents(request.clone()).await.unwrap();
            let page = page.into_inner();
            paged.extend(page.incidents);
            if page.next_page_token.is_empty() {
                break;
            }
            request.page_token = page.next_page_token;
        }
        assert_eq!(paged, all.incidents);

        let told = client
            .get_incident(GetIncidentRequest {
                id: sample::HIJACK.to_owned(),
            })
            .await
            .unwrap()
            .into_inner();
        let hijack = told.incident.unwrap();
        assert!(!told.evidence.is_empty() && !told.history.is_empty());
        assert_eq!(
            hijack.first_seen.unwrap().seconds * 1_000_000,
            sample::START_US
        );

        let filtered = client
            .list_incidents(ListIncidentsRequest {
                filter: Some(IncidentFilter {
                    states: vec![hijack.state],
                    prefix: Some(Prefix::CoveredBy(hijack.prefix.clone())),
                    ..IncidentFilter::default()
                }),
                ..ListIncidentsRequest::default()
            })
            .await
            .unwrap()
            .into_inner();
        assert!(filtered.incidents.contains(&hijack), "{filtered:?}");
        assert!(filtered.incidents.len() < all.incidents.len());
    });
}

#[test]
fn features_and_windows_say_what_rest_says() {
    let house = house();
    ask(async {
        let windows = WindowsClient::new(channel(&house))
            .list_windows(ListWindowsRequest {
                aggregate: "peer-messages".to_owned(),
                key: Some(sample::PEER.to_owned()),
                ..ListWindowsRequest::default()
            })
            .await
            .unwrap()
            .into_inner()
            .windows;
        let path = format!(
            "/api/v1/windows?aggregate=peer-messages&key={}",
            sample::PEER
        );
        let rest = house.json(&path);
        assert_eq!(windows.len(), rest.as_array().unwrap().len());
        let counts = serde_json::to_value(&windows[0].measures).unwrap();
        assert_eq!(counts, rest[0]["measures"]);

        let served = FeaturesClient::new(channel(&house))
            .serve_features(ServeFeaturesRequest {
                entity_ids: vec![sample::PEER.to_owned(), "192.0.2.99:64511".to_owned()],
                feature_names: vec!["prefix_count".to_owned()],
            })
            .await
            .unwrap()
            .into_inner()
            .entities;
        assert_eq!(served[0].features[0].status(), Presence::Present);
        assert!(matches!(
            served[0].features[0].value,
            Some(Value::Int64Value(_))
        ));
        assert_eq!(served[1].features[0].status(), Presence::NotFound);
    });
}

#[test]
fn transitions_stream_through_the_filter_until_the_listener_stops() {
    let house = house();
    ask(async {
        let mut client = IncidentsClient::new(channel(&house));
        let watch = |states: Vec<i32>| WatchIncidentsRequest {
            filter: Some(IncidentFilter {
                states,
                ..IncidentFilter::default()
            }),
        };
        let mut all = client
            .watch_incidents(watch(vec![]))
            .await
            .unwrap()
            .into_inner();
        let mut ended = client
            .watch_incidents(watch(vec![State::Ended.into()]))
            .await
            .unwrap()
            .into_inner();
        for incident in sample::incidents() {
            house.served.live.incident(&incident);
        }
        let first = all.message().await.unwrap().unwrap();
        assert!(!first.transition.is_empty());
        let only = ended.message().await.unwrap().unwrap();
        assert_eq!(only.incident.unwrap().state(), State::Ended);
        let House { served, .. } = house;
        tokio::task::spawn_blocking(move || served.running.stop(Duration::from_secs(10)))
            .await
            .unwrap()
            .unwrap();
        while let Ok(Some(_)) = all.message().await {}
    });
}

#[test]
fn a_wrong_request_is_refused_by_name_and_a_stranger_without_a_token() {
    let house = house();
    let locked = house_with(Auth {
        token: Some(Token::new(TOKEN)),
        ..Auth::default()
    });
    ask(async {
        let mut client = IncidentsClient::new(channel(&house));
        let refused = client
            .list_incidents(ListIncidentsRequest {
                page_size: 501,
                ..ListIncidentsRequest::default()
            })
            .await
            .unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().contains("page_size"), "{refused}");
        let absent = client
            .get_incident(GetIncidentRequest {
                id: "no".to_owned(),
            })
            .await
            .unwrap_err();
        assert_eq!(absent.code(), Code::NotFound);
        let mut client = IncidentsClient::new(channel(&locked));
        let stranger = client.list_incidents(ListIncidentsRequest::default()).await;
        assert_eq!(stranger.unwrap_err().code(), Code::Unauthenticated);
        let mut request = Request::new(ListIncidentsRequest::default());
        request
            .metadata_mut()
            .insert("authorization", format!("Bearer {TOKEN}").parse().unwrap());
        client.list_incidents(request).await.unwrap();
    });
}
