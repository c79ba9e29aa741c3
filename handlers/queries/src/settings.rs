/// The settings, which come from the component's variables.
pub(crate) struct Settings {
    pub(crate) redis_url: String,
    pub(crate) mysql_url: String,
    /// `Cache-Control` of the answers to callers without a token. Empty for none.
    pub(crate) anonymous_cache_control: String,
}
