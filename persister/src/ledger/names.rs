//! The table `name`: the texts of ids that are names.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
};

use contract::{ArticleId, ArticleNumber, Pair, UserId, UserNumber, Written};
use sqlx::{AssertSqlSafe, MySqlConnection, MySqlPool, QueryBuilder, query, query_as};

use crate::store::StoreError;

/// Numbers in one statement.
const TOGETHER: usize = 1000;

/// Whose name it is: the column `kind`. Every writer locks articles first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Of {
    Article,
    User,
}

impl fmt::Display for Of {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Article => "article",
            Self::User => "user",
        })
    }
}

/// Names whose numbers belong to other names.
pub(crate) type Collisions = BTreeSet<(Of, i64, String)>;

/// The error for collisions, if there are any. Its text contains no name, because it goes into logs, and into the dead
/// letter of one name, which the other user may read.
pub(crate) fn none(collisions: Collisions) -> Result<(), StoreError> {
    let Some((of, number, _)) = collisions.first() else { return Ok(()) };
    let reason = format!("id collision: another {of} has the number {number} of this one's name");
    let names = collisions.into_iter().map(|(_, number, text)| (number, text)).collect();
    Err(StoreError::Collision { reason, names })
}

/// Names to keep, in the order in which every writer locks them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct NewNames {
    texts: BTreeMap<(Of, i64), String>,
    /// Names whose numbers belong to other names of this batch.
    collisions: Collisions,
}

impl NewNames {
    /// Adds the article, if its id is a name.
    pub(crate) fn article(&mut self, id: &ArticleId) {
        self.add(Of::Article, id.number().get(), id.name());
    }

    /// Adds the user, if the id is a name.
    pub(crate) fn user(&mut self, id: &UserId) {
        self.add(Of::User, id.number().get(), id.name());
    }

    fn add(&mut self, of: Of, number: i64, name: Option<&str>) {
        let Some(name) = name else { return };
        let known = self.texts.entry((of, number)).or_insert_with(|| name.to_owned());
        if known != name {
            self.collisions.insert((of, number, name.to_owned()));
        }
    }

    /// Writes the missing names. Returns the names whose numbers belong to others; all others are kept.
    pub(crate) async fn write(&self, connection: &mut MySqlConnection) -> sqlx::Result<Collisions> {
        let mut collisions = self.collisions.clone();
        for of in [Of::Article, Of::User] {
            let of_kind = self.texts.iter().filter(|((kind, _), _)| *kind == of);
            let wanted: BTreeMap<i64, &str> = of_kind.map(|((_, number), text)| (*number, &**text)).collect();
            // Read first: an INSERT alone would lock the name of a hot article for as long as each batch takes.
            let mut known = texts(connection, of, wanted.keys().copied()).await?;
            let missing: Vec<i64> = wanted.keys().copied().filter(|number| !known.contains_key(number)).collect();
            for numbers in missing.chunks(TOGETHER) {
                let mut insert = QueryBuilder::new("INSERT INTO name (kind, number, text) ");
                insert.push_values(numbers, |mut row, number| {
                    row.push_bind(of.to_string()).push_bind(*number).push_bind(wanted.get(number).copied());
                });
                insert.push(" ON DUPLICATE KEY UPDATE text = text").build().execute(&mut *connection).await?;
            }
            // Read again: another writer may have been first.
            known.extend(texts(connection, of, missing.into_iter()).await?);
            for (number, new) in wanted {
                if known.get(&number).is_some_and(|known| known != new) {
                    collisions.insert((of, number, new.to_owned()));
                }
            }
        }
        Ok(collisions)
    }
}

/// The existing texts of these numbers.
async fn texts(
    connection: &mut MySqlConnection,
    of: Of,
    numbers: impl Iterator<Item = i64>,
) -> sqlx::Result<HashMap<i64, String>> {
    let numbers: Vec<String> = numbers.map(|number| number.to_string()).collect();
    let mut texts = HashMap::with_capacity(numbers.len());
    for numbers in numbers.chunks(TOGETHER) {
        let sql = format!("SELECT number, text FROM name WHERE kind = '{of}' AND number IN ({})", numbers.join(","));
        texts.extend(query_as::<_, (i64, String)>(AssertSqlSafe(sql)).fetch_all(&mut *connection).await?);
    }
    Ok(texts)
}

/// The texts of numbers. A name that is not in the table is written by its number.
#[derive(Debug, Default)]
pub(crate) struct Names {
    users: HashMap<i64, String>,
    articles: HashMap<i64, String>,
}

impl Names {
    /// Looks up the texts. Asks nothing if no id is a name.
    pub(crate) async fn of(
        mysql: &MySqlPool,
        users: impl IntoIterator<Item = UserNumber>,
        articles: impl IntoIterator<Item = ArticleNumber>,
    ) -> Result<Self, StoreError> {
        let users: BTreeSet<UserNumber> = users.into_iter().filter(|user| user.is_name()).collect();
        let articles: BTreeSet<ArticleNumber> = articles.into_iter().filter(|article| article.is_name()).collect();
        if users.is_empty() && articles.is_empty() {
            return Ok(Self::default());
        }
        let mut connection = mysql.acquire().await?;
        Ok(Self {
            users: texts(&mut connection, Of::User, users.into_iter().map(UserNumber::get)).await?,
            articles: texts(&mut connection, Of::Article, articles.into_iter().map(ArticleNumber::get)).await?,
        })
    }

    pub(crate) fn user(&self, number: UserNumber) -> UserId {
        UserId::stored(number, self.users.get(&number.get()).map(String::as_str))
    }

    pub(crate) fn article(&self, number: ArticleNumber) -> ArticleId {
        ArticleId::stored(number, self.articles.get(&number.get()).map(String::as_str))
    }

    pub(crate) fn written(&self, (article, kind, user): Pair) -> Written {
        Written { kind, user: self.user(user), article: self.article(article) }
    }
}

/// Fails if the number of one of the users belongs to another name, before anything is done to that user.
pub(crate) async fn are_theirs(mysql: &MySqlPool, users: &[UserId]) -> Result<(), StoreError> {
    let names = Names::of(mysql, users.iter().map(UserId::number), []).await?;
    let others = users.iter().filter_map(|user| {
        let (known, name) = (names.users.get(&user.number().get())?, user.name()?);
        (known != name).then(|| (Of::User, user.number().get(), name.to_owned()))
    });
    none(others.collect())
}

/// The same for articles. Returns each article, with its name if it was given by its number and MySQL has the name.
pub(crate) async fn of_articles(mysql: &MySqlPool, articles: &[ArticleId]) -> Result<Vec<ArticleId>, StoreError> {
    let names = Names::of(mysql, [], articles.iter().map(ArticleId::number)).await?;
    let others = articles.iter().filter_map(|article| {
        let (known, name) = (names.articles.get(&article.number().get())?, article.name()?);
        (known != name).then(|| (Of::Article, article.number().get(), name.to_owned()))
    });
    none(others.collect())?;
    let as_written =
        |article: &ArticleId| if article.name().is_some() { article.clone() } else { names.article(article.number()) };
    Ok(articles.iter().map(as_written).collect())
}

/// Deletes the name of a user.
pub(super) async fn forget(connection: &mut MySqlConnection, user: UserNumber) -> sqlx::Result<()> {
    query("DELETE FROM name WHERE kind = 'user' AND number = ?").bind(user.get()).execute(connection).await?;
    Ok(())
}
