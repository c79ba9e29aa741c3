//! A file for each experiment; one experiment gives one or more figures.

mod batch;
mod consume;
mod drive;
mod growth;
mod half;
mod in_redis;
mod instructions;
mod lag;
mod large;
mod like;
mod memory;
mod pace;
mod read;
mod rebuild;
mod relay;
mod requests;
mod script;
mod seed_consumer;
mod waiting;

use anyhow::Result;
use futures::{FutureExt, future::LocalBoxFuture};

use crate::{bench::Bench, report::Figure};

type Measure = for<'a> fn(&'a Bench) -> LocalBoxFuture<'a, Result<Vec<Figure>>>;

/// By the first part of their figures' names.
pub(crate) const EXPERIMENTS: [(&str, Measure); 16] = [
    ("like", |bench| like::measure(bench).boxed_local()),
    ("read", |bench| read::measure(bench, read::READS).boxed_local()),
    ("mixed", |bench| read::measure(bench, read::MIXED).boxed_local()),
    ("half", |bench| half::measure(bench).boxed_local()),
    ("redis", |bench| in_redis::measure(bench).boxed_local()),
    ("instructions", |bench| instructions::measure(bench).boxed_local()),
    ("script", |bench| script::measure(bench).boxed_local()),
    ("growth", |bench| growth::measure(bench).boxed_local()),
    ("memory", |bench| memory::measure(bench).boxed_local()),
    ("batch", |bench| batch::measure(bench).boxed_local()),
    ("lag", |bench| lag::measure(bench).boxed_local()),
    ("relay", |bench| relay::measure(bench).boxed_local()),
    ("waiting", |bench| waiting::measure(bench).boxed_local()),
    ("consume", |bench| consume::measure(bench).boxed_local()),
    ("consume/large", |bench| large::measure(bench).boxed_local()),
    ("rebuild", |bench| rebuild::measure(bench).boxed_local()),
];

pub(crate) fn names() -> String {
    EXPERIMENTS.map(|(name, _)| name).join(", ")
}
