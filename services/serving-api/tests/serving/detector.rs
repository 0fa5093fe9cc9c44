//! A desk of look-ups behind its real port, which answers what a test tells it to.

use std::{
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use weir_events::v1::ServiceStatus;
use weir_lifecycle::admin::AdminPort;
use weir_lookups::{Answer, Desk, Question, server};
use weir_serving_api::Token;

use super::sample;

pub(crate) const TOKEN: &str = "0123456789abcdef";

/// A detector with some partitions.
pub(crate) struct Detector {
    port: AdminPort,
    partitions: Vec<u32>,
    stop: Arc<AtomicBool>,
    task: Option<JoinHandle<()>>,
}

impl Detector {
    pub(crate) fn answering(
        partitions: &[u32],
        answer: impl Fn(u32, Question) -> Answer + Send + 'static,
    ) -> Self {
        let desk = Desk::default();
        let tokens = [Token::new(TOKEN)];
        let routes = server::routes(desk.clone(), Arc::new(tokens));
        let port = AdminPort::open((Ipv4Addr::LOCALHOST, 0).into(), |_| routes).unwrap();
        let mut seats: Vec<_> = partitions.iter().map(|of| (*of, desk.sit(*of))).collect();
        seats.iter().for_each(|(_, seat)| seat.open());
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let task = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                for (partition, seat) in &mut seats {
                    while let Some(asked) = seat.take() {
                        let answer = answer(*partition, asked.question);
                        asked.answer(answer);
                    }
                }
                std::thread::park_timeout(Duration::from_millis(1));
            }
        });
        Self {
            port,
            partitions: partitions.to_vec(),
            stop,
            task: Some(task),
        }
    }

    /// What it says of itself.
    pub(crate) fn status(&self) -> ServiceStatus {
        ServiceStatus {
            lookup_address: self.port.address().to_string(),
            lookup_partitions: self.partitions.clone(),
            ..sample::status()
        }
    }
}

impl Drop for Detector {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.task.take().unwrap().join().unwrap();
    }
}
