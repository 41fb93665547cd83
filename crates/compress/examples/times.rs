//! Compresses a file over and over, for programs that count instructions: `times FILE CODING N`.

use reactor_compress::{Effort, compress_whole};
use reactor_proto::Coding;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().collect();
    let [_, path, coding, count] = &args[..] else {
        return Err("usage: times FILE CODING N".into());
    };
    let coding = Coding::from_token(coding.as_bytes()).ok_or("no coding")?;
    let input = std::fs::read(path)?;
    for _ in 0..count.parse()? {
        let mut out = Vec::new();
        compress_whole(coding, Effort::Fast, &input, &mut out)?;
        std::hint::black_box(&out);
    }
    Ok(())
}
