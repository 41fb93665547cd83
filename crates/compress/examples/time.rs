//! How long compression takes, and how short the output is: `time FILE`. Times are those that this
//! thread has run, so that other programs do not count.

use std::fs::read_to_string;

use reactor_compress::{Effort, compress_whole};
use reactor_proto::Coding;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args_os().nth(1).ok_or("usage: time FILE")?;
    let input = std::fs::read(path)?;
    let rounds = (200_000_000 / (u32::try_from(input.len())? + 1)).clamp(3, 20_000);
    for coding in [Coding::Brotli, Coding::Gzip] {
        for effort in [Effort::Fast, Effort::Cached] {
            let mut out = Vec::new();
            let start = ran()?;
            for _ in 0..rounds {
                // Each answer has memory of its own.
                out = Vec::new();
                compress_whole(coding, effort, &input, &mut out)?;
            }
            let name = coding.name();
            let micros = (ran()? - start) / f64::from(rounds) / 1000.0;
            #[expect(clippy::print_stdout, reason = "it is what the example is for")]
            {
                println!(
                    "{name} {effort:?}: {} bytes to {} in {micros:.1} µs",
                    input.len(),
                    out.len()
                );
            }
        }
    }
    Ok(())
}

/// Nanoseconds that this thread has run.
fn ran() -> Result<f64, Box<dyn std::error::Error>> {
    let text = read_to_string("/proc/thread-self/schedstat")?;
    Ok(text.split(' ').next().ok_or("no time")?.parse()?)
}
