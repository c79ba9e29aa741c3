//! Keyed hashes, of view tokens, visitor cookies, client addresses and shared key sets. Each has its own key.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Bytes of an HMAC-SHA256.
const MAC: usize = 32;

/// Random bytes from the host.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("WASI's random source never fails");
    bytes
}

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from(b"0123456789abcdef"[usize::from(digit)]));
        }
    }
    text
}

fn mac(key: &str, data: &[u8]) -> Hmac<Sha256> {
    Hasher::new(key).0.chain_update(data)
}

/// A key that hashes many texts. The part of HMAC that depends only on the key is half of its cost, and is done once.
pub(crate) struct Hasher(Hmac<Sha256>);

impl Hasher {
    pub(crate) fn new(key: &str) -> Self {
        Self(Hmac::new_from_slice(key.as_bytes()).expect("HMAC takes keys of any length"))
    }

    /// Returns the keyed hash of a text, 128 bits in hex.
    pub(crate) fn hash(&self, text: &str) -> String {
        hex(&self.0.clone().chain_update(text).finalize().into_bytes()[..16])
    }
}

/// Returns a keyed hash of a text, 128 bits in hex.
pub(crate) fn keyed_hash(key: &str, text: &str) -> String {
    Hasher::new(key).hash(text)
}

/// Returns a keyed hash of parts, 128 bits. A zero byte divides the parts, so only the last part may contain one.
pub(crate) fn keyed_id(key: &str, parts: &[&[u8]]) -> [u8; 16] {
    let whole = mac(key, &parts.join(&0)).finalize().into_bytes();
    *whole.first_chunk().expect("an HMAC-SHA256 has 32 bytes")
}

/// Returns the MAC of `data`, in URL-safe base64.
pub(crate) fn tag(key: &str, data: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(mac(key, data).finalize().into_bytes())
}

/// Whether `tag` is the MAC of `data` by the same key. Compares in constant time.
pub(crate) fn verifies(key: &str, data: &[u8], tag: &str) -> bool {
    URL_SAFE_NO_PAD.decode(tag).is_ok_and(|tag| mac(key, data).verify_slice(&tag).is_ok())
}

/// Returns `data` and its MAC, in URL-safe base64.
pub(crate) fn seal(key: &str, data: &[u8]) -> String {
    let tag = mac(key, data).finalize().into_bytes();
    URL_SAFE_NO_PAD.encode([data, &tag].concat())
}

/// Returns the data of a text that [`seal`] made with the same key. Compares in constant time.
pub(crate) fn open(key: &str, sealed: &str) -> Option<Vec<u8>> {
    let mut bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
    let tag = bytes.split_off(bytes.len().checked_sub(MAC)?);
    mac(key, &bytes).verify_slice(&tag).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn opens_what_it_sealed_and_nothing_else(
            data in proptest::collection::vec(any::<u8>(), 0..64),
            flip in any::<prop::sample::Index>(),
        ) {
            let sealed = seal("a key", &data);
            prop_assert_eq!(open("a key", &sealed), Some(data));
            prop_assert_eq!(open("another key", &sealed), None);
            let mut changed = sealed.into_bytes();
            let at = flip.index(changed.len());
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            // The unused bits of the last base64 digit must be zero, so no second spelling opens either.
            prop_assert_eq!(open("a key", std::str::from_utf8(&changed).expect("ASCII")), None);
        }

        #[test]
        fn any_text_opens_or_does_not(text in "\\PC{0,100}") {
            let _ = open("a key", &text);
        }
    }
}
