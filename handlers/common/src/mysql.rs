//! MySQL by Spin: one statement at a time, on a connection of its own, raced against the deadline.

use std::{
    cell::{Cell, RefCell},
    time::{Duration, Instant},
};

use contract::SESSION;
use spin_sdk::mysql::{Connection, DbValue, Decode, Error, ParameterValue, Row};

use crate::{Deadline, Problem, log::without_url};

/// A connection with what it knows of its server's clock.
struct Mysql {
    connection: Connection,
    /// The server's clock, in ms, at `learned`.
    store_ms: i64,
    learned: Instant,
}

/// Connections of one instance at most: a platform may run hundreds of instances, and MySQL takes hundreds of
/// connections.
const MAX_CONNECTIONS: usize = 4;

thread_local! {
    static IN_USE: Cell<usize> = const { Cell::new(0) };

    /// Connections that no request is using. One belongs to one request at a time, so no transaction ever interleaves
    /// with another request's statements.
    static IDLE: RefCell<Vec<Mysql>> = const { RefCell::new(vec![]) };
}

/// Characters of the longest text that a query may make of many rows, for `CAST(… AS CHAR(…))`. Without this `MySQL` cuts
/// them at 1,024. A longer one, or one that is not cast, is of a type that Spin does not convert: MEDIUMTEXT begins past
/// 65,535 bytes, and a character has up to four.
pub const LONGEST_TEXT: usize = 16_000;

/// What a session sets besides [`SESSION`]. A call that we stopped waiting for goes on in the host; it shall not wait for a
/// lock, of a row or of a table that is being changed, much longer than we did. Texts may be as long as their type allows;
/// a query bounds its own.
const LIMITS: &str = ", innodb_lock_wait_timeout = 2, lock_wait_timeout = 2, group_concat_max_len = 65535";

/// How often a statement is tried: a kept connection may be stale, and a transaction may be the victim of a deadlock.
const ATTEMPTS: usize = 3;

/// Runs one statement and collects its rows. It must be one that may be run again: a SELECT, or a procedure that
/// changes nothing the second time.
///
/// `parameters` is given the deadline in milliseconds by the server's clock. Not generic over it: each caller would
/// have a copy of all this.
pub async fn query(
    url: &str,
    deadline: Deadline,
    sql: &str,
    parameters: &dyn Fn(i64) -> Vec<ParameterValue>,
) -> Result<Vec<Row>, Problem> {
    for _ in 0..ATTEMPTS {
        let attempt = async {
            let _place = Place::take().await;
            let idle = IDLE.with_borrow_mut(Vec::pop);
            let mysql = match idle {
                Some(mysql) => mysql,
                None => Mysql::open(url).await?,
            };
            let deadline_ms = deadline.by_clock(mysql.learned, mysql.store_ms);
            let rows = mysql.connection.query(sql, parameters(deadline_ms)).await?.collect().await?;
            // Only one whose call has ended well goes back; any other is dropped, and with it closed.
            IDLE.with_borrow_mut(|idle| idle.push(mysql));
            Ok::<_, Error>(rows)
        };
        match deadline.race(attempt).await {
            Some(Ok(rows)) => return Ok(rows),
            Some(Err(error)) => {
                eprintln!("mysql: {}", without_url(&error, url));
                // If the server was restarted, the idle ones are as broken.
                IDLE.with_borrow_mut(Vec::clear);
            }
            None => {
                eprintln!("mysql: no answer in time");
                break;
            }
        }
    }
    Err(Problem::StoreUnavailable)
}

/// Forgets the idle connections: what they know of their server's clock has turned out to be wrong.
pub fn forget_idle() {
    IDLE.with_borrow_mut(Vec::clear);
}

/// The right to use one of an instance's connections, given back when dropped.
struct Place;

impl Place {
    async fn take() -> Self {
        // Requests of one instance cannot wake each other, so they look again; the caller's deadline bounds the wait.
        while IN_USE.get() >= MAX_CONNECTIONS {
            spin_sdk::time::sleep(Duration::from_millis(2)).await;
        }
        IN_USE.set(IN_USE.get() + 1);
        Self
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        IN_USE.set(IN_USE.get() - 1);
    }
}

/// A whole number of a row.
pub fn integer(row: &Row, column: &str) -> Result<i64, Problem> {
    row.get(column).map(|Integer(number)| number).ok_or_else(|| unreadable(column))
}

/// A text of a row.
pub fn text(row: &Row, column: &str) -> Result<String, Problem> {
    row.get(column).map(|Text(text)| text).ok_or_else(|| unreadable(column))
}

/// The numbers of a text that a query made of many rows, separated by commas; `None` if it is of anything else.
#[must_use]
pub fn integers(text: &str) -> Option<Vec<i64>> {
    text.split(',').filter(|_| !text.is_empty()).map(|number| number.parse().ok()).collect()
}

fn unreadable(column: &str) -> Problem {
    eprintln!("mysql: column {column} is missing or of another type");
    Problem::StoreUnavailable
}

// Not the SDK's own readings: those can print whatever they find instead, fractions too, which is 20 kB of a component.
struct Integer(i64);
struct Text(String);

impl Decode for Integer {
    /// `CAST(… AS SIGNED)` is a BIGINT on `MySQL`, and on `MariaDB` an INT where the value is short.
    fn decode(value: &DbValue) -> Result<Self, Error> {
        match value {
            DbValue::Int64(long) => Ok(Self(*long)),
            DbValue::Int32(short) => Ok(Self((*short).into())),
            _ => Err(Error::Decode("no integer".to_owned())),
        }
    }
}

impl Decode for Text {
    /// A long text is bytes: Spin looks at a column's type alone.
    fn decode(value: &DbValue) -> Result<Self, Error> {
        let text = match value {
            DbValue::Str(text) => Some(text.clone()),
            DbValue::Binary(bytes) => String::from_utf8(bytes.clone()).ok(),
            _ => None,
        };
        text.map(Self).ok_or_else(|| Error::Decode("no text".to_owned()))
    }
}

impl Mysql {
    async fn open(url: &str) -> Result<Self, Error> {
        let connection = Connection::open(url).await?;
        connection.execute([SESSION, LIMITS].concat(), vec![]).await?;
        let rows = connection
            .query("SELECT CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED) AS now_ms", vec![])
            .await?
            .collect()
            .await?;
        let learned = Instant::now();
        let store_ms = rows.first().and_then(|row| integer(row, "now_ms").ok());
        match store_ms {
            Some(store_ms) => Ok(Self { connection, store_ms, learned }),
            None => Err(Error::MysqlError(spin_sdk::mysql::MysqlError::Other("no clock".to_owned()))),
        }
    }
}
