//! Metrics of the program, on the page of the server's.

use napi::Result;
use napi::bindgen_prelude::Function;
use napi::threadsafe_function::ThreadsafeFunctionCallMode;
use napi_derive::napi;

use crate::server::NativeServer;

#[napi]
impl NativeServer {
    /// `on_ask` is called on this thread when the page of metrics wants the program's own. It must
    /// lead to `programSaid`. It keeps neither the process nor the thread alive.
    #[napi]
    pub fn ask_program(&self, on_ask: Function<'_, (), ()>) -> Result<()> {
        let on_ask = on_ask
            .build_threadsafe_function::<()>()
            .callee_handled::<false>()
            .weak::<true>()
            .build()?;
        self.server.ask_program(Box::new(move || {
            // Fails only while the environment ends; then the page does without.
            on_ask.call((), ThreadsafeFunctionCallMode::NonBlocking);
        }));
        Ok(())
    }

    /// Answers `askProgram`: with whole lines of the page's format, or, if it is not `isUp`, with a
    /// comment that says why not.
    #[napi]
    pub fn program_said(&self, is_up: bool, text: String) {
        self.server.program_said(is_up, text);
    }
}
