//! Finds the target of a request.

use std::sync::Arc;

use reactor_proto::{Method, RequestError, Wishes};
use reactor_route::{Found, normal_path};

use crate::conn::core::Core;
use crate::dispatch::app::{Compiled, FilesTarget, Routed};
use crate::dispatch::files::answer::Asked;
use crate::dispatch::files::site::Wanted;
use crate::event_loop::services::Services;
use crate::exchange::answer::{Answer, Limit, ServerAnswer};
use crate::exchange::compression::decision::codings_of;
use crate::exchange::handler::HandlerCell;
use crate::exchange::task::Task;
use crate::exchange::terms::Terms;
use crate::observe::health::Question;
use crate::observe::routes::NO_ROUTE;

/// Where certificate authorities look for the answer to a challenge (RFC 8555 §8.3).
const ACME: &[u8] = b"/.well-known/acme-challenge/";

/// The methods that files take.
const FILE_METHODS: &str = "GET, HEAD, OPTIONS";

/// The handler that a request goes to.
pub(crate) enum Destination {
    Worker(Arc<HandlerCell>),
    /// A worker too, whose answers are not compressed any more.
    Files(Arc<HandlerCell>),
    Lane {
        place: u8,
        route: u32,
        plain: bool,
    },
}

impl Services {
    /// Finds the handler for the head in [`head`](Self::head), whose bytes are `head`. If none is
    /// needed, it returns the answer. A connection that `keeps` its lane has other requests there.
    /// The row where the request counts is in [`row`](Self::row) then.
    pub(crate) fn find_target(
        &mut self,
        core: &Core,
        head: &[u8],
        keeps: bool,
    ) -> Result<Destination, Answer> {
        self.row = NO_ROUTE;
        let found = self.find(core, head, keeps);
        if self.row == NO_ROUTE {
            let (labels, method) = (&mut self.table.labels, self.head.method());
            self.row = labels.row(0, method, &self.counters.routes);
        }
        found
    }

    #[inline]
    fn find(&mut self, core: &Core, head: &[u8], keeps: bool) -> Result<Destination, Answer> {
        let method = self.head.method();
        if method == Method::Connect {
            // This server is no proxy.
            return Err(Answer::Server(ServerAnswer::NotImplemented));
        }
        let path = self.head.path_bytes(head);
        if method == Method::Options && path == b"*" {
            return Err(Answer::Server(ServerAnswer::Options(None)));
        }
        if self.head.is_secure() && !core.is_secure() && !self.settings.secured.has(core.peer) {
            let error = RequestError::TargetSchemeInsecure;
            return Err(Answer::Server(ServerAnswer::Rejected(error)));
        }
        if let Some(guard) = core.tls().and_then(|tls| tls.guard.as_ref()) {
            let host = self.head.host().and_then(|host| std::str::from_utf8(host.of(head)).ok());
            if !guard.admits(host.unwrap_or_default()) {
                return Err(Answer::Server(ServerAnswer::Misdirected));
            }
        }
        if let Some(endpoint) = core.endpoint
            && let Some(entrance) = self.settings.entrances.get(usize::from(endpoint))
            && let Some(redirect) = entrance.redirect
            && !core.is_secure()
            && !path.starts_with(ACME)
            && !self.settings.health.checks.has(path)
        {
            let target = self.head.target().of(head);
            let host = self.head.host().map(|host| host.of(head));
            return Err(Answer::Server(redirect.answer(host, target)));
        }
        let token = self.head.method_token().of(head);
        self.normal_path = normal_path(path);
        let path = self.normal_path.as_deref().unwrap_or(path);
        let found = self.table.routes.find(token, path, &mut self.params);
        if let Found::Target(&Routed { label, .. }) = found {
            self.row = self.table.labels.row(label, method, &self.counters.routes);
        }
        let found = found.map(|routed| &routed.compiled);
        let answer = match found {
            Found::Target(Compiled::Worker(handler)) => {
                return Ok(Destination::Worker(handler.clone()));
            }
            Found::Target(Compiled::Lane { route, plain }) => {
                let (route, plain) = (*route, *plain);
                match self.lanes.choose(core.lane, keeps) {
                    Some(place) => return Ok(Destination::Lane { place, route, plain }),
                    None => ServerAnswer::Overloaded(Limit::NoThread),
                }
            }
            Found::Target(Compiled::Inline(inline, forms)) => {
                let form = self.settings.compress.as_ref().and_then(|compress| {
                    forms.plain.as_ref()?;
                    compress.form(forms, codings_of(&self.head, head))
                });
                return Err(Answer::Inline(form.unwrap_or_else(|| inline.clone())));
            }
            Found::Target(Compiled::Files(_)) if method == Method::Other => {
                ServerAnswer::NotImplemented
            }
            Found::Target(Compiled::Files(files)) => {
                let files = Arc::clone(files);
                return self.find_file(core, head, &files);
            }
            Found::Target(Compiled::Health(question)) => {
                let question = *question;
                return Err(self.health(core, head, question));
            }
            // HAProxy asks this by default, and takes a server with this answer out.
            _ if method == Method::Options && path == b"/" && !self.settings.health.is_ready() => {
                ServerAnswer::Overloaded(Limit::NotReady)
            }
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

    /// Answers a health check.
    #[cold]
    fn health(&mut self, core: &Core, head: &[u8], question: Question) -> Answer {
        let (is_well, words) = self.settings.health.answer(question, self.clock.now());
        let mut task = self.new_task(core, 0, Terms::default());
        task.plain = true;
        task.response.set_status(if is_well { 200 } else { 503 });
        task.response.text();
        task.response.field_line("Cache-Control", b"no-store");
        task.response.body(words);
        self.fill_request(&mut task, head);
        Answer::Task(task)
    }

    /// Answers with a file, or has a worker do that.
    #[inline(never)]
    fn find_file(
        &mut self,
        core: &Core,
        head: &[u8],
        files: &FilesTarget,
    ) -> Result<Destination, Answer> {
        let method = self.head.method();
        if method == Method::Options {
            return Err(self.options_for_files(core, head, files));
        }
        if !matches!(method, Method::Get | Method::Head) {
            return Err(Answer::Server(ServerAnswer::MethodNotAllowed(FILE_METHODS.into())));
        }
        let mut task = self.new_task(core, 0, Terms::default());
        let path = self.head.path_bytes(head);
        let path = self.normal_path.as_deref().unwrap_or(path);
        let fields = self.head.fields().iter();
        let wanted = Wanted {
            path,
            rest: self.params.raw("*", path).unwrap_or_default(),
            asked: Asked {
                wishes: Wishes::of(fields.map(|field| (field.name.of(head), field.value.of(head)))),
                is_get: method == Method::Get,
                query: self.head.query().map(|query| query.of(head)),
                is_fresh: true,
                turn: self.clock.turn(),
                now: self.clock.millis(),
            },
        };
        if files.site.answer(&wanted, &mut task.response) {
            // A folder has its own word on compression.
            task.plain = true;
            self.fill_request(&mut task, head);
            return Err(Answer::Task(task));
        }
        self.recycle(task);
        Ok(Destination::Files(Arc::clone(&files.worker)))
    }

    /// What OPTIONS says of files (RFC 9110 §9.3.7). Browsers ask so before they ask for a file of
    /// another origin.
    #[cold]
    fn options_for_files(&mut self, core: &Core, head: &[u8], files: &FilesTarget) -> Answer {
        let Some(cors) = files.site.cors() else {
            if self.head.path_bytes(head) == b"/" && !self.settings.health.is_ready() {
                return Answer::Server(ServerAnswer::Overloaded(Limit::NotReady));
            }
            return Answer::Server(ServerAnswer::Options(Some(FILE_METHODS.into())));
        };
        let mut task = self.new_task(core, 0, Terms::default());
        let response = &mut task.response;
        let fields: [(&'static str, &str); 5] = [
            ("Allow", FILE_METHODS),
            ("Access-Control-Allow-Origin", cors),
            ("Access-Control-Allow-Methods", FILE_METHODS),
            ("Access-Control-Allow-Headers", "*"),
            ("Access-Control-Max-Age", "86400"),
        ];
        response.set_status(204);
        for (name, value) in fields {
            response.field_line(name, value.as_bytes());
        }
        self.fill_request(&mut task, head);
        Answer::Task(task)
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
