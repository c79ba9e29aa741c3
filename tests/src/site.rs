//! The ids of a site whose users and articles a test numbers: 1, 2, 3 and so on.

use std::{
    collections::HashMap,
    fmt::{Debug, Display},
    str::FromStr,
    sync::{
        LazyLock, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use contract::{ArticleId, ArticleNumber, UserId, UserNumber};

/// Whether every second id is a name.
static NAMES: AtomicBool = AtomicBool::new(false);

/// Which of the test's numbers a name stands for, by the name's own number.
static NAMED: LazyLock<Mutex<HashMap<i64, i64>>> = LazyLock::new(Mutex::default);

/// From now on, in this process, every second user and article is known by a name.
pub fn use_names() {
    NAMES.store(true, Ordering::Relaxed);
}

fn written<T: FromStr<Err: Debug>>(number: i64, name: impl Display) -> T {
    let named = NAMES.load(Ordering::Relaxed) && number % 2 == 0;
    let text = if named { name.to_string() } else { number.to_string() };
    text.parse().expect("tests use good ids")
}

fn known(own: i64, number: i64) {
    if own != number {
        NAMED.lock().unwrap_or_else(PoisonError::into_inner).insert(own, number);
    }
}

/// A user as the site writes the id.
#[must_use]
pub fn user(number: i64) -> UserId {
    let user: UserId = written(number, format_args!("auth0|{number:024x}"));
    known(user.number().get(), number);
    user
}

/// An article as the site writes the id.
#[must_use]
pub fn article(number: i64) -> ArticleId {
    let article: ArticleId = written(number, format_args!("how-to-like~{number}"));
    known(article.number().get(), number);
    article
}

/// The test's number of what a store or an event has; a number that stands for no name is its own.
#[must_use]
pub fn numbered(own: i64) -> i64 {
    NAMED.lock().unwrap_or_else(PoisonError::into_inner).get(&own).copied().unwrap_or(own)
}

/// An id's number, as stores have it, from the number that a test chose.
pub trait Id {
    /// Of that user or article.
    fn of(number: i64) -> Self;
}

impl Id for UserNumber {
    fn of(number: i64) -> Self {
        user(number).number()
    }
}

impl Id for ArticleNumber {
    fn of(number: i64) -> Self {
        article(number).number()
    }
}

/// Who calls: one of the test's numbers, or an id as it is.
pub trait Caller {
    /// What the token says.
    fn subject(self) -> String;
}

impl Caller for i64 {
    fn subject(self) -> String {
        user(self).to_string()
    }
}

impl Caller for &str {
    fn subject(self) -> String {
        self.to_owned()
    }
}

impl Caller for &UserId {
    fn subject(self) -> String {
        self.to_string()
    }
}

/// A segment of a path.
#[must_use]
pub fn segment(id: &str) -> String {
    percent_encoding::utf8_percent_encode(id, percent_encoding::NON_ALPHANUMERIC).to_string()
}
