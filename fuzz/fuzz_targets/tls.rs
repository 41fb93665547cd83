//! A server of TLS that hears any bytes, cut anywhere. It holds little of them, says why it ends, and
//! ends for good.

#![no_main]

use std::sync::{Arc, OnceLock};

use libfuzzer_sys::fuzz_target;
use reactor_tls::config::{Ask, Clients, Entry, Pem, Unknown};
use reactor_tls::{Certificate, Clock, Config, HEADROOM, MIN_READ, Resumption, Session};

const CERT: &str = include_str!("../../crates/server/src/sim/tls/cert.pem");
const KEY: &str = include_str!("../../crates/server/src/sim/tls/key.pem");

/// More than a session may hold in any state.
const BOUND: usize = 100 * 1024;

#[derive(Debug)]
struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> u64 {
        1_780_272_000
    }
}

fn config() -> Arc<Config> {
    static CONFIG: OnceLock<Arc<Config>> = OnceLock::new();
    let make = || {
        let clock: Arc<dyn Clock> = Arc::new(Fixed);
        let resumption = Arc::new(Resumption::new(clock.clone(), 300, 1 << 16, &[]));
        let entry = Entry {
            certificates: vec![Pem::new("cert", CERT)],
            keys: vec![Pem::new("key", KEY)],
            protocols: vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            clients: Clients { ask: Ask::Request, ..Clients::default() },
            ..Entry::default()
        };
        Arc::new(Config::new(&[entry], Unknown::Default, &resumption, &clock).expect("it is right"))
    };
    CONFIG.get_or_init(make).clone()
}

fuzz_target!(|data: &[u8]| {
    let _ = Certificate::read(data);
    // The first byte says how the others are cut.
    let Some((&cut, data)) = data.split_first() else { return };
    let mut session = Session::new(config());
    let mut buf = vec![0; MIN_READ];
    let mut failed = None;
    for piece in data.chunks(usize::from(cut) + 1) {
        let filled = session.restore(&mut buf);
        buf[HEADROOM + filled..][..piece.len()].copy_from_slice(piece);
        let read = session.read(&mut buf, filled + piece.len()).map(|read| read.plain);
        let result = match read {
            Ok(_) if session.needs_work() => session.work().map(|()| 0),
            other => other,
        };
        match (&failed, result) {
            (None, Ok(plain)) => assert_eq!(plain, 0, "nobody has agreed on keys"),
            (None, Err(error)) => failed = Some(error),
            (Some(before), Err(error)) => assert_eq!(*before, error),
            (Some(before), Ok(_)) => panic!("it goes on after {before}"),
        }
        assert!(session.buffered() < BOUND && !session.is_open());
    }
    assert!(session.end_of_input().is_err());
});
