//! A server whose lane the test serves itself, event by event.

use std::sync::Arc;

use reactor_server::{
    Config, Exchange, ExchangeId, Lane, LaneEvent, LaneReplies, LaneReply, Server, Target,
};

use super::{Client, builtin, config, start, until};

/// A server whose `/lane/*` the test answers. So a test decides when a handler answers, and
/// nothing depends on a second thread.
pub(crate) struct Hand {
    pub(crate) server: Server,
    pub(crate) lane: Arc<Lane>,
    pub(crate) replies: LaneReplies,
}

impl Hand {
    pub(crate) fn new(change: impl FnOnce(&mut Config)) -> Self {
        Self::with_room(64, change)
    }

    /// With room for `capacity` requests in the lane.
    pub(crate) fn with_room(capacity: usize, change: impl FnOnce(&mut Config)) -> Self {
        // Nobody is woken: the test polls.
        let lane = Lane::new(capacity, || {});
        let mut app = builtin();
        app.route(None, "/lane/*", Target::Lane(0)).expect("a new route");
        let mut config = config(app);
        config.lanes = vec![Arc::clone(&lane)];
        change(&mut config);
        let server = start(config);
        let replies = server.lane_replies();
        Self { server, lane, replies }
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(&self.server)
    }

    #[track_caller]
    pub(crate) fn event(&self) -> LaneEvent {
        let mut event = None;
        until("an event", || {
            event = self.lane.pop();
            event.is_some()
        });
        event.expect("until there is one")
    }

    /// The next event, which must be a request.
    #[track_caller]
    pub(crate) fn task(&self) -> Exchange {
        match self.event() {
            LaneEvent::Request(task) => task,
            _ => panic!("another event than a request"),
        }
    }

    /// The next request, whatever events come before it.
    #[track_caller]
    pub(crate) fn next_task(&self) -> Exchange {
        loop {
            if let LaneEvent::Request(task) = self.event() {
                return task;
            }
        }
    }

    pub(crate) fn say(&mut self, reply: LaneReply) {
        self.replies.push(reply);
        self.lane.flush(&mut self.replies);
    }

    pub(crate) fn answer(&mut self, mut task: Exchange, text: &str) {
        task.response().body(text);
        self.lane.answered(1);
        self.say(LaneReply::Response(task));
    }

    /// Begins a streaming response.
    pub(crate) fn begin(
        &mut self,
        mut task: Exchange,
        length: Option<u64>,
        text: &str,
    ) -> ExchangeId {
        let exchange = task.id();
        task.response().stream(length);
        task.response().body(text);
        self.say(LaneReply::Response(task));
        exchange
    }
}
