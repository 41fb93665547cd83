//! What the connections of one loop share. The connections themselves are not in it, so that a
//! connection and the services can be borrowed side by side.

mod compression;
pub(crate) mod compressor;
mod handlers;
pub(crate) mod leaving;
pub(crate) mod router;
mod tasks;
mod versions;

use std::sync::Arc;
use std::time::Duration;

use crossbeam_utils::CachePadded;
use reactor_proto::{Head, Limits};
use reactor_route::Params;

use crate::conn::buffers::BufPool;
use crate::conn::core::Core;
use crate::conn::entrance::Entrance;
use crate::dispatch::app::Table;
use crate::dispatch::files::named::Opener;
use crate::dispatch::lane::event::ConnectionChange;
use crate::dispatch::lane::side::Lanes;
use crate::dispatch::secured::Secured;
use crate::dispatch::topics::Topics;
use crate::event_loop::clock::Clock;
use crate::event_loop::services::compressor::Compressor;
use crate::event_loop::services::leaving::Leaving;
use crate::event_loop::tuning::{Announce, Timeouts};
use crate::exchange::body::FileRange;
use crate::exchange::body_memory::{BodyMemory, Spares};
use crate::exchange::compression::options::Compress;
use crate::exchange::deadlines::Deadlines;
use crate::exchange::handler::{Handler, HandlerCell};
use crate::exchange::id::ExchangeId;
use crate::exchange::in_flight::Places;
use crate::exchange::large_answers::LargeAnswers;
use crate::exchange::ring::RingPool;
use crate::exchange::task::Tasks;
use crate::http1::shared::Shared;
use crate::http2::shared::Shared as Http2Shared;
use crate::observe::counters::LoopCounters;
use crate::observe::health::Health;
use crate::observe::observer::Observer;
use crate::websocket::shared::Shared as Sockets;

/// The settings of a loop.
pub(crate) struct Settings {
    pub(crate) io_thread: usize,
    /// How many loops there are.
    pub(crate) io_threads: usize,
    /// Whether connections may speak HTTP/1.
    pub(crate) http1: bool,
    /// Whether connections may speak HTTP/2.
    pub(crate) http2: bool,
    /// Whether clients are told that WebSockets may be streams of HTTP/2 (RFC 8441).
    pub(crate) extended_connect: bool,
    pub(crate) limits: Limits,
    pub(crate) timeouts: Timeouts,
    /// This loop's share of the memory for request bodies.
    pub(crate) body_memory: usize,
    /// How long a lane's handler may take, if there is a limit.
    pub(crate) request_timeout: Option<Duration>,
    /// How many requests may be with lanes, if there is a limit.
    pub(crate) in_flight: Option<Places>,
    /// How much is sent at once.
    pub(crate) send_budget: SendBudget,
    /// What lanes are told of connections.
    pub(crate) announce: Announce,
    /// Whether lanes get small bodies as they come too.
    pub(crate) stream_small_bodies: bool,
    /// The peers that may ask for https URLs.
    pub(crate) secured: Secured,
    /// What connections begin with, by the number of their endpoint.
    pub(crate) entrances: Arc<[Entrance]>,
    /// The topics of the server.
    pub(crate) topics: Arc<Topics>,
    /// How answers are compressed, if they are.
    pub(crate) compress: Option<Arc<Compress>>,
    /// What health checks are told.
    pub(crate) health: Arc<Health>,
}

/// How many bytes a connection may send before others have their turn. While a turn has sent
/// little, nothing waits, and the pieces are large. A loop with much to send goes round in smaller
/// pieces. Otherwise a client that asks for little would wait until all other answers are in the
/// kernel, which takes about 0.3 ms a MiB.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SendBudget {
    /// What a connection may send at once at the beginning of a turn,
    pub(crate) large: usize,
    /// after the turn has sent `busy` bytes,
    pub(crate) usual: usize,
    /// and after it has sent `full`.
    pub(crate) small: usize,
    pub(crate) busy: usize,
    pub(crate) full: usize,
    /// Connections that the last turn cut off may send this much together. The rest waits for the
    /// next turn.
    pub(crate) leftover: usize,
}

impl Default for SendBudget {
    fn default() -> Self {
        const MIB: usize = 1024 * 1024;
        Self {
            large: MIB,
            // An answer of 64 KiB goes with its head.
            usual: 72 * 1024,
            small: 32 * 1024,
            busy: MIB,
            full: 4 * MIB,
            leftover: 2 * MIB,
        }
    }
}

impl SendBudget {
    /// How much a connection may send, if the turn has sent this much.
    pub(crate) fn most(&self, sent: usize) -> usize {
        match sent {
            sent if sent < self.busy => self.large,
            sent if sent < self.full => self.usual,
            _ => self.small,
        }
    }
}

/// The services of one loop.
pub(crate) struct Services {
    pub(crate) settings: Settings,
    pub(crate) counters: Arc<CachePadded<LoopCounters>>,
    pub(crate) clock: Clock,
    pub(crate) table: Table,
    pub(crate) lanes: Lanes,
    pub(crate) tasks: Tasks,
    /// Opens files that handlers answer with, where that has to wait.
    pub(crate) opener: Arc<HandlerCell>,
    pub(crate) memory: BodyMemory,
    pub(crate) spares: Spares,
    /// The next piece of a body, for a lane, is read into it; empty between reads.
    pub(crate) piece: Vec<u8>,
    /// Deadlines of requests, if handlers have a limited time.
    pub(crate) deadlines: Option<Deadlines>,
    /// Follows every request from its head to its end, for the access log or while a person
    /// watches.
    pub(crate) observer: Option<Box<Observer>>,
    pub(crate) buffers: BufPool,
    pub(crate) rings: RingPool,
    /// The head that was read last, and the parameters that the table found for it.
    pub(crate) head: Head,
    pub(crate) params: Params,
    /// The row in which the request of `head` counts.
    pub(crate) row: u16,
    /// The path of `head` in its normal form, if that is another.
    pub(crate) normal_path: Option<Vec<u8>>,
    /// What the HTTP/1 connections of the loop share.
    pub(crate) http1: Shared,
    /// What its HTTP/2 connections share.
    pub(crate) http2: Http2Shared,
    /// How many requests of one connection may be at handlers, by the size of answers.
    pub(crate) large_answers: LargeAnswers,
    /// Parts of files that are not in memory and that streams are to send next.
    pub(crate) cold_reads: Vec<(ExchangeId, FileRange)>,
    /// What its WebSockets share.
    pub(crate) sockets: Sockets,
    /// What compresses large answers on a worker, and the memory for those that stream. None if
    /// answers are not compressed.
    pub(crate) compressor: Option<Compressor>,
    /// Slots of connections to look at before this turn ends.
    pub(crate) dirty: Vec<u32>,
    /// The server stops soon, or stops: answers say that the connection ends, where its client can
    /// make another.
    pub(crate) ending: bool,
    /// The server stops.
    pub(crate) draining: bool,
    /// Where a successor goes on with the listeners: how this server leaves.
    pub(crate) leaving: Option<Leaving>,
}

impl Services {
    pub(crate) fn new(
        settings: Settings,
        table: Table,
        counters: Arc<CachePadded<LoopCounters>>,
        clock: Clock,
    ) -> Self {
        let deadlines = settings.request_timeout.map(Deadlines::new);
        let http1 = Shared::new(settings.timeouts.idle);
        let sockets = Sockets::new(Arc::clone(&settings.topics));
        let compressor = settings.compress.as_ref().map(Compressor::new);
        Self {
            memory: BodyMemory::new(settings.body_memory),
            lanes: Lanes::of_loop(settings.io_thread, settings.io_threads),
            settings,
            counters,
            clock,
            table,
            tasks: Tasks::default(),
            opener: HandlerCell::new(&(Arc::new(Opener) as Arc<dyn Handler>)),
            spares: Spares::default(),
            piece: Vec::new(),
            deadlines,
            observer: None,
            buffers: BufPool::default(),
            rings: RingPool::default(),
            head: Head::default(),
            params: Params::default(),
            row: 0,
            normal_path: None,
            http1,
            http2: Http2Shared::default(),
            large_answers: LargeAnswers::default(),
            cold_reads: Vec::new(),
            sockets,
            compressor,
            dirty: Vec::new(),
            ending: false,
            draining: false,
            leaving: None,
        }
    }

    /// Names an exchange of a connection.
    #[inline]
    pub(crate) fn id(&self, core: &Core, stream: u32) -> ExchangeId {
        ExchangeId::new(self.settings.io_thread, core.id, stream)
    }

    /// Puts the connection on the list of those to look at before this turn ends.
    pub(crate) fn mark_dirty(&mut self, core: &mut Core) {
        if !core.listed.dirty {
            core.listed.dirty = true;
            self.dirty.push(core.id.slot);
        }
    }

    /// Tells the connection's lane that something happened to the connection.
    pub(crate) fn announce(&mut self, core: &mut Core, change: ConnectionChange) {
        let (io_thread, id) = (self.settings.io_thread, core.id);
        let connection = ExchangeId::of_connection(io_thread, id.slot, id.generation);
        self.lanes.announce(&mut core.lane, connection, core.peer, change);
    }
}
