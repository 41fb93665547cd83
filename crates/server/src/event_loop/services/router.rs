//! Finds the target of a request.

use std::sync::Arc;

use reactor_proto::{Method, RequestError};
use reactor_route::{Found, normal_path};

use crate::conn::core::Core;
use crate::dispatch::app::Compiled;
use crate::event_loop::services::Services;
use crate::exchange::answer::{Answer, Limit, ServerAnswer};
use crate::exchange::handler::HandlerCell;
use crate::exchange::task::Task;

/// Where certificate authorities look for the answer to a challenge (RFC 8555 §8.3).
const ACME: &[u8] = b"/.well-known/acme-challenge/";

/// The handler that a request goes to.
pub(crate) enum Destination {
    Worker(Arc<HandlerCell>),
    Lane { place: u8, route: u32 },
}

impl Services {
    /// Finds the handler for the head in [`head`](Self::head), whose bytes are `head`. If none is
    /// needed, it returns the answer. A connection that `keeps` its lane has other requests there.
    pub(crate) fn find_target(
        &mut self,
        core: &Core,
        head: &[u8],
        keeps: bool,
    ) -> Result<Destination, Answer> {
        let method = self.head.method();
        if method == Method::Connect {
            // This server is no proxy.
            return Err(Answer::Server(ServerAnswer::NotImplemented));
        }
        let path = self.head.path_bytes(head);
        if method == Method::Options && path == b"*" {
            return Err(Answer::Server(ServerAnswer::Options(None)));
        }
        if self.head.is_secure() && core.tls.is_none() && !self.settings.secured.has(core.peer) {
            let error = RequestError::TargetSchemeInsecure;
            return Err(Answer::Server(ServerAnswer::Rejected(error)));
        }
        if let Some(guard) = core.tls.as_ref().and_then(|tls| tls.guard.as_ref()) {
            let host = self.head.host().and_then(|host| std::str::from_utf8(host.of(head)).ok());
            if !guard.admits(host.unwrap_or_default()) {
                return Err(Answer::Server(ServerAnswer::Misdirected));
            }
        }
        if let Some(endpoint) = core.endpoint
            && let Some(entrance) = self.settings.entrances.get(usize::from(endpoint))
            && let Some(redirect) = entrance.redirect
            && !path.starts_with(ACME)
        {
            let target = self.head.target().of(head);
            let host = self.head.host().map(|host| host.of(head));
            return Err(Answer::Server(redirect.answer(host, target)));
        }
        let token = self.head.method_token().of(head);
        self.normal_path = normal_path(path);
        let path = self.normal_path.as_deref().unwrap_or(path);
        let answer = match self.table.find(token, path, &mut self.params) {
            Found::Target(Compiled::Worker(handler)) => {
                return Ok(Destination::Worker(handler.clone()));
            }
            Found::Target(Compiled::Lane(route)) => {
                let route = *route;
                match self.lanes.choose(core.lane, keeps) {
                    Some(place) => return Ok(Destination::Lane { place, route }),
                    None => ServerAnswer::Overloaded(Limit::NoThread),
                }
            }
            Found::Target(Compiled::Inline(inline)) => return Err(Answer::Inline(inline.clone())),
            _ if method == Method::Other => ServerAnswer::NotImplemented,
            // RFC 9110 §9.3.7: what the path allows, if no handler wants to say it.
            Found::MethodNotAllowed(allow) if method == Method::Options => {
                ServerAnswer::Options(Some([allow, ", OPTIONS"].concat().into()))
            }
            Found::MethodNotAllowed(allow) => ServerAnswer::MethodNotAllowed(allow.into()),
            // By default HAProxy asks this to learn whether the server is there.
            Found::NotFound if method == Method::Options && path == b"/" => {
                ServerAnswer::Options(Some("OPTIONS".into()))
            }
            Found::NotFound => ServerAnswer::NotFound,
        };
        Err(Answer::Server(answer))
    }

    /// Fills the task's request in from the head that [`find_target`](Self::find_target)
    /// was last called for.
    pub(crate) fn fill_request(&mut self, task: &mut Task, head: &[u8]) {
        let request = &mut task.request;
        request.head.clone_from(&self.head);
        request.head_bytes.extend_from_slice(head);
        if let Some(path) = self.normal_path.take() {
            self.params.shift(head.len() - self.head.path().start as usize);
            request.head_bytes.extend_from_slice(&path);
        }
        std::mem::swap(&mut request.params, &mut self.params);
    }
}
