//! Session tickets: what the client keeps for us, encrypted (RFC 5077, RFC 8446, section 4.6.1).
//!
//! A ticket is the name of its master key, a seed, and under a key derived from both: the second
//! in which it was made, and rustls' session.

use std::sync::{PoisonError, RwLock};

use crate::provider;

/// How long own keys encrypt, in seconds.
pub const ROTATION: u64 = 6 * 3600;

/// The length of a key that is given, in bytes, which is Node's.
pub const TICKET_KEY: usize = 48;

const NAME: usize = 16;
const SEED: usize = 32;
const TIME: usize = 8;

/// A key for tickets that processes share.
#[derive(Clone, PartialEq, Eq)]
pub struct TicketKey {
    name: [u8; NAME],
    master: [u8; 32],
}

impl TicketKey {
    /// From 48 random bytes, as Node's `ticketKeys` are. The first 16 are a name that everyone
    /// sees, the others are secret. `None` for another length.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; TICKET_KEY] = bytes.try_into().ok()?;
        let (name, master) = bytes.split_first_chunk::<NAME>()?;
        Some(Self { name: *name, master: *master.first_chunk()? })
    }

    fn random() -> Option<Self> {
        Some(Self { name: provider::random()?, master: provider::random()? })
    }
}

impl std::fmt::Debug for TicketKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TicketKey(…)")
    }
}

pub(super) struct Tickets {
    keys: RwLock<Keys>,
}

#[derive(Default)]
struct Keys {
    /// The first encrypts.
    list: Vec<Dated>,
    /// Whether they were given, and so are not replaced.
    given: bool,
}

#[derive(Clone)]
struct Dated {
    key: TicketKey,
    made: u64,
}

impl Tickets {
    pub(super) fn new(given: &[TicketKey], now: u64) -> Self {
        let tickets = Self { keys: RwLock::default() };
        tickets.set(given, now);
        tickets
    }

    pub(super) fn set(&self, given: &[TicketKey], now: u64) {
        let list = given.iter().map(|key| Dated { key: key.clone(), made: now }).collect();
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        *keys = Keys { list, given: !given.is_empty() };
    }

    /// `None` if the system has no randomness: then the client gets no ticket.
    pub(super) fn seal(
        &self,
        plain: &[u8],
        scope: &[u8; 32],
        now: u64,
        timeout: u32,
    ) -> Option<Vec<u8>> {
        let key = self.current(now, timeout)?;
        let seed = provider::random::<SEED>()?;
        let mut ticket = Vec::with_capacity(NAME + SEED + TIME + plain.len() + provider::TAG);
        ticket.extend_from_slice(&key.name);
        ticket.extend_from_slice(&seed);
        ticket.extend_from_slice(&now.to_be_bytes());
        ticket.extend_from_slice(plain);
        provider::seal(&key.master, &seed, scope, &mut ticket, NAME + SEED)?;
        Some(ticket)
    }

    pub(super) fn open(
        &self,
        ticket: &[u8],
        scope: &[u8; 32],
        now: u64,
        timeout: u32,
    ) -> Option<Vec<u8>> {
        let (name, rest) = ticket.split_first_chunk::<NAME>()?;
        let (seed, sealed) = rest.split_first_chunk::<SEED>()?;
        let master = {
            let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
            keys.list.iter().find(|one| one.key.name == *name)?.key.master
        };
        let mut sealed = sealed.to_vec();
        let plain = provider::open(&master, seed, scope, &mut sealed)?;
        let (made, plain) = plain.split_first_chunk::<TIME>()?;
        // Clocks of processes that share keys differ a little.
        let age = now.saturating_sub(u64::from_be_bytes(*made));
        (age < u64::from(timeout)).then(|| plain.to_vec())
    }

    fn current(&self, now: u64, timeout: u32) -> Option<TicketKey> {
        {
            let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(first) = keys.list.first()
                && (keys.given || now.saturating_sub(first.made) < ROTATION)
            {
                return Some(first.key.clone());
            }
        }
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        let is_due = !keys.given
            && keys.list.first().is_none_or(|first| now.saturating_sub(first.made) >= ROTATION);
        if is_due {
            // A key goes when no ticket of it can be valid any more.
            keys.list.retain(|one| now.saturating_sub(one.made) < ROTATION + u64::from(timeout));
            keys.list.insert(0, Dated { key: TicketKey::random()?, made: now });
        }
        keys.list.first().map(|first| first.key.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCOPE: [u8; 32] = [1; 32];
    const TIMEOUT: u32 = 300;

    fn key(fill: u8) -> TicketKey {
        TicketKey::new(&[fill; TICKET_KEY]).unwrap()
    }

    #[test]
    fn a_ticket_opens_until_its_session_times_out_and_only_in_its_scope() {
        let tickets = Tickets::new(&[], 0);
        let ticket = tickets.seal(b"session", &SCOPE, 1000, TIMEOUT).unwrap();
        let open = |now| tickets.open(&ticket, &SCOPE, now, TIMEOUT);
        assert_eq!(open(1299).as_deref(), Some(&b"session"[..]));
        assert_eq!(open(999).as_deref(), Some(&b"session"[..]));
        assert_eq!(open(1300), None);
        assert_eq!(tickets.open(&ticket, &[2; 32], 1000, TIMEOUT), None);
    }

    #[test]
    fn a_changed_ticket_does_not_open() {
        let tickets = Tickets::new(&[], 0);
        let ticket = tickets.seal(b"session", &SCOPE, 0, TIMEOUT).unwrap();
        for at in 0..ticket.len() {
            let mut changed = ticket.clone();
            changed[at] ^= 1;
            assert_eq!(tickets.open(&changed, &SCOPE, 0, TIMEOUT), None, "byte {at}");
            assert_eq!(tickets.open(&ticket[..at], &SCOPE, 0, TIMEOUT), None, "{at} bytes");
        }
    }

    #[test]
    fn own_keys_are_replaced_and_kept_while_their_tickets_are_valid() {
        let tickets = Tickets::new(&[], 0);
        let seal = |now| tickets.seal(b"session", &SCOPE, now, TIMEOUT).unwrap();
        let first = seal(0);
        assert_eq!(first[..NAME], seal(ROTATION - 1)[..NAME]);
        let late = seal(ROTATION - 1);
        let second = seal(ROTATION);
        assert_ne!(first[..NAME], second[..NAME]);
        assert!(tickets.open(&late, &SCOPE, ROTATION + 200, TIMEOUT).is_some());
        for n in 2..10 {
            seal(n * ROTATION);
        }
        assert!(tickets.keys.read().unwrap().list.len() <= 2);
        assert!(tickets.open(&second, &SCOPE, 9 * ROTATION, u32::MAX).is_none());
    }

    #[test]
    fn given_keys_stay_and_processes_share_them() {
        let ours = Tickets::new(&[key(1), key(2)], 0);
        let theirs = Tickets::new(&[key(2)], 0);
        let ticket = theirs.seal(b"session", &SCOPE, 100 * ROTATION, TIMEOUT).unwrap();
        assert!(ours.open(&ticket, &SCOPE, 100 * ROTATION, TIMEOUT).is_some());
        let ticket = ours.seal(b"session", &SCOPE, 100 * ROTATION, TIMEOUT).unwrap();
        assert_eq!(ticket[..NAME], [1; NAME]);
        assert!(theirs.open(&ticket, &SCOPE, 100 * ROTATION, TIMEOUT).is_none());
        theirs.set(&[key(3), key(1)], 0);
        assert!(theirs.open(&ticket, &SCOPE, 100 * ROTATION, TIMEOUT).is_some());
    }

    #[test]
    fn a_given_key_has_48_bytes() {
        assert_eq!(TicketKey::new(&[0; 47]), None);
        assert_eq!(TicketKey::new(&[0; 49]), None);
        assert_eq!(format!("{:?}", key(7)), "TicketKey(…)");
    }
}
