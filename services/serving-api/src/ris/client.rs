//! One client: what it wants, and what waits for it.

use parking_lot::Mutex;
use weir_routing::ris_live::{Filters, Options, Request, Subscription, Told, frame, request};

use super::queue::Queue;

pub(super) struct Client {
    pub(super) queue: Queue,
    filters: Mutex<Filters>,
    options: Mutex<Options>,
}

impl Client {
    /// It wants nothing yet.
    pub(super) fn new(queue: Queue, filters: Filters) -> Self {
        Self {
            queue,
            filters: Mutex::new(filters),
            options: Mutex::default(),
        }
    }

    pub(super) fn wants(&self, told: &Told<'_>) -> bool {
        self.filters.lock().want(told)
    }

    /// Everything, from now on.
    pub(super) fn want_all(&self) {
        if let Err(error) = self.filters.lock().add(&[Subscription::all()]) {
            self.refuse(&error.to_string());
        }
    }

    /// Does what a frame asks; the answer goes into the queue.
    pub(super) fn ask(&self, text: &[u8], collectors: impl FnOnce() -> Vec<String>) {
        match request(text) {
            Ok(Request::Subscribe {
                subscriptions,
                options,
            }) => self.subscribe(&subscriptions, options),
            Ok(Request::Unsubscribe(subscriptions)) => self.unsubscribe(&subscriptions),
            Ok(Request::Collectors) => {
                let names = collectors();
                self.say(frame::collectors(names.iter().map(String::as_str)));
            }
            Ok(Request::Ping) => self.say(frame::pong()),
            Err(error) => self.refuse(&error.to_string()),
        }
    }

    fn subscribe(&self, subscriptions: &[Subscription], options: Option<Options>) {
        // The acknowledgement stands before the first message that the subscription brings.
        let mut filters = self.filters.lock();
        if let Err(error) = filters.add(subscriptions) {
            return self.refuse(&error.to_string());
        }
        let options = {
            let mut own = self.options.lock();
            *own = options.unwrap_or(*own);
            *own
        };
        if options.acknowledge {
            self.say(frame::subscribe_ok(subscriptions, options));
        }
    }

    fn unsubscribe(&self, subscriptions: &[Subscription]) {
        let mut filters = self.filters.lock();
        let missing = subscriptions.iter().filter(|one| !filters.remove(one));
        let missing = missing.count();
        if missing > 0 {
            let count = subscriptions.len();
            self.refuse(&format!(
                "{missing} of {count} subscriptions to end are not there: want the data of an \
                 earlier ris_subscribe"
            ));
        }
    }

    /// What is wrong with a frame; the connection goes on.
    pub(super) fn refuse(&self, why: &str) {
        metrics::counter!("weir_ris_bad_requests_total").increment(1);
        self.say(frame::error(why));
    }

    fn say(&self, line: String) {
        self.queue.push(&line.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ris::queue::Next;
    use rstest::rstest;

    fn said(client: &Client) -> String {
        match client.queue.ready() {
            Next::Line(line) => line.trim_end().to_owned(),
            other => format!("{other:?}"),
        }
    }

    fn client() -> Client {
        Client::new(Queue::new(9, 9999), Filters::new(1))
    }

    #[rstest]
    #[case(r#"{"type":"ping"}"#, r#"{"type":"pong","data":null}"#)]
    #[case(
        r#"{"type":"request_rrc_list"}"#,
        r#"{"type":"ris_rrc_list","data":["rrc00","rrc21"]}"#
    )]
    #[case(r#"{"type":"ris_subscribe"}"#, "Nothing")]
    #[case(
        r#"{"type":"ris_subscribe","data":{"socketOptions":{"includeRaw":true,"acknowledge":true}}}"#,
        r#"{"type":"ris_subscribe_ok","data":{"socketOptions":{"acknowledge":true,"includeRaw":false},"subscription":{}}}"#
    )]
    #[case(
        r#"{"type":"ris_subscribe","data":{"prefix":["10.0.0.0/8","10.0.0.0/9"]}}"#,
        r#"{"type":"ris_error","data":{"message":"this connection has 0 subscriptions and asks for 2 more: want 1 at most"}}"#
    )]
    #[case(
        r#"{"type":"ris_unsubscribe"}"#,
        r#"{"type":"ris_error","data":{"message":"1 of 1 subscriptions to end are not there: want the data of an earlier ris_subscribe"}}"#
    )]
    #[case(
        r#"{"type":"sing"}"#,
        r#"{"type":"ris_error","data":{"message":"type is \"sing\": want ris_subscribe, ris_unsubscribe, request_rrc_list or ping"}}"#
    )]
    fn every_request_is_answered(#[case] asks: &str, #[case] answer: &str) {
        let client = client();
        client.ask(asks.as_bytes(), || vec!["rrc00".into(), "rrc21".into()]);
        assert_eq!(said(&client), answer);
        assert_eq!(said(&client), "Nothing");
    }

    #[test]
    fn options_hold_for_the_connection_until_they_are_set_again() {
        let client = client();
        for (options, acknowledged) in [
            (r#","socketOptions":{"acknowledge":true}"#, true),
            ("", true),
            (r#","socketOptions":{}"#, false),
            ("", false),
        ] {
            let asks = format!(r#"{{"type":"ris_subscribe","data":{{"host":"rrc00"{options}}}}}"#);
            client.ask(asks.as_bytes(), Vec::new);
            let said = said(&client);
            assert_eq!(said.contains("ris_subscribe_ok"), acknowledged, "{said}");
        }
        client.ask(
            br#"{"type":"ris_unsubscribe","data":{"host":"rrc00"}}"#,
            Vec::new,
        );
        assert_eq!(said(&client), "Nothing");
        assert!(client.filters.lock().is_empty());
    }
}
