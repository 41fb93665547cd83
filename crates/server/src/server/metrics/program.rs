//! A program's own metrics, on the page behind the server's.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::server::metrics::page::Page;

/// How long a page waits for the program.
const PATIENCE: Duration = Duration::from_secs(1);

/// The most pages that wait at once. The listener has one thread more, for health checks.
const MOST_WAITING: usize = 2;

/// The threads of a listener whose pages wait for a program.
pub(crate) const THREADS: usize = MOST_WAITING + 1;

const LATE: &str = "# The program's own metrics are missing: it has not answered within 1 s.\n";
const CROWD: &str = "# The program's own metrics are missing: too many pages wait for them.\n";

/// Asks a program for its metrics, once at a time.
#[derive(Default)]
pub(crate) struct Program {
    state: Mutex<State>,
    answered: Condvar,
}

#[derive(Default)]
struct State {
    /// Makes the program answer. None before the server's start is over, and once it has stopped.
    ask: Option<Box<dyn Fn() + Send>>,
    /// When the program was asked what it has not answered.
    asked: Option<Instant>,
    /// How many answers there were.
    answers: u64,
    /// The last one, while a page wants it.
    said: Option<Arc<Said>>,
    waiting: usize,
}

/// What the program has answered.
struct Said {
    /// Its metrics are there. Otherwise the text is a comment that says why not.
    is_up: bool,
    /// Whole lines of the page's format. The caller of [`Program::said`] has checked them.
    text: String,
}

impl Program {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn ask_with(&self, ask: Box<dyn Fn() + Send>) {
        self.state().ask = Some(ask);
    }

    /// Takes the program's answer.
    pub(crate) fn said(&self, is_up: bool, text: String) {
        let mut state = self.state();
        state.asked = None;
        state.answers += 1;
        state.said = (state.waiting > 0).then(|| Arc::new(Said { is_up, text }));
        drop(state);
        self.answered.notify_all();
    }

    /// Asks no more, and lets go those who wait.
    pub(crate) fn close(&self) {
        let ask = self.state().ask.take();
        // Dropped without the lock.
        drop(ask);
        self.said(false, LATE.to_owned());
    }

    /// The program's answer, or a comment that says why there is none.
    fn hear(&self) -> Result<Arc<Said>, &'static str> {
        let mut state = self.state();
        if state.waiting == MOST_WAITING {
            return Err(CROWD);
        }
        let now = Instant::now();
        let until = state.asked.unwrap_or(now) + PATIENCE;
        if state.asked.is_none() {
            let ask = state.ask.as_ref().ok_or(LATE)?;
            ask();
            state.asked = Some(now);
        }
        let answers = state.answers;
        state.waiting += 1;
        // An earlier ask may be older than a page would wait: then this one does not.
        let left = |until: Instant| until.saturating_duration_since(Instant::now());
        while state.answers == answers && !left(until).is_zero() {
            let waited = self.answered.wait_timeout(state, left(until));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let said = state.said.clone().filter(|_| state.answers != answers);
        state.waiting -= 1;
        if state.waiting == 0 {
            state.said = None;
        }
        said.ok_or(LATE)
    }

    /// Writes the program's metrics behind the others.
    pub(super) fn write(&self, page: &mut Page) {
        let heard = self.hear();
        let (is_up, text) = match &heard {
            Ok(said) => (said.is_up, &*said.text),
            Err(why) => (false, *why),
        };
        let help = "1 if the program's own metrics are on this page.";
        page.only_gauge("reactor_program_metrics_up", help, is_up.into());
        let text = without_twins(&page.text, text);
        page.text.push_str(&text);
    }
}

/// The lines of `text` but for those of families that `page` has. A comment names these.
fn without_twins(page: &str, text: &str) -> String {
    let types = page.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let families: Vec<&str> = types.filter_map(|line| line.split(' ').next()).collect();
    let mut kept = String::with_capacity(text.len());
    let mut twins: Vec<&str> = Vec::new();
    for line in text.split_inclusive('\n') {
        let name = name_of(line);
        match families.iter().find(|family| is_of(name, family)) {
            Some(family) if twins.contains(family) => {}
            Some(family) => twins.push(family),
            None => kept.push_str(line),
        }
    }
    if !twins.is_empty() {
        kept.push_str("# Left out of the program's own metrics, because the server has them: ");
        kept.push_str(&twins.join(", "));
        kept.push('\n');
    }
    kept
}

/// The name that a line is about. Empty for a comment without one.
fn name_of(line: &str) -> &str {
    let line = match line.strip_prefix("# ") {
        Some(comment) => comment.split_once(' ').map_or("", |(_, rest)| rest),
        None => line,
    };
    line.split(['{', ' ', '\t', '\n']).next().unwrap_or_default()
}

/// Whether a sample of this name belongs to a family, which may be a histogram.
fn is_of(name: &str, family: &str) -> bool {
    name.strip_prefix(family).is_some_and(|rest| matches!(rest, "" | "_bucket" | "_sum" | "_count"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(program: &Program) -> String {
        let mut page = Page::default();
        program.write(&mut page);
        page.text.rsplit_once("reactor_program_metrics_up ").unwrap().1.to_owned()
    }

    /// A program that answers at once, from a thread of its own.
    fn answers(text: &'static str) -> Arc<Program> {
        let program = Arc::new(Program::default());
        let weak = Arc::downgrade(&program);
        program.ask_with(Box::new(move || {
            let weak = weak.clone();
            std::thread::spawn(move || weak.upgrade().unwrap().said(true, text.to_owned()));
        }));
        program
    }

    #[test]
    fn an_answer_is_on_the_page_and_is_not_kept() {
        let program = answers("mine 1\n");
        assert_eq!(page(&program), "1\nmine 1\n");
        assert_eq!(page(&program), "1\nmine 1\n");
        assert!(program.state().said.is_none());
    }

    #[test]
    fn a_program_that_does_not_answer_is_asked_once_and_waited_for_once() {
        let program = Program::default();
        let asks = Arc::new(Mutex::new(0));
        let count = Arc::clone(&asks);
        program.ask_with(Box::new(move || *count.lock().unwrap() += 1));
        let start = Instant::now();
        for _ in 0..50 {
            assert_eq!(page(&program), format!("0\n{LATE}"));
        }
        assert!(start.elapsed() < PATIENCE * 25, "it waits for each page");
        assert_eq!(*asks.lock().unwrap(), 1);
        // A late answer is of no use, but lets it be asked again.
        program.said(true, "late 1\n".to_owned());
        assert!(program.state().said.is_none());
        page(&program);
        assert_eq!(*asks.lock().unwrap(), 2);
    }

    #[test]
    fn a_thread_stays_for_others() {
        let program = Program::default();
        program.state().waiting = MOST_WAITING;
        assert_eq!(page(&program), format!("0\n{CROWD}"));
    }

    #[test]
    fn those_who_wait_are_let_go_at_the_end() {
        let program = Arc::new(Program::default());
        let closing = Arc::downgrade(&program);
        program.ask_with(Box::new(move || {
            let closing = closing.clone();
            std::thread::spawn(move || closing.upgrade().unwrap().close());
        }));
        assert_eq!(page(&program), format!("0\n{LATE}"));
        assert_eq!(page(&program), format!("0\n{LATE}"));
    }

    #[test]
    fn families_that_the_page_has_are_left_out_and_named() {
        let page = "# HELP a_seconds A.\n# TYPE a_seconds histogram\n# TYPE b gauge\nb 1\n";
        let text = "# HELP a_seconds Mine.\n# TYPE a_seconds histogram\n\
                    a_seconds_bucket{le=\"1\"} 1\na_seconds_sum 1\na_seconds_count 1\n\
                    # TYPE a_seconds_more gauge\na_seconds_more 1\n# b is a comment\nb{x=\"1\"} 2\nbb 3\n";
        assert_eq!(
            without_twins(page, text),
            "# TYPE a_seconds_more gauge\na_seconds_more 1\n# b is a comment\nbb 3\n\
             # Left out of the program's own metrics, because the server has them: a_seconds, b\n"
        );
    }
}
