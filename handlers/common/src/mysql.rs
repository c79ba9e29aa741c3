//! MySQL through Spin: one statement at a time on each connection, raced against the deadline.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    rc::Rc,
    task::{Poll, Waker},
    time::{Duration, Instant},
};

use contract::SESSION;
use spin_sdk::{
    mysql::{Connection, DbValue, Decode, Error, MysqlError, ParameterValue, Row},
    wasip3::wit_bindgen,
};

use crate::{Deadline, Problem, log::without_url};

/// A connection, and the time that its server's clock showed.
struct Mysql {
    connection: Connection,
    /// The server's clock, in ms, at `learned`.
    store_ms: i64,
    learned: Instant,
    /// The place of its call. None while it is idle.
    place: Option<Place>,
}

type Answer = Result<(Box<Mysql>, Vec<Row>), Error>;

/// Where the answer of a call is left, and where a request waits for it.
enum Slot {
    New,
    Waits(Waker),
    Answered(Answer),
}

/// The most connections of one instance. A platform may run hundreds of instances, and MySQL takes hundreds of
/// connections.
const MAX_CONNECTIONS: usize = 4;

/// How long a call that does not end keeps its place. A slow server ends the call sooner, see [`LIMITS`]. A server that
/// vanished never ends it, and calls must be able to reach the server that replaces it.
const KEPT: Duration = Duration::from_secs(30);

thread_local! {
    /// The start of each call that has not ended, whether or not its request still waits.
    static PLACES: RefCell<Vec<Instant>> = const { RefCell::new(vec![]) };

    /// Connections that no request is using. A connection belongs to one request at a time, so the statements of two
    /// requests never interleave within a transaction.
    #[expect(clippy::vec_box, reason = "a call takes and returns a pointer, which is less code")]
    static IDLE: RefCell<Vec<Box<Mysql>>> = const { RefCell::new(vec![]) };
}

/// The most characters of a text that a query makes of many rows, for `CAST(… AS CHAR(…))`. By default MySQL cuts such
/// texts at 1,024. A longer text, or one that is not cast, has a type that Spin does not convert: MEDIUMTEXT begins
/// past 65,535 bytes, and a character has up to four.
pub const LONGEST_TEXT: usize = 16_000;

/// The settings of a session besides [`SESSION`]. A call goes on after its request has given it up, so the server must
/// end it soon. Both servers limit the wait for a lock of a row, or of a table that is being changed. MySQL also limits
/// each SELECT, and MariaDB each statement. Texts may be as long as their type allows; each query limits its own.
const LIMITS: &str = ", innodb_lock_wait_timeout = 2, lock_wait_timeout = 2, group_concat_max_len = 65535
                      /*!80000 , max_execution_time = 2000 */ /*M! , max_statement_time = 2 */";

/// How often a statement is tried: a kept connection may be stale, and a transaction may be the victim of a deadlock.
const ATTEMPTS: usize = 3;

/// Runs one statement and collects its rows. The statement must be safe to repeat: a SELECT, or a procedure that
/// changes nothing the second time.
///
/// `parameters` takes the deadline in milliseconds by the server's clock. The function is not generic over
/// `parameters`, because each caller would then have its own copy of the code.
pub async fn query(
    url: &str,
    deadline: Deadline,
    sql: &str,
    parameters: &dyn Fn(i64) -> Vec<ParameterValue>,
) -> Result<Vec<Row>, Problem> {
    for _ in 0..ATTEMPTS {
        let attempt = async {
            let place = Place::take().await;
            let idle = IDLE.with_borrow_mut(Vec::pop);
            let mysql = match idle {
                Some(mut mysql) => {
                    mysql.place = Some(place);
                    mysql
                }
                None => Mysql::open(url, place).await?,
            };
            let parameters = parameters(deadline.by_clock(mysql.learned, mysql.store_ms));
            let (mut mysql, rows) = mysql.ask(sql, parameters).await?;
            // A connection is kept only if its call ended well. Any other is dropped, which closes it.
            mysql.place = None;
            IDLE.with_borrow_mut(|idle| idle.push(mysql));
            Ok::<_, Error>(rows)
        };
        let outcome = deadline.race(attempt).await;
        if let Some(Ok(rows)) = outcome {
            return Ok(rows);
        }
        // If the server was restarted, the idle connections are broken too. If it stalls, they only burden it.
        forget_idle();
        let Some(Err(error)) = outcome else {
            eprintln!("mysql: no answer in time");
            break;
        };
        eprintln!("mysql: {}", without_url(&error, url));
    }
    Err(Problem::StoreUnavailable)
}

/// Forgets the idle connections: what they know of their server's clock was wrong, or they are of no use.
pub fn forget_idle() {
    IDLE.with_borrow_mut(Vec::clear);
}

/// The right to use one of an instance's connections. Dropping it gives it back.
struct Place(Instant);

impl Place {
    async fn take() -> Self {
        // Requests of one instance cannot wake each other, so each looks again and again; the caller's deadline limits
        // the wait. While all calls hang, this slows clients down. If they were refused at once, they would use up
        // instance after instance (Spin gives each 128 requests), and each new instance opens connections.
        while PLACES.with_borrow(|places| places.iter().filter(|at| at.elapsed() < KEPT).count()) >= MAX_CONNECTIONS {
            spin_sdk::time::sleep(Duration::from_millis(2)).await;
        }
        let now = Instant::now();
        PLACES.with_borrow_mut(|places| places.push(now));
        Self(now)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        PLACES.with_borrow_mut(|places| {
            if let Some(place) = places.iter().position(|at| *at == self.0) {
                places.swap_remove(place);
            }
        });
    }
}

/// Reads a whole number of a row.
pub fn integer(row: &Row, column: &str) -> Result<i64, Problem> {
    row.get(column).map(|Integer(number)| number).ok_or_else(|| unreadable(column))
}

/// Reads a text of a row.
pub fn text(row: &Row, column: &str) -> Result<String, Problem> {
    row.get(column).map(|Text(text)| text).ok_or_else(|| unreadable(column))
}

/// Reads the numbers of a text that a query made of many rows, separated by commas. `None` if the text is anything
/// else.
#[must_use]
pub fn integers(text: &str) -> Option<Vec<i64>> {
    text.split(',').filter(|_| !text.is_empty()).map(|number| number.parse().ok()).collect()
}

fn unreadable(column: &str) -> Problem {
    eprintln!("mysql: column {column} is missing or of another type");
    Problem::StoreUnavailable
}

// These replace the SDK's own types, which can print any value that they find instead, even fractions. That is 20 kB of
// a component.
struct Integer(i64);
struct Text(String);

impl Decode for Integer {
    /// `CAST(… AS SIGNED)` is a BIGINT on MySQL. On MariaDB it is an INT if the value is short.
    fn decode(value: &DbValue) -> Result<Self, Error> {
        match value {
            DbValue::Int64(long) => Ok(Self(*long)),
            DbValue::Int32(short) => Ok(Self((*short).into())),
            _ => Err(Error::Decode("no integer".to_owned())),
        }
    }
}

impl Decode for Text {
    /// A long text arrives as bytes, because Spin looks only at a column's type.
    fn decode(value: &DbValue) -> Result<Self, Error> {
        let text = match value {
            DbValue::Str(text) => Some(text.clone()),
            DbValue::Binary(bytes) => String::from_utf8(bytes.clone()).ok(),
            _ => None,
        };
        text.map(Self).ok_or_else(|| Error::Decode("no text".to_owned()))
    }
}

fn other(reason: &str) -> Error {
    Error::MysqlError(MysqlError::Other(reason.to_owned()))
}

impl Mysql {
    async fn open(url: &str, place: Place) -> Result<Box<Self>, Error> {
        let connection = Connection::open(url).await?;
        connection.execute([SESSION, LIMITS].concat(), vec![]).await?;
        let mysql = Box::new(Self { connection, store_ms: 0, learned: Instant::now(), place: Some(place) });
        let clock = "SELECT CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED) AS now_ms";
        let (mut mysql, rows) = mysql.ask(clock, vec![]).await?;
        mysql.learned = Instant::now();
        let now_ms = rows.first().and_then(|row| integer(row, "now_ms").ok());
        mysql.store_ms = now_ms.ok_or_else(|| other("no clock"))?;
        Ok(mysql)
    }

    /// Makes a call in a task that outlives the request. Spin holds the connection until the call ends, whether or not
    /// anybody waits, so the place is not given back sooner. An instance with such a task is not dropped as idle. The
    /// connection comes back with the answer. If nobody waits any more, it is closed.
    async fn ask(self: Box<Self>, sql: &str, parameters: Vec<ParameterValue>) -> Answer {
        let slot = Rc::new(Cell::new(Slot::New));
        let (sql, to) = (sql.to_owned(), Rc::clone(&slot));
        wit_bindgen::spawn(async move {
            let rows = async { self.connection.query(sql, parameters).await?.collect().await };
            let answer = rows.await.map(|rows| (self, rows));
            if let Slot::Waits(waker) = to.replace(Slot::Answered(answer)) {
                waker.wake();
            }
        });
        poll_fn(|context| match slot.replace(Slot::Waits(context.waker().clone())) {
            Slot::Answered(answer) => Poll::Ready(answer),
            Slot::Waits(_) => Poll::Pending,
            // A spawned task begins when this task is polled next.
            Slot::New => {
                context.waker().wake_by_ref();
                Poll::Pending
            }
        })
        .await
    }
}
