//! What is counted of each route and method.
//!
//! A row is a method and the label of a route. Rows have the same numbers in all loops, and keep
//! them as long as the server runs, so that counts go on when a program replaces its routes. Each
//! loop counts in rows of its own. A loop asks for the number of a row once, and finds it in its
//! table of routes from then on.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use reactor_proto::Method;

use crate::observe::counter::Counter;
use crate::observe::histogram::Histogram;

/// The most rows. What has none of its own counts in the last.
pub(crate) const MOST: usize = 256;

/// The row of requests that no route answers and whose method is not known.
pub(crate) const NO_ROUTE: u16 = 0;

/// The last row.
const OTHERS: u16 = 255;

/// The label of requests that the server answers by itself.
pub(crate) const BUILT_IN: &str = "built-in";

/// Methods, by their number in [`Method`].
const METHODS: [&str; 10] =
    ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", OTHER];

/// A method that has no row of its own.
const OTHER: &str = "OTHER";

/// The number of a row that is not known yet.
const UNKNOWN: u16 = u16::MAX;

/// The names of the rows: methods, and labels of routes.
pub(crate) struct RowNames(Mutex<Vec<(&'static str, Arc<str>)>>);

impl Default for RowNames {
    fn default() -> Self {
        Self(Mutex::new(vec![(OTHER, BUILT_IN.into())]))
    }
}

impl RowNames {
    /// The number of a row. The last one's if there are too many.
    #[cold]
    #[inline(never)]
    fn number(&self, method: Method, label: &Arc<str>) -> u16 {
        let name = (METHODS[method as usize], Arc::clone(label));
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = names.iter().position(|each| *each == name).unwrap_or_else(|| {
            if names.len() < MOST - 1 {
                names.push(name);
                names.len() - 1
            } else {
                MOST - 1
            }
        });
        u16::try_from(number).unwrap_or(OTHERS)
    }

    /// The rows that have names, with their methods and labels.
    pub(crate) fn all(&self) -> Vec<(usize, &'static str, Arc<str>)> {
        let names = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let named = names.into_iter().enumerate();
        let others = (MOST - 1, OTHER, "other".into());
        named.map(|(row, (method, label))| (row, method, label)).chain([others]).collect()
    }
}

/// The labels of one loop's table of routes, and the rows that they have.
pub(crate) struct Labels {
    labels: Vec<Arc<str>>,
    rows: Vec<[u16; METHODS.len()]>,
}

impl Labels {
    pub(crate) fn new(labels: Vec<Arc<str>>) -> Self {
        let rows = vec![[UNKNOWN; METHODS.len()]; labels.len()];
        Self { labels, rows }
    }

    /// The row of a request with this method whose route has the label in this place.
    #[inline]
    pub(crate) fn row(&mut self, label: u16, method: Method, counters: &RouteCounters) -> u16 {
        let Some(rows) = self.rows.get_mut(usize::from(label)) else { return OTHERS };
        let row = &mut rows[method as usize];
        if *row == UNKNOWN {
            *row = counters.names.number(method, &self.labels[usize::from(label)]);
        }
        *row
    }
}

/// What one loop counts.
pub(crate) struct RouteCounters {
    names: Arc<RowNames>,
    rows: Box<[OnceLock<Box<Row>>]>,
}

/// One row of one loop.
#[derive(Default)]
pub(crate) struct Row {
    /// Answers by the first digit of the status; index 0 is 1xx.
    pub(crate) responses: [Counter; 5],
    /// From head to last byte, of requests that were observed.
    pub(crate) latency: OnceLock<Histogram>,
}

impl Default for RouteCounters {
    fn default() -> Self {
        Self::new(&Arc::default())
    }
}

impl RouteCounters {
    pub(crate) fn new(names: &Arc<RowNames>) -> Self {
        let rows = (0..MOST).map(|_| OnceLock::new()).collect();
        Self { names: Arc::clone(names), rows }
    }

    /// An answer with a status of this class begins; 0 is 1xx.
    #[inline]
    pub(crate) fn response(&self, row: u16, class: usize) {
        if let Some(place) = self.rows.get(usize::from(row)) {
            let row = place.get().map_or_else(|| begin(place), |row| &**row);
            row.responses[class].add(1);
        }
    }

    /// An answer has ended, this long after its request's head.
    pub(crate) fn latency(&self, row: u16, duration: Duration) {
        if let Some(row) = self.rows.get(usize::from(row)).and_then(OnceLock::get) {
            row.latency.get_or_init(Histogram::coarse).record(duration);
        }
    }

    /// The row, if something has been counted there.
    pub(crate) fn row(&self, row: usize) -> Option<&Row> {
        self.rows.get(row)?.get().map(|row| &**row)
    }
}

/// The first answer of a row.
#[cold]
#[inline(never)]
fn begin(place: &OnceLock<Box<Row>>) -> &Row {
    place.get_or_init(Box::default)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_have_their_names() {
        for (number, name) in METHODS.iter().enumerate() {
            assert_eq!(Method::from_token(name.as_bytes()) as usize, number);
        }
    }

    #[test]
    fn rows_are_the_same_in_each_loop_and_after_a_reload() {
        let names = Arc::default();
        let (one, other) = (RouteCounters::new(&names), RouteCounters::new(&names));
        let labels = |labels: &[&str]| Labels::new(labels.iter().map(|&it| it.into()).collect());
        let mut before = labels(&[BUILT_IN, "/a", "/b"]);
        assert_eq!(before.row(0, Method::Other, &one), NO_ROUTE);
        let row = before.row(2, Method::Post, &one);
        assert_ne!(row, before.row(2, Method::Get, &one));
        let mut after = labels(&[BUILT_IN, "/b"]);
        assert_eq!(after.row(1, Method::Post, &other), row);
        assert_eq!(&*names.all()[usize::from(row)].2, "/b");
        assert_eq!(after.row(7, Method::Post, &other), OTHERS);
    }

    #[test]
    fn too_many_routes_share_the_last_row() {
        let counters = RouteCounters::default();
        let labels = (0..300).map(|number| format!("/{number}").into()).collect();
        let mut labels = Labels::new(labels);
        let rows: Vec<u16> =
            (0..300).map(|label| labels.row(label, Method::Get, &counters)).collect();
        assert_eq!(rows[..254], (1..255).collect::<Vec<_>>());
        assert!(rows[254..].iter().all(|&row| row == OTHERS));
        counters.response(OTHERS, 1);
        counters.latency(OTHERS, Duration::from_millis(1));
        counters.latency(7, Duration::from_millis(1));
        assert_eq!(counters.row(255).map(|row| row.responses[1].get()), Some(1));
        assert!(counters.row(7).is_none(), "nothing began there");
        let names = counters.names.all();
        let last = names.last().map(|(row, method, label)| (*row, *method, &**label));
        assert_eq!((names.len(), last), (MOST, Some((255, "OTHER", "other"))));
    }
}
