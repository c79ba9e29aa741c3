//! Arguments of a script in one value, which the script unpacks with `cmsgpack.unpack`. Redis and everything in between
//! handle one value faster than many
//! (<https://redis.io/docs/latest/develop/programmability/lua-api/#cmsgpack-library>).
//!
//! Written by hand, because it needs only a few of `MessagePack`'s forms
//! (<https://github.com/msgpack/msgpack/blob/master/spec.md>).

/// The bytes so far.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Packed(Vec<u8>);

impl Packed {
    /// A string.
    pub(super) fn push_text(&mut self, text: &[u8]) {
        let length = text.len();
        #[expect(
            clippy::cast_possible_truncation,
            reason = "each length is checked first; a value of Redis has 512 MB"
        )]
        match length {
            0..32 => self.0.push(0xa0 | length as u8),
            32..256 => self.0.extend([0xd9, length as u8]),
            _ => {
                self.0.push(0xdb);
                self.0.extend((length as u32).to_be_bytes());
            }
        }
        self.0.extend(text);
    }

    /// A number, which becomes a double in Lua.
    pub(super) fn push_number(&mut self, number: i64) {
        if let Ok(small @ 0..128) = u8::try_from(number) {
            self.0.push(small);
        } else if let Ok(middle) = u32::try_from(number) {
            self.0.push(0xce);
            self.0.extend(middle.to_be_bytes());
        } else {
            self.0.push(0xd3);
            self.0.extend(number.to_be_bytes());
        }
    }
}

/// ARGV of a call whose arguments are packed.
impl From<Packed> for Vec<Vec<u8>> {
    fn from(Packed(whole): Packed) -> Self {
        vec![whole]
    }
}
