//! The lanes' threads: what they do, and how they come and go.

use std::sync::Arc;

use super::{Checked, World};
use crate::dispatch::lane::channel::Lane;
use crate::dispatch::lane::event::{LaneEvent, LaneReply};
use crate::exchange::body::Body;
use crate::sim::check::{Given, Outside};
use crate::sim::rng::Rng;
use crate::sim::said::Said;
use crate::sim::thread::{Book, Thread};

/// More places than this are not filled.
const MOST: usize = 12;

/// A message to the loop about lanes.
pub(super) enum Change {
    /// `Control::Lanes`.
    Lanes(Vec<Option<Arc<Lane>>>),
    /// `Control::Swap`, to the next version of the application.
    Swap(Vec<Option<Arc<Lane>>>),
}

impl World {
    pub(super) fn start_lanes(&mut self) {
        for _ in 0..self.plan.lanes.count {
            let lane = self.start_thread(0);
            self.places.push(Some(lane));
        }
        self.reactor.set_lanes(self.places.clone());
    }

    fn start_thread(&mut self, generation: u32) -> Arc<Lane> {
        let rng = Rng::new(self.rng.next());
        let plan = &self.plan.lanes;
        let thread =
            Thread::new(plan.capacity, plan.habits.clone(), rng, &self.lane_inbox, generation);
        let lane = Arc::clone(&thread.lane);
        self.threads.push(thread);
        lane
    }

    /// The lanes as they will be.
    fn next_places(&self) -> Vec<Option<Arc<Lane>>> {
        match self.coming.back() {
            Some(Change::Lanes(places) | Change::Swap(places)) => places.clone(),
            None => self.places.clone(),
        }
    }

    /// The generation as it will be.
    fn next_generation(&self) -> u32 {
        let swaps = self.coming.iter().filter(|change| matches!(change, Change::Swap(_)));
        self.generation + swaps.count() as u32
    }

    /// A thread comes, goes, or is replaced.
    pub(super) fn change_lanes(&mut self) -> Checked {
        let places = self.next_places();
        let place = self.rng.below(places.len().max(1));
        match self.rng.below(5) {
            0 => {
                // The loop notices by itself, or is told later.
                let lane = places.get(place).and_then(Option::as_ref);
                let thread = |lane| self.threads.iter().position(|t| Arc::ptr_eq(&t.lane, lane));
                let Some(index) = lane.and_then(thread) else { return Ok(()) };
                self.trace(format_args!("the thread in place {place} goes"));
                self.facts.lost_lanes = true;
                self.facts.lanes.closed += 1;
                return self.close_thread(index);
            }
            1 | 2 => {
                let none = self.rng.percent(40);
                self.replace_lane(place, none);
            }
            3 => self.leave_lane_out(),
            _ if places.len() < MOST => self.swap_lanes(),
            _ => {}
        }
        Ok(())
    }

    /// Another lane comes into this place, or none.
    pub(in crate::sim) fn replace_lane(&mut self, place: usize, none: bool) {
        self.trace(format_args!("place {place} has another lane, none {none}"));
        self.facts.lost_lanes = true;
        self.facts.lanes.replaced += 1;
        let mut places = self.next_places();
        places.resize(places.len().max(place + 1), None);
        let generation = self.next_generation();
        places[place] = (!none).then(|| self.start_thread(generation));
        self.coming.push_back(Change::Lanes(places));
        self.lane_inbox.notify();
    }

    pub(in crate::sim) fn leave_lane_out(&mut self) {
        self.trace("the last lane is left out");
        self.facts.lost_lanes = true;
        self.facts.lanes.left_out += 1;
        let mut places = self.next_places();
        places.pop();
        self.coming.push_back(Change::Lanes(places));
        self.lane_inbox.notify();
    }

    pub(in crate::sim) fn swap_lanes(&mut self) {
        self.trace("another application with a lane of its own");
        self.facts.lanes.swapped += 1;
        let mut places = self.next_places();
        let generation = self.next_generation() + 1;
        places.push(Some(self.start_thread(generation)));
        self.coming.push_back(Change::Swap(places));
        self.lane_inbox.notify();
    }

    /// Gives the loop these messages, as its inbox does.
    pub(super) fn apply_changes(&mut self) {
        while let Some(change) = self.coming.pop_front() {
            self.replies();
            match change {
                Change::Lanes(places) => {
                    self.places.clone_from(&places);
                    self.reactor.set_lanes(places);
                }
                Change::Swap(places) => {
                    self.facts.version += 1;
                    self.generation += 1;
                    for thread in &mut self.threads {
                        let lane = &thread.lane;
                        if self.places.iter().flatten().any(|old| Arc::ptr_eq(old, lane)) {
                            thread.routes.end = thread.routes.end.min(self.generation);
                        }
                    }
                    self.places.clone_from(&places);
                    let table = self.table();
                    self.reactor.swap(table, places);
                }
            }
        }
    }

    fn close_thread(&mut self, index: usize) -> Checked {
        self.with_thread(index, |thread, book| thread.close(book))
    }

    fn with_thread<R>(
        &mut self,
        index: usize,
        act: impl FnOnce(&mut Thread, &mut Book<'_>) -> R,
    ) -> R {
        let mut book = Book {
            clients: &self.clients,
            owners: &self.owners,
            facts: &mut self.facts,
            now: self.reactor.services.clock.now(),
        };
        act(&mut self.threads[index], &mut book)
    }

    /// All threads take what waits for them.
    pub(in crate::sim) fn take_events(&mut self) -> Checked {
        for index in 0..self.threads.len() {
            self.with_thread(index, |thread, book| thread.turn(usize::MAX, book))?;
        }
        self.check_threads()
    }

    /// Decides how the first thread will answer a request.
    pub(in crate::sim) fn mean(&mut self, id: u32, change: impl FnOnce(&mut Said)) {
        self.threads[0].mean(id, change);
    }

    /// Whether some thread has a request in hand.
    pub(in crate::sim) fn has_open(&self, id: u32) -> bool {
        let open = |thread: &Thread| thread.exchanges().any(|(_, open)| open == id);
        self.threads.iter().any(open)
    }

    /// The first thread breaks off an answer that has begun.
    pub(in crate::sim) fn abort(&mut self, id: u32) {
        self.with_thread(0, |thread, book| thread.abort(id, book));
    }

    /// The first thread gives the next part of its answer.
    pub(in crate::sim) fn say(&mut self, id: u32) {
        self.with_thread(0, |thread, book| thread.step_of(id, book));
    }

    /// Some thread does something.
    pub(super) fn lane_work(&mut self) -> Checked {
        if self.threads.is_empty() || self.rng.percent(self.plan.lanes.slow) {
            return Ok(());
        }
        let index = self.rng.below(self.threads.len());
        let batch = self.rng.between(1, self.plan.lanes.batch);
        // It may look without having been woken.
        if self.threads[index].is_awake() || self.rng.percent(5) {
            self.with_thread(index, |thread, book| thread.turn(batch, book))?;
            self.check_room()?;
        }
        for _ in 0..self.rng.below(6) {
            self.with_thread(index, |thread, book| thread.work(false, book));
        }
        if self.plan.lanes.drives && self.rng.percent(50) {
            self.lend();
            // What has become due by then waits for the turn that follows.
            self.turn(true)?;
        }
        if !self.is_known(index) && self.rng.percent(20) {
            // A thread without requests may go without closing its lane.
            if !self.threads[index].is_idle() || self.rng.percent(50) {
                self.close_thread(index)?;
            }
            self.threads.swap_remove(index);
        }
        Ok(())
    }

    /// The thread that drives the loop gives some of its whole answers between two turns, and lends
    /// their bodies. They overtake its other replies.
    fn lend(&mut self) {
        self.read_clock();
        let mut replies = Vec::new();
        let mut others = Vec::new();
        self.lane_inbox.replies().take_lanes(&mut replies);
        for reply in replies {
            let mut task = match reply {
                LaneReply::Response(task) if self.rng.percent(70) => task,
                other => {
                    others.push(other);
                    continue;
                }
            };
            let Body::Bytes(body) = task.response().content_mut() else {
                others.push(LaneReply::Response(task));
                continue;
            };
            let body = std::mem::take(body);
            self.facts.lanes.lent += 1;
            self.trace(format_args!("  {} bytes are lent", body.len()));
            self.reactor.respond_lent(task, &body, &mut |body| Arc::from(body));
        }
        self.reactor.flush_dirty();
        self.lane_inbox.replies().give_lane(&mut others);
    }

    /// All threads do what they can. True if something moved.
    pub(super) fn settle_lanes(&mut self) -> Result<bool, String> {
        let mut moved = false;
        for index in 0..self.threads.len() {
            if self.threads[index].is_awake() {
                self.with_thread(index, |thread, book| thread.turn(usize::MAX, book))?;
                moved = true;
            }
            moved |= self.with_thread(index, |thread, book| thread.work(true, book));
        }
        for index in (0..self.threads.len()).rev() {
            if !self.is_known(index) {
                self.close_thread(index)?;
                self.threads.swap_remove(index);
                moved = true;
            }
        }
        Ok(moved)
    }

    /// Whether the loop knows the thread's lane, or will.
    fn is_known(&self, index: usize) -> bool {
        let lane = &self.threads[index].lane;
        let knows = |places: &[Option<Arc<Lane>>]| {
            places.iter().flatten().any(|known| Arc::ptr_eq(known, lane))
        };
        let coming = |change: &Change| match change {
            Change::Lanes(places) | Change::Swap(places) => knows(places),
        };
        knows(&self.places) || self.coming.iter().any(coming)
    }

    /// What lanes and their threads have.
    pub(super) fn outside(&self) -> Outside {
        let mut outside = Outside {
            replies: !self.lane_inbox.is_empty(),
            places: self.places.clone(),
            ..Outside::default()
        };
        for thread in &self.threads {
            thread.waiting(|event| {
                if let LaneEvent::Request(task) = event {
                    outside.given.push(Given::of(&task.0));
                }
            });
            outside.open += thread.lane.queued() + thread.exchanges().count();
            outside.given.extend(thread.tasks().map(Given::of));
        }
        outside
    }

    /// The loop does not sleep while a lane has room for events that wait.
    fn check_room(&self) -> Checked {
        for (place, lane) in self.places.iter().enumerate() {
            let has_room = |lane: &Arc<Lane>| lane.queued() < self.plan.lanes.capacity;
            if lane.as_ref().is_some_and(has_room) && !self.reactor.has_told(place) && !self.wakes()
            {
                return Err(format!("the loop sleeps, and there is room in place {place}"));
            }
        }
        Ok(())
    }

    /// Once a thread has been told everything, a client waits for each request that it has.
    pub(super) fn check_threads(&self) -> Checked {
        self.check_room()?;
        if !self.lane_inbox.is_empty() {
            return Ok(());
        }
        for thread in self.threads.iter().filter(|thread| !thread.is_gone()) {
            let lane = &thread.lane;
            let is_it =
                |of: &Option<Arc<Lane>>| of.as_ref().is_some_and(|of| Arc::ptr_eq(of, lane));
            let place = self.places.iter().position(is_it);
            if !place.is_some_and(|place| self.reactor.has_told(place)) {
                continue;
            }
            let mut waits = false;
            thread.waiting(|_| waits = true);
            if waits {
                continue;
            }
            for (exchange, id) in thread.exchanges() {
                if !self.reactor.is_with_lane(exchange) {
                    return Err(format!("request {id} is over, and its lane was not told"));
                }
                if self.reactor.has_left(exchange) && !thread.knows_left(exchange) {
                    return Err(format!(
                        "request {id}: its lane does not know that the client left"
                    ));
                }
            }
        }
        Ok(())
    }
}
