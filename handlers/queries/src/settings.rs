/// Where the stores are.
pub(crate) struct Settings {
    pub(crate) redis_url: String,
    pub(crate) mysql_url: String,
}
