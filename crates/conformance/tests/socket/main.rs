//! Every case over a real socket, against a server in this process. It is sent whole, split
//! in two, byte by byte and in uneven pieces.

mod apps;
mod client;
mod date;
mod http2;
mod judge;
mod lane;
mod proof;
mod translate;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::SystemTime;

use apps::{Fleet, Seen};
use client::Tail;
use reactor_conformance::{Case, Layer, Segments, load, split_points};

/// Connections open at once: enough to hide the pauses between two pieces.
const CLIENTS: usize = 32;

/// A case that failed this often is not tried again, since each try may cost a timeout.
const ENOUGH: usize = 3;

/// After this many failed cases the run stops. A server that hangs would cost hours.
const HOPELESS: usize = 60;

/// Runs only the cases whose names contain what this environment variable says.
const ONLY: &str = "CORPUS_CASE";

/// With `all` the cases are split at every offset, which takes a minute of both cores. Otherwise it
/// is every third, from one that chance names. The codec's own tests split at every one.
const SPLITS: &str = "CORPUS_SPLITS";

/// The kinds of runs go one after the other, because they would disturb each other.
static TURN: Mutex<()> = Mutex::new(());

#[test]
fn whole() {
    run("whole", |_| vec![Segments::Whole], &[Tail::Behind]);
}

/// Without anything behind the case: its own bytes must be enough for the answer.
#[test]
fn alone() {
    run("alone", |_| vec![Segments::Whole], &[Tail::Nothing]);
}

#[test]
fn splits() {
    let step = if std::env::var(SPLITS).is_ok_and(|which| which == "all") { 1 } else { 3 };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let first = now.subsec_nanos() as usize % step;
    let cuts = |bytes: &[u8]| {
        let points = split_points(bytes).into_iter().skip(first).step_by(step);
        points.map(Segments::Split).collect()
    };
    run("split", cuts, &[Tail::Behind]);
}

#[test]
fn byte_by_byte() {
    run("byte by byte", |_| vec![Segments::Bytes], &[Tail::Behind]);
}

#[test]
fn uneven_pieces() {
    run("uneven", |_| (1..=4).map(Segments::Seeded).collect(), &[Tail::Behind]);
}

/// One connection to make.
struct Job<'c> {
    case: &'c Case,
    segments: Segments,
    tail: Tail,
}

fn run(kind: &str, cuts: impl Fn(&[u8]) -> Vec<Segments>, tails: &[Tail]) {
    let _turn = lock(&TURN);
    let only = std::env::var(ONLY).unwrap_or_default();
    let cases: Vec<Case> = load()
        .expect("the corpus loads")
        .into_iter()
        .filter(|case| case.layer != Layer::Codec && case.name.contains(&only))
        .collect();
    let mut jobs = Vec::new();
    for case in &cases {
        for tail in tails.iter().filter(|tail| tail.suits(case)) {
            let stream = [&case.bytes, tail.bytes(case)].concat();
            jobs.extend(cuts(&stream).into_iter().map(|segments| Job {
                case,
                segments,
                tail: *tail,
            }));
        }
    }
    assert!(
        jobs.len() > 800 || !only.is_empty(),
        "only {} connections: the corpus is not all there",
        jobs.len()
    );
    let fleet = Fleet::start(&cases, false);
    let next = AtomicUsize::new(0);
    let failures: Mutex<HashMap<&str, Vec<String>>> = Mutex::default();
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                loop {
                    let turn = next.fetch_add(1, Ordering::Relaxed);
                    let Some(job) = jobs.get(turn) else { break };
                    let name = job.case.name.as_str();
                    let enough = {
                        let failures = lock(&failures);
                        failures.len() >= HOPELESS
                            || failures.get(name).is_some_and(|failed| failed.len() >= ENOUGH)
                    };
                    if enough {
                        continue;
                    }
                    let server = fleet.server(job.case, turn);
                    let Job { case, segments, tail } = *job;
                    let verdict =
                        client::converse(case, segments, tail, server.address, &server.records);
                    if let Err(what) = verdict {
                        let what = what.chars().take(700).collect::<String>();
                        let line = format!("{:?}: {what}", job.segments);
                        lock(&failures).entry(name).or_default().push(line);
                    }
                }
            });
        }
    });
    let late = fleet.stop();
    let failures = failures.into_inner().unwrap_or_else(PoisonError::into_inner);
    report(kind, &cases, &failures, &late);
}

fn report(kind: &str, cases: &[Case], failures: &HashMap<&str, Vec<String>>, late: &[Seen]) {
    let mut text = String::new();
    for case in cases {
        let Some(failed) = failures.get(case.name.as_str()) else { continue };
        let row = case.row.map_or("answers".to_owned(), |row| format!("row {row}"));
        let bytes = case.bytes[..case.bytes.len().min(200)].escape_ascii();
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{} {row} {:?}\n    {bytes}", case.source, case.name);
        for line in failed.iter().take(ENOUGH) {
            let _ = writeln!(text, "    {line}");
        }
    }
    for seen in late {
        let _ = writeln!(text, "a handler ran after its connection was done with: {seen:?}");
    }
    assert!(text.is_empty(), "{kind}: {} cases fail\n{text}", failures.len());
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
