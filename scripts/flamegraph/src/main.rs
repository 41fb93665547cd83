//! `perf script` on stdin, a flame graph as SVG on stdout: `reactor-flamegraph TITLE`.

#![forbid(unsafe_code)]

use std::error::Error;
use std::io::{BufReader, BufWriter, stdin, stdout};

use inferno::collapse::Collapse;
use inferno::collapse::perf::{Folder, Options};
use inferno::flamegraph;

fn main() -> Result<(), Box<dyn Error>> {
    let title = std::env::args().nth(1).unwrap_or_else(|| "Flame graph".to_owned());
    let mut folded = Vec::new();
    Folder::from(Options::default()).collapse(BufReader::new(stdin().lock()), &mut folded)?;
    let mut options = flamegraph::Options::default();
    options.title = title;
    // The same colour for the same function in every graph.
    options.deterministic = true;
    flamegraph::from_reader(&mut options, folded.as_slice(), BufWriter::new(stdout().lock()))?;
    Ok(())
}
