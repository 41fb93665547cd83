//! How long compression takes, and how short the output is: `time FILE`. The best of many rounds.

use std::time::{Duration, Instant};

use reactor_compress::{Effort, compress_whole};
use reactor_proto::Coding;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args_os().nth(1).ok_or("usage: time FILE")?;
    let input = std::fs::read(path)?;
    let rounds = (50_000_000 / (input.len() + 1)).clamp(3, 5000);
    for coding in [Coding::Brotli, Coding::Gzip] {
        for effort in [Effort::Fast, Effort::Cached] {
            let mut best = Duration::MAX;
            let mut out = Vec::new();
            for _ in 0..rounds {
                out.clear();
                let start = Instant::now();
                compress_whole(coding, effort, &input, &mut out)?;
                best = best.min(start.elapsed());
            }
            let name = coding.name();
            let micros = best.as_secs_f64() * 1e6;
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
