//! What the lane asks a WebSocket to do, besides to send.

use std::sync::Arc;

use crate::conn::core::Core;
use crate::dispatch::lane::event::LaneEvent;
use crate::dispatch::topics::Topic;
use crate::event_loop::services::Services;
use crate::websocket::socket::{State, WebSocket};

impl WebSocket {
    /// The program closes the socket.
    pub(crate) fn close(
        &mut self,
        core: &mut Core,
        services: &mut Services,
        code: Option<u16>,
        reason: &str,
    ) {
        if !self.sends() {
            return;
        }
        self.say_close(core, services, code, reason);
        if self.state == State::Answering {
            self.state = State::Done;
            return;
        }
        self.state = State::Closing;
        self.latest = Vec::new();
        self.since = services.clock.millis();
        // The client's answer is to be seen.
        self.is_paused = false;
    }

    /// The lane gives the socket to another, which takes it within [`MOST_MOVING`].
    pub(crate) fn hand_over(&mut self, core: &mut Core, services: &mut Services) {
        if self.state != State::Open {
            return;
        }
        self.state = State::Moving;
        self.since = services.clock.millis();
        self.at_lane = false;
        (self.is_paused, self.is_congested, self.unsent) = (false, false, 0);
        self.untaken = 0;
        self.recount(services);
        let id = self.id(core, services);
        services.lanes.tell(&mut core.lane, LaneEvent::SocketMoved(id));
    }

    /// The lane in this place takes the socket. False if it was not handed over.
    pub(crate) fn adopt(
        &mut self,
        core: &mut Core,
        services: &Services,
        stream: u32,
        place: u8,
    ) -> bool {
        if self.state != State::Moving || stream != self.stream {
            return false;
        }
        // The lane before has got all of its events, so none of them waits for room.
        core.lane.place = place;
        debug_assert_eq!(core.lane.held_back, 0, "an event of it waits");
        self.state = State::Open;
        self.at_lane = true;
        self.heard = services.clock.millis();
        core.stalled = !core.input.is_empty();
        true
    }

    pub(crate) fn pause(&mut self, services: &Services, pauses: bool) {
        self.is_paused = pauses && self.state == State::Open;
        self.heard = services.clock.millis();
    }

    pub(crate) fn subscribe(&mut self, core: &Core, services: &mut Services, topic: Arc<Topic>) {
        if self.state == State::Done || !services.sockets.subscribe(&topic, (core.id, self.stream))
        {
            services.sockets.topics.leave(&topic, services.settings.io_thread);
            return;
        }
        self.topics.push(topic);
    }

    pub(crate) fn unsubscribe(&mut self, core: &Core, services: &mut Services, name: &[u8]) {
        let place = self.topics.iter().position(|topic| topic.name() == name);
        if let Some(place) = place {
            let topic = self.topics.swap_remove(place);
            services.sockets.leave((core.id, self.stream), &topic, services.settings.io_thread);
        }
    }
}
