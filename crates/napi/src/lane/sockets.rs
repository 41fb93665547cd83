//! WebSockets of a lane: settings, upgrades, messages.

use std::sync::Arc;
use std::time::Duration;

use napi::{Error, Result, Status};
use napi_derive::napi;
use reactor_server::{
    Compression, Exchange, ExchangeId, Frame, LaneReplies, LaneReply, NoUpgrade, Outgoing,
    OutgoingKind, Publishing, SocketLimits, SocketSettings, WhenFull,
};

use super::exchanges::{Exchanges, Socket};
use super::replies::{self, add_fields};
use super::words::{
    NOBODY, PUBLISH, SEND_BINARY, SEND_COMPRESSED, SEND_LATEST, SEND_PING, SEND_PONG, SEND_TEXT,
};
use super::{NativeLane, invalid};

/// Settings of WebSockets; TypeScript has checked them.
#[napi(object)]
pub struct NativeSocketSettings {
    /// Bytes of a message at most.
    pub max_payload: f64,
    /// Milliseconds without anything from the client, after which it is closed. 0: never.
    pub idle_timeout: f64,
    /// Whether the engine sends pings.
    pub send_pings: bool,
    /// Milliseconds that a message may take.
    pub message_timeout: f64,
    /// Milliseconds for the client's answer to a close frame.
    pub close_timeout: f64,
    /// Unsent bytes of a socket at most.
    pub max_unsent: f64,
    /// What a socket that is full does with a published message: 0 drops it, 1 cuts it off.
    pub when_full: u32,
    /// Compression: 0 off, 1 shared, 2 dedicated.
    pub compression: u32,
    /// Level of compression, 1 to 9.
    pub level: u32,
    /// Bytes below which a message is not compressed.
    pub threshold: f64,
    /// Whether JavaScript is told of pings and pongs.
    pub tell_pings: bool,
}

/// Why a request opens no WebSocket.
#[napi(object)]
pub struct NativeNoUpgrade {
    /// The status to answer with.
    pub status: u32,
    /// Names and values of fields, in turn.
    pub fields: Vec<String>,
    /// The reason.
    pub text: String,
}

impl From<NoUpgrade> for NativeNoUpgrade {
    fn from(NoUpgrade { status, fields, text }: NoUpgrade) -> Self {
        let fields = fields.iter().flat_map(|&(name, value)| [name.to_owned(), value.to_owned()]);
        Self { status: u32::from(status), fields: fields.collect(), text }
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "they are checked")]
impl From<NativeSocketSettings> for SocketSettings {
    fn from(settings: NativeSocketSettings) -> Self {
        let millis = |span: f64| Duration::from_millis(span.max(0.0) as u64);
        Self {
            limits: SocketLimits {
                message: settings.max_payload.max(0.0) as u64,
                ..SocketLimits::default()
            },
            idle: (settings.idle_timeout > 0.0).then(|| millis(settings.idle_timeout)),
            sends_pings: settings.send_pings,
            message_timeout: millis(settings.message_timeout),
            close_timeout: millis(settings.close_timeout),
            most_unsent: settings.max_unsent.max(0.0) as usize,
            when_full: if settings.when_full == 1 { WhenFull::Close } else { WhenFull::Drop },
            compression: match settings.compression {
                0 => Compression::Off,
                1 => Compression::Shared,
                _ => Compression::Dedicated,
            },
            level: settings.level.clamp(1, 9) as u8,
            threshold: settings.threshold.max(0.0) as usize,
            tells_pings: settings.tell_pings,
        }
    }
}

/// Settings that sockets of this lane are opened with, each once.
#[derive(Default)]
pub(super) struct Settings(Vec<Arc<SocketSettings>>);

impl Settings {
    pub(super) fn add(&mut self, settings: NativeSocketSettings) -> u32 {
        let settings = SocketSettings::from(settings);
        let place = self.0.iter().position(|known| **known == settings).unwrap_or_else(|| {
            self.0.push(Arc::new(settings));
            self.0.len() - 1
        });
        u32::try_from(place).unwrap_or(u32::MAX)
    }

    pub(super) fn get(&self, place: u32) -> Result<&Arc<SocketSettings>> {
        self.0.get(place as usize).ok_or_else(|| invalid("settings of no socket"))
    }
}

#[napi]
impl NativeLane {
    /// Notes settings of WebSockets. Returns the number that names them for `upgrade`.
    #[napi]
    pub fn web_socket_settings(&mut self, settings: NativeSocketSettings) -> u32 {
        self.sockets.add(settings)
    }

    /// Opens a WebSocket with a request, with settings of this number. The first `fields_length`
    /// bytes of `fields` are further fields of the answer. Returns what is to be answered instead if
    /// the request is no handshake of a WebSocket (RFC 6455 §4.2.1). Call `turn` soon after.
    #[napi]
    pub fn upgrade(
        &mut self,
        id: u32,
        settings: u32,
        fields: &[u8],
        fields_length: u32,
    ) -> Result<Option<NativeNoUpgrade>> {
        let Some(sink) = &mut self.replies else { return Ok(None) };
        let settings = self.sockets.get(settings)?;
        let fields = fields
            .get(..fields_length as usize)
            .ok_or_else(|| invalid("fields are longer than their array"))?;
        upgrade(id, settings, fields, &mut self.exchanges, sink)
    }

    /// Takes a WebSocket that another lane has handed over. The arguments are those of the event.
    /// Returns the number of its exchange. If the socket is gone meanwhile, an event says so.
    #[napi]
    pub fn adopt(
        &mut self,
        io_thread: u32,
        slot: u32,
        number: u32,
        exchange: u32,
        compressed_from: u32,
    ) -> Result<u32> {
        let Some(sink) = &mut self.replies else { return Err(invalid("the lane has no server")) };
        if io_thread as usize >= sink.io_threads() {
            return Err(invalid("a connection of no I/O thread"));
        }
        let exchange = ExchangeId::of_parts(io_thread as usize, slot, number, exchange);
        let from = (compressed_from != NOBODY).then_some(compressed_from as usize);
        self.lane.adopted();
        sink.push(LaneReply::Adopt(exchange, self.lane.key()));
        self.lane.flush(sink);
        Ok(self.exchanges.adopt(exchange, from))
    }

    /// Takes the replies of a batch, and after them one message that does not fit their array: a
    /// `SEND`, or a `PUBLISH` with its topic.
    #[napi]
    #[allow(clippy::too_many_arguments, reason = "the fields of two records")]
    pub fn send_large(
        &mut self,
        replies: &[u32],
        reply_words: u32,
        reply_bytes: &[u8],
        kind: u32,
        id: u32,
        flags: u32,
        topic: &[u8],
        data: &[u8],
        data_length: u32,
    ) -> Result<()> {
        let Some(sink) = &mut self.replies else { return Ok(()) };
        let words = replies
            .get(..reply_words as usize)
            .ok_or_else(|| invalid("more reply words than the array has"))?;
        let data = data
            .get(..data_length as usize)
            .ok_or_else(|| invalid("a message is longer than its array"))?;
        let taken = replies::take(words, reply_bytes, &mut self.exchanges, &mut self.bodies, sink);
        let publishes = kind == PUBLISH;
        let sent = send_one(publishes, id, flags, topic, data, &self.exchanges, sink);
        self.lane.answered(self.exchanges.take_ended());
        self.lane.flush(sink);
        taken.and(sent)
    }

    /// How many WebSockets of the server have subscribed to a topic.
    #[napi]
    #[allow(clippy::needless_pass_by_value, reason = "Node-API gives a string of our own")]
    pub fn subscriber_count(&self, topic: String) -> u32 {
        let count = self.replies.as_ref().map_or(0, |sink| sink.subscribers(topic.as_bytes()));
        u32::try_from(count).unwrap_or(u32::MAX)
    }
}

/// Opens a WebSocket with an exchange. Returns what is to be answered instead if that cannot be. No-op
/// if the exchange is over: an event says so.
pub(super) fn upgrade(
    id: u32,
    settings: &Arc<SocketSettings>,
    fields: &[u8],
    exchanges: &mut Exchanges,
    sink: &mut LaneReplies,
) -> Result<Option<NativeNoUpgrade>> {
    let Some(task) = exchanges.task(id) else { return Ok(None) };
    let compresses = match task.upgrade(settings) {
        Ok(compresses) => compresses,
        Err(refusal) => return Ok(Some(refusal.into())),
    };
    if let Err(error) = add_fields(task.response(), fields) {
        task.forget_response();
        return Err(Error::new(Status::InvalidArg, error.to_string()));
    }
    exchanges.open_socket(id, compresses.then_some(settings.threshold));
    if let Some(task) = exchanges.take_task(id) {
        sink.push(LaneReply::Response(task));
    }
    Ok(None)
}

/// Sends a message.
pub(super) fn send(
    exchange: ExchangeId,
    socket: Option<Socket>,
    flags: u32,
    data: &[u8],
    sink: &mut LaneReplies,
) -> Result<()> {
    let (frame, kind) = match flags & 0xff {
        SEND_TEXT => (Frame::TEXT, OutgoingKind::Text),
        SEND_BINARY => (Frame::BINARY, OutgoingKind::Binary),
        SEND_PING => (Frame::PING, OutgoingKind::Ping),
        SEND_PONG => (Frame::PONG, OutgoingKind::Pong),
        _ => return Err(invalid("a message of no known kind")),
    };
    let is_message = matches!(kind, OutgoingKind::Text | OutgoingKind::Binary);
    let from = socket.and_then(|socket| socket.compressed_from);
    if is_message && flags & SEND_COMPRESSED != 0 && from.is_some_and(|from| data.len() >= from) {
        let message = Outgoing { kind, compress: true, data: data.to_vec() };
        sink.push(LaneReply::Message(exchange, message));
    } else {
        sink.frame(exchange, frame, data);
    }
    Ok(())
}

/// Publishes a message. `id` is the socket that does not get it, or [`NOBODY`].
pub(super) fn publish(
    id: u32,
    flags: u32,
    topic: &[u8],
    data: &[u8],
    exchanges: &Exchanges,
    sink: &mut LaneReplies,
) {
    let except = if id == NOBODY { None } else { exchanges.exchange(id) };
    sink.publish(topic, data, Publishing { except, ..publishing(flags) });
}

/// Sends or publishes a message that did not fit the arrays. No-op if its socket is over.
pub(super) fn send_one(
    publishes: bool,
    id: u32,
    flags: u32,
    topic: &[u8],
    data: &[u8],
    exchanges: &Exchanges,
    sink: &mut LaneReplies,
) -> Result<()> {
    if publishes {
        publish(id, flags, topic, data, exchanges, sink);
        return Ok(());
    }
    let Some(exchange) = exchanges.exchange(id) else { return Ok(()) };
    send(exchange, exchanges.socket(id), flags, data, sink)
}

/// How a message with these flags is published.
pub(crate) fn publishing(flags: u32) -> Publishing {
    Publishing {
        is_text: flags & 0xff == SEND_TEXT,
        compress: flags & SEND_COMPRESSED != 0,
        latest: flags & SEND_LATEST != 0,
        except: None,
    }
}

/// What ends with the lane: clients of WebSockets may come back.
pub(super) fn leave(exchange: ExchangeId, task: Option<Exchange>, is_socket: bool) -> LaneReply {
    match task {
        Some(mut task) => {
            task.refuse();
            LaneReply::Response(task)
        }
        None if is_socket => {
            let reason = "the server starts again".to_owned();
            LaneReply::CloseSocket(exchange, Some(1012), reason)
        }
        None => LaneReply::Abort(exchange),
    }
}
