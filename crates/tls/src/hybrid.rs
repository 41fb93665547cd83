//! X25519MLKEM768 (draft-ietf-tls-ecdhe-mlkem): whoever records a conversation today cannot read it
//! with a quantum computer tomorrow. Browsers offer it first.
//!
//! Shares and secrets of both parts lie one behind the other, those of ML-KEM first. The client
//! sends a key to encapsulate for, the server the ciphertext.

use ml_kem::ml_kem_768::EncapsulationKey;
use rustls::crypto::ring::kx_group::X25519;
use rustls::crypto::{ActiveKeyExchange, CompletedKeyExchange, SharedSecret, SupportedKxGroup};
use rustls::ffdhe_groups::FfdheGroup;
use rustls::{Error, NamedGroup, PeerMisbehaved, ProtocolVersion};

use crate::provider;

/// Bytes of a key to encapsulate for (FIPS 203, table 3).
const KEY: usize = 1_184;

const INVALID: Error = Error::PeerMisbehaved(PeerMisbehaved::InvalidKeyShare);

/// The server's side of the group.
#[derive(Debug)]
pub(crate) struct X25519MlKem768;

impl SupportedKxGroup for X25519MlKem768 {
    /// That is a client's part.
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        Err(Error::General("a server only answers a share of ML-KEM".into()))
    }

    fn start_and_complete(&self, share: &[u8]) -> Result<CompletedKeyExchange, Error> {
        let (key, x25519) = share.split_at_checked(KEY).ok_or(INVALID)?;
        // Of a wrong length or with numbers that are too large (FIPS 203, 7.2).
        let key = key.try_into().ok().and_then(|key| EncapsulationKey::new(key).ok());
        let key = key.ok_or(INVALID)?;
        let x25519 = X25519.start_and_complete(x25519)?;
        let random = provider::random::<32>().ok_or(Error::FailedToGetRandomBytes)?;
        let (ciphertext, secret) = key.encapsulate_deterministic(&random.into());
        let secret = [&secret[..], x25519.secret.secret_bytes()].concat();
        Ok(CompletedKeyExchange {
            group: self.name(),
            pub_key: [&ciphertext[..], &x25519.pub_key].concat(),
            secret: SharedSecret::from(secret),
        })
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::X25519MLKEM768
    }

    fn usable_for_version(&self, version: ProtocolVersion) -> bool {
        version == ProtocolVersion::TLSv1_3
    }
}
