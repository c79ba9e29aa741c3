use std::str::FromStr;

use http::HeaderValue;

/// Whose pages may call, as a browser spells them.
pub(crate) struct Origins(Vec<String>);

impl FromStr for Origins {
    type Err = ();

    /// From `https://www.example.com,https://m.example.com`. What no browser sends, as one with a slash at its end, is
    /// refused: it would allow nobody, and nobody would know why.
    fn from_str(text: &str) -> Result<Self, ()> {
        let origins = text.split(',').map(str::trim).filter(|origin| !origin.is_empty());
        let spelled = |origin: &str| {
            let (scheme, host) = origin.split_once("://")?;
            (!scheme.is_empty() && !host.is_empty() && !host.contains('/')).then(|| origin.to_owned())
        };
        origins.map(spelled).collect::<Option<_>>().map(Self).ok_or(())
    }
}

impl Origins {
    pub(crate) fn have(&self, origin: &HeaderValue) -> bool {
        self.0.iter().any(|known| known.as_bytes() == origin.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_spelled_as_a_browser_does() {
        let read = |text: &str| text.parse().map(|Origins(all)| all);
        let all = ["https://www.example.com", "http://localhost:3000"].map(str::to_owned).to_vec();
        assert_eq!(read("https://www.example.com, http://localhost:3000,"), Ok(all));
        assert_eq!(read(""), Ok(vec![]));
        for bad in ["www.example.com", "https://", "://a", "https://a/", "https://a/b", "https://a,b"] {
            assert_eq!(read(bad), Err(()), "{bad}");
        }
    }
}
