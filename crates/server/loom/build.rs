//! Makes broken copies of the protocols from their sources, for the tests that must fail on them.
//! Each copy has one line changed.

use std::path::Path;
use std::{env, fs};

const FENCE: &str = "        fence(Ordering::SeqCst);\n";

/// Name, source, the text to replace, which occurrence of it, the new text.
const MUTANTS: [(&str, &str, &str, usize, &str); 9] = [
    ("wake_flag_sleeper_unfenced", "event_loop/wake_flag.rs", FENCE, 0, ""),
    ("wake_flag_producer_unfenced", "event_loop/wake_flag.rs", FENCE, 1, ""),
    ("wake_flag_unclaimed", "event_loop/wake_flag.rs", " && self.claim()", 0, " && (self.claim() || true)"),
    ("idle_worker_unfenced", "dispatch/worker/idle.rs", FENCE, 0, ""),
    ("idle_producer_unfenced", "dispatch/worker/idle.rs", FENCE, 1, ""),
    (
        "ownership_handed_over_awake",
        "event_loop/ownership.rs",
        "                self.leave_to_epoll(event_loop);\n",
        0,
        "",
    ),
    (
        "ownership_left_awake",
        "event_loop/ownership.rs",
        "self.leave_to_epoll(event_loop);\n            let",
        0,
        "false;let",
    ),
    ("ownership_left_silently", "event_loop/ownership.rs", "            self.inbox.waker().wake();\n", 1, ""),
    ("idle_unclaimed", "dispatch/worker/idle.rs", " & bit(worker) != 0 {\n", 0, " < u64::MAX {\n"),
];

fn main() {
    let out = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    for (name, source, line, occurrence, instead) in MUTANTS {
        let path = Path::new("../src").join(source);
        println!("cargo::rerun-if-changed={}", path.display());
        let text = fs::read_to_string(&path).expect("the source is there");
        let (at, _) = text
            .match_indices(line)
            .nth(occurrence)
            .unwrap_or_else(|| panic!("{source} no longer has what {name} changes"));
        let text = format!("{}{instead}{}", &text[..at], &text[at + line.len()..]);
        // An included file cannot have inner doc comments.
        let text: String =
            text.lines().filter(|l| !l.starts_with("//!")).flat_map(|l| [l, "\n"]).collect();
        fs::write(Path::new(&out).join(name).with_extension("rs"), text).expect("OUT_DIR is ours");
    }
}
