//! `persister import`: brings in what another system had, while the service runs.

mod report;
mod row;
mod source;

use std::{collections::BTreeMap, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use contract::{Kind, Pair, Partition};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use self::{
    report::{Report, What},
    row::{Fields, Row},
    source::{Item, Source},
};
use crate::{
    commands::kinds::kind_parser,
    ledger::{
        holds::Holder,
        import::{self, Counted, Outcome, Since},
        lock::{IN_OR_OUT, alone},
        markers::all_warm,
        settle::{self, Patience},
    },
    output::progress,
    store::Stores,
};

/// Rows in one batch. Their pairs are held while the batch is imported, for some tenths of a second.
const TOGETHER: usize = 10_000;
/// The exit code if rows were rejected.
const REJECTED: u8 = 3;

#[derive(Debug, Args)]
pub(crate) struct ImportOptions {
    /// A file of CSV with a heading, or of JSON lines; - is standard input.
    ///
    /// Columns of a kind that a user has on: kind, `user_id`, `article_id`, at (RFC 3339, or 2026-11-22 12:00:00 in UTC).
    /// Columns of an article's counters: `article_id`, pv, reads. Other columns are ignored.
    #[arg(required_unless_present = "table")]
    file: Option<PathBuf>,
    /// Read a table or view of the MySQL server instead, such as `shop.old_likes`. The persister's user needs the right to read
    /// it.
    #[arg(long, conflicts_with = "file")]
    table: Option<String>,
    /// The kind of rows without a column `kind`.
    #[arg(long, value_parser = kind_parser())]
    kind: Option<Kind>,
    /// Write rejected rows to this file, one JSON object a line, each with its reason. The file must be new or empty.
    #[arg(long, default_value = "rejected.jsonl")]
    rejected: PathBuf,
    /// Skip this many rows at the beginning. An interrupted import prints how many are done. A table is read in the order of its
    /// primary key. Begin from the start if it has none, or if rows were deleted or inserted between others since: rows that are
    /// imported already change nothing.
    #[arg(long, default_value_t = 0)]
    skip: u64,
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
    /// How many seconds to wait for MySQL to catch up with Redis. The pairs being imported cannot change meanwhile.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=600))]
    wait_seconds: u64,
}

/// The rows of one batch, with their numbers and fields.
#[derive(Default)]
struct Batch {
    rows: u64,
    since: Since,
    from: BTreeMap<Pair, (u64, Fields)>,
    counters: Vec<(u64, Fields, Counted)>,
}

/// The stores and options of an import.
struct Import<'a> {
    stores: &'a Stores,
    options: &'a ImportOptions,
    stop: &'a CancellationToken,
}

pub(crate) async fn run(
    stores: &Stores,
    options: &ImportOptions,
    stop: &CancellationToken,
) -> anyhow::Result<ExitCode> {
    let import = Import { stores, options, stop };
    let mut report = Report::create(&options.rejected)?;
    let mut done = options.skip;
    let outcome = import.all(&mut report, &mut done).await;
    report.finish(options.json)?;
    outcome.with_context(|| format!("{done} rows are done: the rest can be imported with --skip {done}"))?;
    Ok(if report.rejected() > 0 { ExitCode::from(REJECTED) } else { ExitCode::SUCCESS })
}

impl Import<'_> {
    /// Imports batch by batch. `done` counts the rows, so that another run can continue where this one ends.
    async fn all(&self, report: &mut Report, done: &mut u64) -> anyhow::Result<()> {
        let Import { stores, options, stop } = self;
        let mut holder = Holder::new(stores, Duration::from_secs(options.wait_seconds)).await?;
        all_warm(holder.redis()).await?;
        let mut source = match (&options.table, &options.file) {
            (Some(table), _) => Source::table(&stores.mysql, table).await?,
            (None, Some(file)) => Source::file(file)?,
            (None, None) => bail!("name a file, or a table by --table"),
        };
        let bar = progress(source.total, "importing");
        for _ in 0..options.skip {
            if self.row(&mut source).await?.is_none() {
                break;
            }
        }
        loop {
            ensure!(!stop.is_cancelled(), "stopped");
            let (batch, position) = self.next(&mut source, report, *done).await?;
            let Some(position) = position else { break };
            let rows = batch.rows;
            let work = Box::pin(self.batch(&mut holder, batch, report));
            alone(&stores.mysql, IN_OR_OUT, stop, work).await?;
            report.flush()?;
            *done += rows;
            bar.set_position(position);
        }
        bar.finish_and_clear();
        settle::in_redis(&stores.mysql, &Partition::all().collect(), &self.patience())
            .await
            .context("everything is imported, but Redis does not show all of it yet")
    }

    /// The patience for one wait that begins now.
    fn patience(&self) -> Patience<'_> {
        Patience::new(Duration::from_secs(self.options.wait_seconds), self.stop)
    }

    /// Reads the next row. None at the end of the source. Fails if the process has to stop: standard input may have no next row
    /// for a long time.
    async fn row(&self, source: &mut Source) -> anyhow::Result<Option<Item>> {
        tokio::select! {
            item = source.rows.recv() => item.transpose(),
            () = self.stop.cancelled() => bail!("stopped"),
        }
    }

    /// Reads the next batch, and the position in the source after it. None at the end of the source. Rejects invalid rows.
    async fn next(&self, source: &mut Source, report: &mut Report, done: u64) -> anyhow::Result<(Batch, Option<u64>)> {
        let (mut batch, mut position, now) = (Batch::default(), None, Timestamp::now());
        while batch.since.len() + batch.counters.len() < TOGETHER {
            let Some(item) = self.row(source).await? else { break };
            batch.rows += 1;
            position = Some(item.position);
            let number = done + batch.rows;
            let (fields, row) = match item.fields {
                Ok(fields) => {
                    let row = row::read(&fields, self.options.kind, now);
                    (fields, row)
                }
                Err(reason) => (Fields::new(), Err(reason)),
            };
            match row {
                Err(reason) => report.reject(number, &fields, &reason)?,
                Ok(Row::Counters(counted)) => batch.counters.push((number, fields, counted)),
                Ok(Row::Pair(written, at)) => {
                    let pair = written.pair();
                    if batch.since.contains_key(&pair) {
                        report.count(What::Kind(pair.1), Outcome::Known);
                    } else {
                        batch.from.insert(pair, (number, fields));
                        batch.since.insert(pair, (written, at));
                    }
                }
            }
        }
        Ok((batch, position))
    }

    async fn batch(&self, holder: &mut Holder, batch: Batch, report: &mut Report) -> anyhow::Result<()> {
        let before = import::epochs(holder).await?;
        let patience = self.patience();
        for (pair, outcome) in import::pairs(self.stores, holder, &batch.since, &patience).await? {
            report.count(What::Kind(pair.1), outcome);
            if let (Some(reason), Some((number, fields))) = (report::reason(outcome), batch.from.get(&pair)) {
                report.reject(*number, fields, reason)?;
            }
        }
        let counters: Vec<Counted> = batch.counters.iter().map(|(.., counted)| counted.clone()).collect();
        for (outcome, (number, fields, _)) in
            import::counters(&self.stores.mysql, holder, &counters).await?.into_iter().zip(&batch.counters)
        {
            report.count(What::Counters, outcome);
            if let Some(reason) = report::reason(outcome) {
                report.reject(*number, fields, reason)?;
            }
        }
        ensure!(
            import::epochs(holder).await? == before,
            "Redis was rebuilt or replaced in the meantime and may lack the last {} rows",
            batch.rows
        );
        Ok(())
    }
}
