//! The cryptography, from ring. Another provider needs only this file.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::digest::{Context, SHA256};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use rustls::SupportedCipherSuite;
use rustls::crypto::{CryptoProvider, SupportedKxGroup, ring as rustls_ring};

/// All that there is of ring.
pub(crate) fn provider() -> CryptoProvider {
    rustls_ring::default_provider()
}

/// Every cipher suite.
pub(crate) fn cipher_suites() -> &'static [SupportedCipherSuite] {
    rustls_ring::ALL_CIPHER_SUITES
}

/// The groups for key exchange, the cheapest first.
pub(crate) fn cheap_groups() -> Vec<&'static dyn SupportedKxGroup> {
    use rustls_ring::kx_group::{SECP256R1, SECP384R1, X25519};
    vec![X25519, SECP256R1, SECP384R1]
}

/// Random bytes. `None` if the system gives none.
pub(crate) fn random<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).ok().map(|()| bytes)
}

/// SHA-256 of `parts`, each with its length, so that no two lists have the same.
pub(crate) fn digest<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    to_array(context.finish().as_ref())
}

/// HMAC-SHA-256 of the parts, one after the other.
fn derive(key: &[u8; 32], parts: [&[u8]; 2]) -> [u8; 32] {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
    for part in parts {
        context.update(part);
    }
    to_array(context.sign().as_ref())
}

fn to_array(bytes: &[u8]) -> [u8; 32] {
    let mut array = [0; 32];
    array.copy_from_slice(bytes);
    array
}

/// The bytes behind a sealed text.
pub(crate) const TAG: usize = 16;

/// A key for one text, derived from `master`. A new random `seed` makes a new key, so that no
/// number of tickets wears a master out, and the nonce may stay the same. `scope` says what for.
fn one_text(master: &[u8; 32], seed: &[u8; 32], scope: &[u8; 32]) -> Option<LessSafeKey> {
    let key = derive(master, [seed, scope]);
    UnboundKey::new(&AES_256_GCM, &key).ok().map(LessSafeKey::new)
}

const NONCE: [u8; 12] = [0; 12];

/// Encrypts what is in `text` from `from` on, and puts the tag behind it.
pub(crate) fn seal(
    master: &[u8; 32],
    seed: &[u8; 32],
    scope: &[u8; 32],
    text: &mut Vec<u8>,
    from: usize,
) -> Option<()> {
    let key = one_text(master, seed, scope)?;
    let nonce = Nonce::assume_unique_for_key(NONCE);
    let tag = key.seal_in_place_separate_tag(nonce, Aad::empty(), &mut text[from..]).ok()?;
    text.extend_from_slice(tag.as_ref());
    Some(())
}

/// Decrypts what [`seal`] made, in place.
pub(crate) fn open<'a>(
    master: &[u8; 32],
    seed: &[u8; 32],
    scope: &[u8; 32],
    sealed: &'a mut [u8],
) -> Option<&'a mut [u8]> {
    let key = one_text(master, seed, scope)?;
    key.open_in_place(Nonce::assume_unique_for_key(NONCE), Aad::empty(), sealed).ok()
}
