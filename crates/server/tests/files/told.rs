//! Where the kernel cannot say what is in memory, a worker finds a file and the loops use it.

use std::time::{Duration, Instant};

use crate::common::{Client, bounded};
use crate::traversal::serve;
use crate::world::World;

#[test]
fn a_worker_finds_a_file_once_a_second() {
    let _bound = bounded(Duration::from_secs(60));
    let world = World::new("told");
    // As on overlayfs: what a loop looks up by itself would always have to wait.
    let server = serve(&world.root(), "/s/", true);
    let mut client = Client::new(&server);
    let start = Instant::now();
    for _ in 0..300 {
        for (path, content) in [("/s/a.txt", "a.txt"), ("/s/sub/", "sub/index.html")] {
            assert_eq!(client.get(path).text(), content);
        }
    }
    // Once at first, and once for each second that this has taken; a worker may be late.
    let most = 2 * (2 + 2 * start.elapsed().as_secs());
    let workers = server.stats().tasks.queued;
    assert!((2..=most).contains(&workers), "{workers} of at most {most}");
}
