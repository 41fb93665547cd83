//! The loop: one turn in the order of `EventLoop::turn`.

use std::time::Duration;

use super::{Checked, World};
use crate::conn::link::Link;
use crate::conn::protocol::Protocol;
use crate::conn::tls_link::TlsLink;
use crate::event_loop::reactor::Ready;
use crate::exchange::response::CompressionState;
use crate::exchange::task::Task;
use crate::sim::app::id;
use crate::sim::client::{Client, EPOCH, Fate};
use crate::sim::request::pattern;
use crate::sim::rng::Rng;
use crate::sim::tls_peer::{self, TlsPeer};
use crate::sim::toy_link::ToyLink;
use crate::sim::wire::{Greeting, SimTransport, Wire};

/// As in `event_loop`.
const POST_BATCH: usize = 32;

impl World {
    /// Whether the loop has a reason to wake.
    pub(super) fn wakes(&self) -> bool {
        let now = self.now.get();
        self.reactor.has_listed()
            || self.reactor.new_tasks() > 0
            || self.reactor.has_lane_events()
            || !self.lane_inbox.wake_flag().is_asleep()
            || !self.coming.is_empty()
            || !self.inbox.is_empty()
            || self.reactor.has_steps()
            || self.steps.are_back()
            || !self.accepted.is_empty()
            || self.reactor.next_timer().is_some_and(|at| at <= now)
            || self.drain_until.is_some_and(|at| at <= now && self.reactor.connections() > 0)
            || self.clients.iter().any(|client| client.wire.borrow().edge && is_known(client))
    }

    /// One turn of the loop, in the order of `EventLoop::turn`.
    pub(in crate::sim) fn turn(&mut self, chaos: bool) -> Checked {
        let rescue = self.reactor.awaits_others() && chaos && self.rng.percent(20);
        if !self.wakes() && !rescue {
            return Ok(());
        }
        self.read_clock();
        let held = if chaos { self.plan.held_events } else { 0 };
        let mut events = self.events(held);
        self.rng.shuffle(&mut events);
        self.trace(format_args!("turn, {} events", events.len()));

        self.lane_inbox.wake_flag().awake();
        self.controls();
        self.apply_changes();
        self.replies();
        for (index, ready) in events {
            let client = &self.clients[index];
            if client.wire.borrow().closed.is_some() {
                // A reply has just closed it, so its events go nowhere.
                continue;
            }
            client.wire.borrow_mut().notify(ready);
            self.trace(format_args!("  client {index} is {ready:?}"));
            self.reactor.ready(client.token, ready);
            if self.reactor.new_tasks() >= POST_BATCH {
                self.post()?;
            }
        }
        self.reactor.go_on_listed();
        self.reactor.expire();
        self.post()?;
        self.steps.post(&mut self.reactor);
        self.reactor.post_lanes();
        self.reactor.flush_dirty();
        if self.drain_until.is_some_and(|at| at <= self.now.get()) {
            self.facts.forced = true;
            self.reactor.close_all();
        }
        let nothing_came = self.inbox.is_empty() && self.lane_inbox.is_empty();
        if !self.plan.lanes.drives && self.reactor.awaits_others() && nothing_came {
            if chaos && self.rng.percent(30) {
                self.work();
                self.lane_work()?;
            }
            self.replies();
            self.post()?;
            self.reactor.post_lanes();
            self.reactor.flush_dirty();
        }
        self.reactor.give_back_places();
        self.lane_inbox.wake_flag().about_to_sleep();
        if !self.lane_inbox.is_empty() {
            self.lane_inbox.wake_flag().awake();
        }
        self.check()
    }

    fn events(&mut self, held: u32) -> Vec<(usize, Ready)> {
        let mut events = Vec::new();
        for (index, client) in self.clients.iter().enumerate() {
            let mut wire = client.wire.borrow_mut();
            if wire.edge && is_known_as(client.token, &wire) && !self.rng.percent(held) {
                wire.edge = false;
                events.push((index, wire.ready()));
            }
        }
        events
    }

    /// The loop looks at the clock.
    pub(in crate::sim) fn read_clock(&mut self) {
        let now = self.now.get();
        self.reactor.services.clock.set(now, EPOCH + now / 1_000);
    }

    pub(super) fn controls(&mut self) {
        for index in std::mem::take(&mut self.accepted) {
            let client = &mut self.clients[index];
            let io = SimTransport { wire: client.wire.clone(), reasons: self.reasons.clone() };
            let timeout = self.facts.timeouts.head;
            let link = link(io, &mut self.rng, self.plan.toy_links, self.plan.tls_links, timeout);
            client.token = self.reactor.insert_with(link, Protocol::Sniff, None);
            self.reactor.comes_through(client.token, 0);
        }
    }

    pub(super) fn replies(&mut self) {
        while let Some(task) = self.inbox.pop_front() {
            self.reactor.reply(task);
        }
        self.steps.replies(&mut self.reactor);
        let mut replies = Vec::new();
        self.lane_inbox.replies().take_lanes(&mut replies);
        for reply in replies {
            self.reactor.lane_reply(reply);
        }
        self.reactor.flush_dirty();
    }

    fn post(&mut self) -> Checked {
        let mut room = self.plan.max_tasks.saturating_sub(self.reactor.tasks_out());
        let mut tasks = Vec::new();
        self.reactor.take_tasks(&mut tasks);
        for task in tasks {
            let id = self.check_task(&task)?;
            if room > 0 && self.queue.len() < self.plan.queue {
                room -= 1;
                self.queue.push_back(task);
            } else {
                self.trace(format_args!("request {id} is refused"));
                if !is_compressed(&task) {
                    self.facts.fates.insert(id, Fate::Refused);
                }
                self.reactor.refused(task);
            }
        }
        Ok(())
    }

    /// A task must be what its client sent. It must come once, and not after the last request that
    /// may be answered.
    fn check_task(&mut self, task: &Task) -> Result<u32, String> {
        let id = id(&task.request);
        let &(index, place) = self.owners.get(&id).ok_or("a task from nobody")?;
        let client = &self.clients[index];
        let request = &client.requests[place];
        self.trace(format_args!("request {id} of client {index} is queued"));
        if is_compressed(task) {
            // It has been answered, and is only compressed.
            return Ok(id);
        }
        if self.facts.fates.insert(id, Fate::Out).is_some() {
            return Err(format!("request {id} comes twice"));
        }
        client.check_handed(place, task)?;
        if !request.kind.is_worker() || client.wire.borrow().given() < request.end {
            return Err(format!("request {id} is handled before it is understood"));
        }
        if task.request.body != pattern(id, request.body) {
            return Err(format!("request {id} has another body"));
        }
        Ok(id)
    }
}

/// Whether it is queued to have its answer compressed.
fn is_compressed(task: &Task) -> bool {
    matches!(task.response.compression, CompressionState::Away(_))
}

fn is_known(client: &Client) -> bool {
    is_known_as(client.token, &client.wire.borrow())
}

/// Whether the loop watches it.
fn is_known_as(token: u64, wire: &Wire) -> bool {
    token != u64::MAX && wire.closed.is_none()
}

/// A link for a new connection. In this many of a hundred cases it is a toy link, and in `tls` of a
/// hundred others one with TLS.
pub(in crate::sim) fn link(
    io: SimTransport,
    rng: &mut Rng,
    toys: u32,
    tls: u32,
    handshake_timeout: Duration,
) -> Link<SimTransport> {
    if !rng.percent(toys) {
        // From a copy, so that what follows is the same with and without TLS.
        let rng = &mut rng.clone();
        if !rng.percent(tls) {
            return Link::Plain(io);
        }
        io.wire.borrow_mut().peer = Some(Box::new(TlsPeer::new(rng)));
        return Link::Tls(Box::new(TlsLink::new(
            io,
            tls_peer::session(),
            handshake_timeout,
            rng.percent(30),
        )));
    }
    let (client, server) = (rng.below(40), rng.below(40));
    {
        let mut wire = io.wire.borrow_mut();
        let begun = wire.arrived > 0 || wire.eof;
        let arrived = if begun { client } else { rng.below(client + 1) };
        wire.greeting = Greeting { client, arrived, server };
    }
    let rng = Rng::new(rng.next());
    Link::Toy(Box::new(ToyLink::new(io, rng, client, server)))
}
