//! Reads `bgp-messages` from its end while there are clients.

use std::time::Duration;

use tokio::time::sleep;
use weir_eventlog::{EventLog, From as TailFrom, LogError, Tail};
use weir_events::topics::BGP_MESSAGES;
use weir_lifecycle::Stop;

use super::{Ris, desk::Reading};

/// Between two attempts to read a log that cannot be read.
const RETRY: Duration = Duration::from_secs(1);

/// Runs until the stop, then ends all clients.
pub(crate) async fn follow(ris: Ris, log: EventLog, stop: Stop) {
    tokio::select! {
        () = attend(&ris, &log) => {}
        () = stop.wait_async() => {}
    }
    ris.close();
}

async fn attend(ris: &Ris, log: &EventLog) {
    let mut desk = ris.inner.desk.subscribe();
    let mut failed = false;
    loop {
        if desk.wait_for(|desk| !desk.is_empty()).await.is_err() {
            return;
        }
        match start(ris.clone(), log.clone()).await {
            Ok(tail) => {
                failed = false;
                ris.inner
                    .desk
                    .send_modify(|desk| desk.reading = Reading::Now);
                rest(ris).await;
                // Its thread ends within a tenth of a second. Beside the next one it would tell everything twice.
                if tokio::task::spawn_blocking(move || drop(tail))
                    .await
                    .is_err()
                {
                    tracing::error!("the reader of the RIS stream panicked");
                }
            }
            Err(error) => {
                if !failed {
                    tracing::warn!(%error, "the RIS stream cannot read the log, clients wait");
                }
                failed = true;
                sleep(RETRY).await;
            }
        }
    }
}

async fn start(ris: Ris, log: EventLog) -> Result<Tail, LogError> {
    let started = tokio::task::spawn_blocking(move || {
        Tail::start(&log, &[BGP_MESSAGES], TailFrom::End, move |_, record| {
            ris.take(record.payload);
        })
    });
    started.await.unwrap_or_else(|error| {
        Err(LogError::Thread {
            reason: error.to_string(),
        })
    })
}

/// Returns once nobody has been here for a while; from then on who enters waits for a new tail.
async fn rest(ris: &Ris) {
    let mut desk = ris.inner.desk.subscribe();
    let linger = Duration::from_secs(ris.inner.config.linger_seconds);
    loop {
        if desk.wait_for(super::Desk::is_empty).await.is_err() {
            return;
        }
        sleep(linger).await;
        let rests = ris.inner.desk.send_if_modified(|desk| {
            let rests = desk.is_empty();
            if rests {
                desk.reading = Reading::Not;
            }
            rests
        });
        if rests {
            return;
        }
    }
}
