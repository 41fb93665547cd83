//! What serves the names that clients want, where JavaScript says so in each handshake.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};

use napi::bindgen_prelude::Function;
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Env, Result, Status};
use napi_derive::napi;
use reactor_server::{NameChoice, NameQuestion, ServesNames};
use reactor_tls::Config;

use crate::tls::NativeTls;

type OnAsk = ThreadsafeFunction<(), (), (), Status, false, true>;

/// Questions of I/O loops, which bound their number, until JavaScript answers.
pub(crate) struct Names {
    open: Mutex<Open>,
    /// Wakes JavaScript. None once it is closed.
    on_ask: RwLock<Option<OnAsk>>,
}

#[derive(Default)]
struct Open {
    questions: HashMap<u32, NameQuestion>,
    /// Those that JavaScript has not taken.
    fresh: Vec<u32>,
    next: u32,
    is_closed: bool,
}

impl Names {
    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self, question: NameQuestion) {
        let mut open = self.open();
        if open.is_closed {
            // Dropping the question refuses the client.
            return;
        }
        let id = open.next;
        open.next = id.wrapping_add(1);
        open.questions.insert(id, question);
        open.fresh.push(id);
        let is_first = open.fresh.len() == 1;
        drop(open);
        if is_first
            && let Some(on_ask) = &*self.on_ask.read().unwrap_or_else(PoisonError::into_inner)
        {
            on_ask.call((), ThreadsafeFunctionCallMode::NonBlocking);
        }
    }
}

/// What a listener asks.
pub(crate) struct Asks(pub(crate) Arc<Names>);

impl ServesNames for Asks {
    fn ask(&self, question: NameQuestion) {
        self.0.ask(question);
    }
}

/// A question: which settings serve a name?
#[napi(object)]
pub struct NativeNameQuestion {
    /// Its number.
    pub id: u32,
    /// The name; absent if the client did not say any.
    pub name: Option<String>,
}

/// Answers questions which settings serve a name.
#[napi]
pub struct NativeNames {
    names: Arc<Names>,
    id: u32,
}

#[napi]
impl NativeNames {
    /// `on_ask` is called on this thread when questions are there. It keeps neither the process nor
    /// the thread alive.
    #[napi(constructor)]
    pub fn new(on_ask: Function<'_, (), ()>) -> Result<Self> {
        let on_ask = on_ask
            .build_threadsafe_function::<()>()
            .callee_handled::<false>()
            .weak::<true>()
            .build()?;
        let names = Arc::new(Names { open: Mutex::default(), on_ask: RwLock::new(Some(on_ask)) });
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        all().insert(id, Arc::downgrade(&names));
        Ok(Self { names, id })
    }

    /// Its number, for the settings of a listener.
    #[napi(getter)]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The questions that were not taken yet. Each must be answered.
    #[napi]
    pub fn take(&self) -> Vec<NativeNameQuestion> {
        let mut open = self.names.open();
        let fresh = std::mem::take(&mut open.fresh);
        fresh
            .into_iter()
            .filter_map(|id| {
                let name = open.questions.get(&id)?.name().map(str::to_owned);
                Some(NativeNameQuestion { id, name })
            })
            .collect()
    }

    /// Answers with settings.
    #[napi]
    pub fn serve(&self, id: u32, context: &NativeContext) {
        self.answer(id, NameChoice::Config(Arc::clone(&context.config)));
    }

    /// Answers with the listener's own settings.
    #[napi]
    pub fn serve_own(&self, id: u32) {
        self.answer(id, NameChoice::Own);
    }

    /// Answers that nothing serves the name: the client is refused.
    #[napi]
    pub fn refuse(&self, id: u32) {
        self.answer(id, NameChoice::Refuse);
    }

    fn answer(&self, id: u32, choice: NameChoice) {
        // The loop is told without the lock.
        let question = self.names.open().questions.remove(&id);
        if let Some(question) = question {
            question.answer(choice);
        }
    }

    /// Takes no more questions. The clients of those that are open are refused.
    #[napi]
    pub fn close(&self) {
        let questions = {
            let mut open = self.names.open();
            open.is_closed = true;
            open.fresh.clear();
            std::mem::take(&mut open.questions)
        };
        drop(questions);
        let on_ask = self.names.on_ask.write().unwrap_or_else(PoisonError::into_inner).take();
        drop(on_ask);
        all().remove(&self.id);
    }
}

/// Settings that were checked, for answers.
#[napi]
pub struct NativeContext {
    config: Arc<Config>,
}

#[napi]
impl NativeContext {
    /// Throws where something is wrong with them.
    #[napi(constructor)]
    pub fn new(env: Env, tls: NativeTls) -> Result<Self> {
        let tls = tls.into_tls().map_err(|failure| failure.into_error(env))?;
        Ok(Self { config: tls.current() })
    }
}

/// Those that listeners may ask, by number. Weak, because they belong to their threads and listeners.
static ALL: Mutex<BTreeMap<u32, Weak<Names>>> = Mutex::new(BTreeMap::new());
static NEXT: AtomicU32 = AtomicU32::new(1);

fn all() -> MutexGuard<'static, BTreeMap<u32, Weak<Names>>> {
    ALL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What has this number, if it was not closed.
pub(crate) fn find(id: u32) -> Option<Arc<Names>> {
    all().get(&id).and_then(Weak::upgrade)
}
