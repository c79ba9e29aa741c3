/// What the component reads of its variables.
pub(crate) struct Settings {
    pub(crate) redis_url: String,
    pub(crate) mysql_url: String,
    /// `Cache-Control` of what everybody without a token is answered; empty for none.
    pub(crate) anonymous_cache_control: String,
}
