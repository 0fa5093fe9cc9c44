//! `weir.serving.v1.Windows`.

use tonic::{Request, Response, Status};
use weir_events::time::SECOND_US;
use weir_metric_store::Window as Row;

use super::values::{micros, timestamp};
use crate::{
    app::App,
    generated::v1::{ListWindowsRequest, ListWindowsResponse, Window, windows_server::Windows},
    rest::windows::{self, Wanted},
};

/// Answers from the metric store.
pub(super) struct Service(pub(super) App);

#[tonic::async_trait]
impl Windows for Service {
    async fn list_windows(
        &self,
        request: Request<ListWindowsRequest>,
    ) -> Result<Response<ListWindowsResponse>, Status> {
        let request = request.into_inner();
        let windows = windows::look_up(
            &self.0,
            Wanted {
                aggregate: &request.aggregate,
                key: request.key,
                width_us: (request.width_seconds != 0)
                    .then(|| i64::from(request.width_seconds) * SECOND_US),
                from_us: request.from.as_ref().map(micros),
                to_us: request.to.as_ref().map(micros),
                limit: usize::try_from(request.limit)
                    .ok()
                    .filter(|limit| *limit != 0),
            },
        )
        .await?;
        Ok(Response::new(ListWindowsResponse {
            windows: windows.into_iter().map(window).collect(),
        }))
    }
}

fn window(row: Row) -> Window {
    Window {
        key: row.key,
        start: Some(timestamp(row.start_us)),
        end: Some(timestamp(row.end_us)),
        r#final: row.is_final,
        synthetic: row.synthetic,
        measures: row.measures.into_iter().collect(),
    }
}
