//! The source of rows: a file of CSV or JSON lines, or a table of MySQL.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::Path,
    thread,
};

use anyhow::{Context as _, bail, ensure};
use futures::TryStreamExt as _;
use serde_json::Value;
use sqlx::{AssertSqlSafe, MySqlPool, Row as _, mysql::MySqlRow, query, query_scalar};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::row::{COLUMNS, Fields};

/// The rows read ahead of the import.
const AHEAD: usize = 1000;

/// A row of the source.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) fields: Result<Fields, String>,
    /// The position after the row: bytes of a file, or rows of a table.
    pub(super) position: u64,
}

/// The rows in order, and the position of their end; 0 if that is unknown. An error ends the rows.
pub(super) struct Source {
    pub(super) rows: Receiver<anyhow::Result<Item>>,
    pub(super) total: u64,
}

type Sink = Sender<anyhow::Result<Item>>;

impl Source {
    /// Opens CSV with a heading, or JSON lines, recognised by the first character; - is standard input.
    pub(super) fn file(path: &Path) -> anyhow::Result<Self> {
        let is_stdin = path.as_os_str() == "-";
        let (input, total): (Box<dyn Read + Send>, u64) = if is_stdin {
            (Box::new(io::stdin()), 0)
        } else {
            let file = File::open(path).with_context(|| path.display().to_string())?;
            let total = file.metadata()?.len();
            (Box::new(file), total)
        };
        let (sink, rows) = channel(AHEAD);
        // Reading a file blocks its thread, which ends at the end of the file, or when the receiver is dropped. The process does
        // not wait for this thread when it ends: a read of standard input may last forever.
        thread::spawn(move || {
            if let Err(error) = read_file(BufReader::new(input), &sink) {
                let _ = sink.blocking_send(Err(error));
            }
        });
        Ok(Self { rows, total })
    }

    /// Opens a table or view that the persister's user may read. It may be in another database of the server: `shop.likes`.
    pub(super) async fn table(mysql: &MySqlPool, name: &str) -> anyhow::Result<Self> {
        let quoted = quoted(name)?;
        let columns = columns_of(mysql, &quoted).await?;
        check_columns(&columns).with_context(|| format!("table {name}"))?;
        let count: i64 = query_scalar(AssertSqlSafe(format!("SELECT COUNT(*) FROM {quoted}"))).fetch_one(mysql).await?;
        let (sink, rows) = channel(AHEAD);
        let pool = mysql.clone();
        tokio::spawn(async move {
            if let Err(error) = read_table(&pool, &quoted, &columns, &sink).await {
                let _ = sink.send(Err(error)).await;
            }
        });
        Ok(Self { rows, total: count.unsigned_abs() })
    }
}

fn read_file(mut input: BufReader<Box<dyn Read + Send>>, sink: &Sink) -> anyhow::Result<()> {
    let first = input.fill_buf()?.iter().copied().find(|byte| !byte.is_ascii_whitespace());
    if first == Some(b'{') { read_json(input, sink) } else { read_csv(input, sink) }
}

fn read_csv(input: impl Read, sink: &Sink) -> anyhow::Result<()> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(input);
    let headings: Vec<String> = reader.headers()?.iter().map(str::to_owned).collect();
    check_columns(&headings)?;
    let mut record = csv::ByteRecord::new();
    loop {
        let fields = match reader.read_byte_record(&mut record) {
            Ok(false) => return Ok(()),
            Ok(true) => fields_of(&headings, &record),
            // A row with too many or too few values does not stop the rest of the file.
            Err(error) if matches!(error.kind(), csv::ErrorKind::UnequalLengths { .. }) => Err(error.to_string()),
            Err(error) => return Err(error.into()),
        };
        let position = reader.position().byte();
        if sink.blocking_send(Ok(Item { fields, position })).is_err() {
            return Ok(());
        }
    }
}

fn fields_of(headings: &[String], record: &csv::ByteRecord) -> Result<Fields, String> {
    let mut fields = Fields::new();
    for (heading, value) in headings.iter().zip(record) {
        let value = std::str::from_utf8(value).map_err(|_| format!("{heading}: not UTF-8"))?;
        // MySQL exports NULL in these forms.
        if !value.is_empty() && value != "\\N" && value != "NULL" {
            fields.insert(heading.clone(), value.to_owned());
        }
    }
    Ok(fields)
}

fn read_json(mut input: impl BufRead, sink: &Sink) -> anyhow::Result<()> {
    let (mut line, mut position) = (Vec::new(), 0);
    loop {
        line.clear();
        let read = input.read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(());
        }
        position += read as u64;
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let fields = serde_json::from_slice(&line).map_err(|error| format!("no JSON object: {error}")).map(of_json);
        if sink.blocking_send(Ok(Item { fields, position })).is_err() {
            return Ok(());
        }
    }
}

fn of_json(object: serde_json::Map<String, Value>) -> Fields {
    let text = |value| match value {
        Value::Null => None,
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(text),
        // An id may be a JSON number. Any other value is rejected with its column.
        other => Some(other.to_string()),
    };
    object.into_iter().filter_map(|(column, value)| Some((column, text(value)?))).collect()
}

/// Fails if no row with these columns can be imported.
fn check_columns(columns: &[String]) -> anyhow::Result<()> {
    let has = |wanted: &str| columns.iter().any(|column| column == wanted);
    ensure!(
        has("article_id") && ((has("user_id") && has("at")) || has("pv") || has("reads")),
        "the columns are {}: wanted are article_id, user_id and at, and kind unless --kind names it; or article_id with pv, reads \
         or both",
        columns.join(", ")
    );
    Ok(())
}

/// The name in quotes, for a statement.
fn quoted(name: &str) -> anyhow::Result<String> {
    let parts: Vec<&str> = name.split('.').collect();
    let is_name =
        |part: &&str| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '$' || c == '-');
    if parts.len() > 2 || !parts.iter().all(is_name) {
        bail!("--table {name}: wanted is a table's name, or a database's and a table's with a dot between them");
    }
    Ok(parts.iter().map(|part| format!("`{part}`")).collect::<Vec<_>>().join("."))
}

async fn columns_of(mysql: &MySqlPool, quoted: &str) -> anyhow::Result<Vec<String>> {
    let rows = query(AssertSqlSafe(format!("SHOW COLUMNS FROM {quoted}"))).fetch_all(mysql).await?;
    rows.iter().map(|row| Ok(String::from_utf8(row.try_get_unchecked::<Vec<u8>, _>(0)?)?)).collect()
}

/// The order of the rows: by the primary key, in which new rows mostly come last. Empty for a view or a table without one.
///
/// Without an order, MySQL may read an index in which a new row stands before those that were imported, and `--skip` would
/// leave it out.
async fn order_of(mysql: &MySqlPool, quoted: &str) -> anyhow::Result<String> {
    let rows =
        query(AssertSqlSafe(format!("SHOW KEYS FROM {quoted} WHERE Key_name = 'PRIMARY'"))).fetch_all(mysql).await?;
    let column = |row: &MySqlRow| -> anyhow::Result<String> {
        Ok(format!("`{}`", String::from_utf8(row.try_get_unchecked::<Vec<u8>, _>("Column_name")?)?.replace('`', "``")))
    };
    let columns = rows.iter().map(column).collect::<anyhow::Result<Vec<_>>>()?;
    Ok(if columns.is_empty() { String::new() } else { format!(" ORDER BY {}", columns.join(", ")) })
}

async fn read_table(mysql: &MySqlPool, quoted: &str, columns: &[String], sink: &Sink) -> anyhow::Result<()> {
    let known: Vec<&str> = COLUMNS.into_iter().filter(|known| columns.iter().any(|column| column == known)).collect();
    let list = known.iter().map(|column| format!("CAST(`{column}` AS CHAR)")).collect::<Vec<_>>().join(", ");
    let sql = format!("SELECT {list} FROM {quoted}{}", order_of(mysql, quoted).await?);
    let mut connection = mysql.acquire().await?;
    // While a batch is imported, nobody reads what the server sends. By default it waits a minute and ends the connection.
    query("SET SESSION net_write_timeout = 3600").execute(&mut *connection).await?;
    // The pool must not get it back with that.
    connection.close_on_drop();
    let mut rows = query(AssertSqlSafe(sql)).fetch(&mut *connection);
    let mut position = 0;
    while let Some(row) = rows.try_next().await? {
        position += 1;
        let fields = Ok(of_table(&known, &row)?);
        if sink.send(Ok(Item { fields, position })).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

fn of_table(columns: &[&str], row: &MySqlRow) -> sqlx::Result<Fields> {
    let mut fields = Fields::new();
    for (index, column) in columns.iter().enumerate() {
        let value: Option<String> = row.try_get_unchecked(index)?;
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            fields.insert((*column).to_owned(), value);
        }
    }
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a file. Returns each row's fields as JSON, or the first word of its reason.
    fn read(text: &'static str) -> Vec<String> {
        let (sink, mut rows) = channel(AHEAD);
        let outcome = read_file(BufReader::new(Box::new(text.as_bytes())), &sink);
        drop(sink);
        let mut lines = Vec::new();
        while let Some(row) = rows.blocking_recv() {
            lines.push(match row.expect("a row").fields {
                Ok(fields) => serde_json::to_string(&fields).expect("JSON"),
                Err(reason) => reason.split(' ').next().unwrap_or_default().to_owned(),
            });
        }
        lines.extend(outcome.err().map(|error| format!("{error:#}").chars().take(15).collect()));
        lines
    }

    #[test]
    fn csv_and_json_lines_are_recognised_by_their_first_character() {
        let both = [r#"{"article_id":"a-slug","at":"2026-11-21","user_id":"7"}"#];
        assert_eq!(read("user_id,article_id,at,note\n7, a-slug ,2026-11-21,\n"), both);
        assert_eq!(read("\n{\"user_id\":7,\"article_id\":\"a-slug\",\"at\":\"2026-11-21\",\"note\":null}\n\n"), both);
    }

    #[test]
    fn a_row_that_cannot_be_read_does_not_end_the_file() {
        let csv = "user_id,article_id,at\n7,42\n\"8\",\"43\",\\N\n";
        assert_eq!(read(csv), ["CSV", r#"{"article_id":"43","user_id":"8"}"#]);
        let json = "{\"user_id\":7}\n{broken\n[1]\n{\"user_id\":8}\n";
        assert_eq!(read(json), [r#"{"user_id":"7"}"#, "no", "no", r#"{"user_id":"8"}"#]);
    }

    #[test]
    fn a_file_whose_columns_are_others_is_refused_at_once() {
        assert_eq!(read("user,article\n7,42\n"), ["the columns are"]);
        assert_eq!(read(""), ["the columns are"]);
    }

    #[test]
    fn a_name_of_a_table_is_no_statement() {
        assert_eq!(quoted("shop.likes").expect("a name"), "`shop`.`likes`");
        for name in ["", "a.b.c", "likes; DROP TABLE name", "`likes`", "a..b"] {
            assert!(quoted(name).is_err(), "{name}");
        }
    }
}
