//! MySQL by Spin: one statement at a time, on a connection of its own, raced against the deadline.

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

/// A connection with what it knows of its server's clock.
struct Mysql {
    connection: Connection,
    /// The server's clock, in ms, at `learned`.
    store_ms: i64,
    learned: Instant,
    /// None while it is idle.
    place: Option<Place>,
}

type Answer = Result<(Box<Mysql>, Vec<Row>), Error>;

/// Where a call's answer is waited for.
enum Slot {
    New,
    Waits(Waker),
    Answered(Answer),
}

/// Connections of one instance at most: a platform may run hundreds of instances, and MySQL takes hundreds of
/// connections.
const MAX_CONNECTIONS: usize = 4;

/// How long a call that does not end keeps its place. A slow server ends it sooner, see [`LIMITS`]. A server that vanished
/// never does, and the one that replaces it must be reached.
const KEPT: Duration = Duration::from_secs(30);

thread_local! {
    /// When each call began that has not ended, whether or not its request still waits.
    static PLACES: RefCell<Vec<Instant>> = const { RefCell::new(vec![]) };

    /// Connections that no request is using. One belongs to one request at a time, so no transaction ever interleaves
    /// with another request's statements.
    #[expect(clippy::vec_box, reason = "a call takes and returns a pointer, which is less code")]
    static IDLE: RefCell<Vec<Box<Mysql>>> = const { RefCell::new(vec![]) };
}

/// Characters of the longest text that a query may make of many rows, for `CAST(… AS CHAR(…))`. Without this `MySQL` cuts
/// them at 1,024. A longer one, or one that is not cast, is of a type that Spin does not convert: MEDIUMTEXT begins past
/// 65,535 bytes, and a character has up to four.
pub const LONGEST_TEXT: usize = 16_000;

/// What a session sets besides [`SESSION`]. A call that its request has given up goes on, so the server ends it soon after:
/// both servers bound the wait for a lock, of a row or of a table that is being changed, `MySQL` bounds each SELECT, and
/// `MariaDB` each statement. Texts may be as long as their type allows; a query bounds its own.
const LIMITS: &str = ", innodb_lock_wait_timeout = 2, lock_wait_timeout = 2, group_concat_max_len = 65535
                      /*!80000 , max_execution_time = 2000 */ /*M! , max_statement_time = 2 */";

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
            // Only one whose call has ended well goes back; any other is dropped, and with it closed.
            mysql.place = None;
            IDLE.with_borrow_mut(|idle| idle.push(mysql));
            Ok::<_, Error>(rows)
        };
        let outcome = deadline.race(attempt).await;
        if let Some(Ok(rows)) = outcome {
            return Ok(rows);
        }
        // If the server was restarted, the idle ones are broken too. If it stalls, they only burden it.
        forget_idle();
        let Some(Err(error)) = outcome else {
            eprintln!("mysql: no answer in time");
            break;
        };
        eprintln!("mysql: {}", without_url(&error, url));
    }
    Err(Problem::StoreUnavailable)
}

/// Forgets the idle connections: what they know of their server's clock has turned out to be wrong, or they are of no use.
pub fn forget_idle() {
    IDLE.with_borrow_mut(Vec::clear);
}

/// The right to use one of an instance's connections, given back when dropped.
struct Place(Instant);

impl Place {
    async fn take() -> Self {
        // Requests of one instance cannot wake each other, so they look again; the caller's deadline bounds the wait. While
        // all calls hang, that slows clients down. Refused at once, they would use up instance after instance (Spin gives
        // each 128 requests), and each new one opens connections.
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

    /// Makes a call, in a task that outlives the request: Spin holds the connection until the call ends, whether or not
    /// anybody waits, so the place is given back no sooner. An instance with such a task is not dropped as idle. The
    /// connection comes back with the answer; where nobody waits any more, it is closed.
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
            // What is spawned begins when this task is polled next.
            Slot::New => {
                context.waker().wake_by_ref();
                Poll::Pending
            }
        })
        .await
    }
}
