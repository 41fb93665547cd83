//! Output goes in order, whatever takes it and wherever it lies.

use std::os::unix::fs::FileExt as _;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use super::*;

/// Takes `room` bytes a call, and says `WouldBlock` every third call.
struct Narrow {
    room: usize,
    calls: usize,
    got: Vec<u8>,
}

impl Sink for Narrow {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(buf)])
    }
    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.calls += 1;
        if self.calls.is_multiple_of(3) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let mut left = self.room;
        for buf in bufs {
            let n = buf.len().min(left);
            self.got.extend_from_slice(&buf[..n]);
            left -= n;
        }
        Ok(self.room - left)
    }
}

#[test]
fn sends_everything_in_order_whatever_the_socket_takes() {
    let rooms = [1, 7, 100, 40_000, 1_000_000];
    let all =
        rooms.iter().flat_map(|&room| [3, 1_999, 30_000, usize::MAX].map(|most| (room, most)));
    for (room, most) in all {
        let mut io = Narrow { room, calls: 0, got: Vec::new() };
        let mut out = Out::default();
        let mut pool = BufPool::default();
        let mut expected = Vec::new();
        for i in 0..40_u8 {
            out.lend(&mut pool);
            out.buf().extend_from_slice(&[i; 50]);
            expected.extend_from_slice(&[i; 50]);
            if i % 3 == 0 {
                let large: Vec<u8> = (0..2_000).map(|n| i ^ (n % 251) as u8).collect();
                expected.extend_from_slice(&large);
                let content =
                    if i % 2 == 0 { Content::Owned(large) } else { Content::Shared(large.into()) };
                out.put(content, &mut pool);
            }
            if i % 7 == 0 {
                let lent = vec![i; 3_000];
                expected.extend_from_slice(&lent);
                out.put(Content::Lent(lent.len()), &mut pool);
                let (sent, flushed) = out.flush(&mut io, &mut pool, most, &lent);
                assert!(sent <= most && flushed.is_ok());
                out.keep_lent(|| Content::Owned(lent));
            }
            if i % 5 == 0 {
                let (sent, flushed) = out.flush(&mut io, &mut pool, most, &[]);
                let flushed = flushed.unwrap();
                assert!(sent <= most);
                assert_eq!(flushed == Flushed::Paused, sent == most && !out.is_empty());
            }
        }
        while out.flush(&mut io, &mut pool, most, &[]).1.unwrap() != Flushed::All {}
        assert!(out.is_empty());
        assert_eq!(out.buf.capacity(), 0);
        assert!(io.got == expected, "room {room}, {most} at once");
    }
}

/// As a link does that sends files, at most `room` bytes at once.
struct Sending(Narrow);

impl Sink for Sending {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.write(buf)
    }
    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.write_vectored(bufs)
    }
    fn sends_files(&self) -> bool {
        true
    }
    fn send_file(&mut self, file: &File, at: u64, len: usize) -> io::Result<usize> {
        let mut bytes = vec![0; len];
        let n = file.read_at(&mut bytes, at)?;
        if n == 0 { Ok(0) } else { self.write(&bytes[..n]) }
    }
}

fn place(number: u64) -> usize {
    usize::try_from(number).unwrap()
}

fn file_of(bytes: &[u8]) -> Arc<File> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let name = format!("rx-out-{}-{}", std::process::id(), NEXT.fetch_add(1, Relaxed));
    let path = std::env::temp_dir().join(name);
    std::fs::write(&path, bytes).unwrap();
    let file = File::options().read(true).write(true).open(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    Arc::new(file)
}

/// Files between other bytes, whether their pages are in memory or not, and whether the link
/// sends files or not.
#[test]
fn files_go_in_their_turn_wherever_their_pages_are() {
    let bytes: Vec<u8> = (0..30_000_u32).map(|n| (n % 251) as u8).collect();
    let file = file_of(&bytes);
    for cold_every in [0, 1, 2, 3] {
        for room in [1, 700, 1_000_000] {
            let mut io = Sending(Narrow { room, calls: 0, got: Vec::new() });
            let mut pool = BufPool::default();
            pool.cold_every = cold_every;
            let mut out = Out::default();
            let mut expected = Vec::new();
            for (from, to) in [(0, 30_000), (5, 6), (100, 2_100), (29_999, 30_000)] {
                out.lend(&mut pool);
                out.buf().extend_from_slice(b"between");
                expected.extend_from_slice(b"between");
                expected.extend_from_slice(&bytes[place(from)..place(to)]);
                let range = FileRange::new(Arc::clone(&file), from..to);
                out.put(Content::File(range), &mut pool);
            }
            loop {
                match out.flush(&mut io, &mut pool, 9_000, &[]).1.unwrap() {
                    Flushed::All => break,
                    Flushed::Cold => {
                        let part = out.read_elsewhere().unwrap();
                        assert_eq!(
                            out.flush(&mut io, &mut pool, 9_000, &[]).1.unwrap(),
                            Flushed::Blocked
                        );
                        let (from, to) = (place(part.range.start), place(part.range.end));
                        // A read may bring less.
                        let to = if from % 2 == 0 { to } else { (from + 1).max(to / 2) };
                        let warm_to = if from % 4 == 0 { part.range.end } else { 0 };
                        out.file_was_read(bytes[from..to].to_vec(), warm_to);
                    }
                    Flushed::Blocked | Flushed::Paused => {}
                }
            }
            assert!(io.0.got == expected, "room {room}, cold every {cold_every}");
            assert!(out.is_empty() && out.unsent() == 0);
        }
    }
}

#[test]
fn what_was_brought_to_memory_goes_at_once_unless_the_client_is_slow() {
    let bytes: Vec<u8> = (0..30_000_u32).map(|n| (n % 251) as u8).collect();
    let mut io = Sending(Narrow { room: 1_000_000, calls: 0, got: Vec::new() });
    let mut pool = BufPool::default();
    // Nothing is ever found in memory.
    pool.cold_every = 1;
    let mut out = Out::default();
    out.put(Content::File(FileRange::new(file_of(&bytes), 0..30_000)), &mut pool);
    let mut go_on = |out: &mut Out| {
        let flushed = out.flush(&mut io, &mut pool, usize::MAX, &[]).1.unwrap();
        (flushed, io.0.got.len())
    };
    assert_eq!(go_on(&mut out), (Flushed::Cold, 0));
    assert_eq!(out.read_elsewhere().unwrap().range, 0..3_000);
    out.file_was_read(bytes[..1_000].to_vec(), 3_000);
    assert_eq!(go_on(&mut out), (Flushed::Cold, 3_000));
    assert_eq!(out.read_elsewhere().unwrap().range, 3_000..6_000);
    out.file_was_read(bytes[3_000..4_000].to_vec(), 6_000);
    // The third call is one that would block.
    assert_eq!(go_on(&mut out), (Flushed::Blocked, 3_000));
    assert_eq!(go_on(&mut out), (Flushed::Cold, 4_000));
    assert_eq!(out.read_elsewhere().unwrap().range, 4_000..7_000);
}

#[test]
fn a_file_that_has_become_shorter_is_an_error() {
    for (len, is_apart) in [(1_000, false), (30_000, true)] {
        let file = file_of(&vec![1; len]);
        file.set_len(len as u64 / 2).unwrap();
        let mut out = Out::default();
        let mut pool = BufPool::default();
        let mut io = Sending(Narrow { room: 1_000_000, calls: 0, got: Vec::new() });
        let range = FileRange::new(Arc::clone(&file), 0..len as u64);
        out.put(Content::File(range), &mut pool);
        let error = loop {
            match out.flush(&mut io, &mut pool, 1_000_000, &[]).1 {
                Ok(flushed) => assert_eq!(flushed, Flushed::Blocked),
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "apart: {is_apart}");
        assert!(out.file_in_turn().is_some());
        assert_eq!(io.0.got.len(), len / 2, "what there is goes first");
    }
}
