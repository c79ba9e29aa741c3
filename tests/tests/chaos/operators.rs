//! Operators who work while everything breaks. Whatever their commands have done when they are killed, running them again
//! after the round completes it, and nothing else has changed.

use std::{fmt::Write as _, path::PathBuf, time::Duration};

use anyhow::{Context, Result, ensure};
use contract::Kind;
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom, seq::SliceRandom};
use stack::{Stack, wait_for};
use tests::{Api, Pair, site};
use tokio::time::sleep;

use crate::client::{ARTICLES, Learned};

/// The first user of the first round; no client and no plant has so high a number.
const FIRST: i64 = 20_000;
/// Users of a round.
const A_ROUND: i64 = 100;
/// Users of a round whose changes are revoked, and as many who are erased.
const FEW: i64 = 3;
/// Rows that each of them has on.
const ROWS: usize = 4;
/// Rows that are imported.
const IMPORTED: i64 = 40;
/// A command that is run after the round has ended by then, however often it must be repeated.
const PATIENCE: Duration = Duration::from_secs(150);

/// The work of a round.
pub(crate) struct Work {
    revoked: Vec<(Kind, Pair)>,
    erased: Vec<(Kind, Pair)>,
    imported: Vec<(Kind, Pair)>,
    file: PathBuf,
    random: StdRng,
    runs: u32,
}

/// Different pairs, so that kinds that exclude each other do not meet.
fn rows(random: &mut StdRng, user: i64, count: usize) -> Vec<(Kind, Pair)> {
    let articles = rand::seq::index::sample(random, usize::try_from(ARTICLES).unwrap_or(1), count);
    let articles = articles.into_iter().filter_map(|place| i64::try_from(place).ok());
    articles.map(|place| (*Kind::ALL.choose(random).unwrap_or(&Kind::Like), (user, place + 1))).collect()
}

impl Work {
    /// Lets the users whose changes will be revoked, and those who will be erased, switch something on. Writes the file of
    /// rows to import.
    pub(crate) async fn prepare(stack: &Stack, learned: &mut Learned, seed: u64, round: u64) -> Result<Self> {
        let mut random = StdRng::seed_from_u64(seed.rotate_left(17) ^ round);
        let first = FIRST + A_ROUND * i64::try_from(round)?;
        let mut of = |from: i64, users: i64, count| -> Vec<(Kind, Pair)> {
            (from..from + users).flat_map(|user| rows(&mut random, user, count)).collect()
        };
        let (revoked, erased) = (of(first, FEW, ROWS), of(first + FEW, FEW, ROWS));
        let imported = of(first + 2 * FEW, IMPORTED, 1);
        let api = Api::new(stack.http_url());
        for (kind, pair @ (user, article)) in revoked.iter().chain(&erased) {
            api.switch(*kind, *article, true).user(*user).send().await?.says(*kind, *article, true)?;
            learned.model.switch(*kind, *pair, true);
        }
        let mut lines = "kind,user_id,article_id,at\n".to_owned();
        for (place, (kind, (user, article))) in imported.iter().enumerate() {
            writeln!(lines, "{kind},{},{},2020-01-01T00:00:{place:02}Z", site::user(*user), site::article(*article))?;
        }
        let file = stack.data().join(format!("import-{round}.csv"));
        std::fs::write(&file, lines)?;
        Ok(Self { revoked, erased, imported, file, random, runs: 0 })
    }

    /// Runs the commands in any order, again and again, until it is dropped, which kills the command that runs.
    pub(crate) async fn disturb(&mut self, stack: &Stack) -> Result<()> {
        loop {
            let mut commands = self.commands();
            commands.shuffle(&mut self.random);
            for command in commands {
                let pause = self.random.random_range(0..500);
                sleep(Duration::from_millis(pause)).await;
                // Faults may make it fail. `finish` runs it again.
                self.run(stack, &command).await?;
            }
        }
    }

    /// Runs each command until it succeeds. Afterwards its changes are complete, and the stores are equal.
    pub(crate) async fn finish(mut self, stack: &Stack, learned: &mut Learned) -> Result<()> {
        for command in self.commands() {
            let mut last = String::new();
            let done = wait_for(&command[0], PATIENCE, async || {
                let (good, said) = self.run(stack, &command).await?;
                last = said;
                Ok(good.then_some(()))
            });
            done.await.context(last)?;
        }
        for (kind, pair) in self.revoked.into_iter().chain(self.erased) {
            learned.model.switch(kind, pair, false);
        }
        for (kind, pair) in self.imported {
            learned.imported.switch(kind, pair, true);
        }
        Ok(())
    }

    /// `reconcile` comes last: it may only succeed when nothing differs. With `--repair` it could hide a loss, or cause one.
    fn commands(&self) -> Vec<Vec<String>> {
        let users = |rows: &[(Kind, Pair)]| {
            let mut users: Vec<i64> = rows.iter().map(|(_, (user, _))| *user).collect();
            users.dedup();
            users.into_iter().flat_map(|user| ["--user".to_owned(), site::user(user).to_string()]).collect::<Vec<_>>()
        };
        let words = |words: &[&str]| words.iter().copied().map(str::to_owned).collect::<Vec<_>>();
        vec![
            [words(&["revoke", "--execute"]), users(&self.revoked)].concat(),
            [words(&["erase"]), users(&self.erased)].concat(),
            words(&["import", &self.file.display().to_string()]),
            words(&["reconcile"]),
        ]
    }

    /// Whether the command succeeded, and what it said.
    async fn run(&mut self, stack: &Stack, command: &[String]) -> Result<(bool, String)> {
        self.runs += 1;
        let mut arguments: Vec<&str> = command.iter().map(String::as_str).collect();
        let rejected = self.file.with_extension(format!("rejected-{}", self.runs)).display().to_string();
        if command[0] == "import" {
            arguments.extend(["--rejected", &rejected]);
        }
        let output = stack.persister.command(&arguments)?.output().await?;
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        // It is never killed by a signal of its own, and never panics.
        ensure!(output.status.code().is_some_and(|code| code != 101), "{command:?}: {}\n{said}", output.status);
        Ok((output.status.success(), said))
    }
}
