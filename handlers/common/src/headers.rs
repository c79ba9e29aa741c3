use http::HeaderMap;
use spin_sdk::wasip3::http::types;

/// The headers of a request. Each header is fetched only when it is asked for. A browser and the platform send thirty,
/// a request needs five, and each one that crosses into a component costs as much as a hundredth of a like.
pub trait Headers {
    /// Returns the lines of that name, in their order. A line may be no text.
    fn all(&self, name: &str) -> Vec<Vec<u8>>;

    /// Returns the first line of that name.
    fn first(&self, name: &str) -> Option<Vec<u8>> {
        self.all(name).into_iter().next()
    }

    /// Returns the lines of that name that are texts.
    fn texts(&self, name: &str) -> Vec<String> {
        self.all(name).into_iter().filter_map(text).collect()
    }
}

/// Returns a line as text if it is plain ASCII.
pub(crate) fn text(line: Vec<u8>) -> Option<String> {
    let plain = |byte: &u8| matches!(byte, b' '..=b'~' | b'\t');
    String::from_utf8(line).ok().filter(|text| text.as_bytes().iter().all(plain))
}

/// The headers of a request that the platform holds.
impl Headers for types::Headers {
    fn all(&self, name: &str) -> Vec<Vec<u8>> {
        self.get(name)
    }
}

impl Headers for HeaderMap {
    fn all(&self, name: &str) -> Vec<Vec<u8>> {
        self.get_all(name).iter().map(|line| line.as_bytes().to_vec()).collect()
    }
}
