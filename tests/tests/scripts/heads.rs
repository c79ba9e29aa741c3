//! The comment at the head of a script names its keys and arguments. Every call must send exactly those.

use std::collections::BTreeSet;

use super::{WIDE, article, partition, toggle, written};
use contract::{
    Cause, Kind, Truth,
    keys::{BarSet, Subject},
    scripts::{
        self, Ack, At, Call, Clear, Compare, DeleteArticle, Fence, Hold, Import, ImportCounters, JwksPut, JwksTake,
        PartitionState, Project, Query, Read, Rebuilt, Release, Restate, RestoreBars, RestoreMembers, RestoreStats,
        SnapshotDone, SnapshotRead, SnapshotTake, TakeLimit, TakeTurn, Undo, Used, View, Warm,
    },
};

/// The last number in a section of the head, such as KEYS. A number stands before what it describes. `2 and on` stands for any
/// number of them, and does not count.
fn named(source: &str, section: &str) -> usize {
    let head: Vec<&str> =
        source.lines().skip_while(|line| line.starts_with("#!")).map_while(|line| line.strip_prefix("--")).collect();
    let lines = head.iter().skip_while(|line| !line.trim().starts_with(section)).enumerate();
    let lines = lines.take_while(|(at, line)| *at == 0 || line.starts_with("       "));
    let text: Vec<&str> = lines.flat_map(|(_, line)| line.split_whitespace()).collect();
    let mut last = 0;
    for words in text.windows(2) {
        if words[0] == (last + 1).to_string() && words[1] != "and" {
            last += 1;
        }
    }
    last
}

/// How many values are packed into the only argument. Here none of them may be longer than 255 bytes.
fn packed(args: &[Vec<u8>]) -> usize {
    let [whole] = args else { panic!("one argument: {args:?}") };
    let (mut rest, mut count) = (&whole[..], 0);
    while let [form, after @ ..] = rest {
        let length = match form {
            0..0x80 => 0,
            0xa0..0xc0 => usize::from(form & 0x1f),
            0xd9 => 1 + usize::from(after[0]),
            0xce => 4,
            0xd3 => 8,
            _ => panic!("{form:#x} is no form of a part"),
        };
        (rest, count) = (&after[length..], count + 1);
    }
    count
}

/// Checks a call. `keys` and `args` say how many keys and arguments of it are repeated ones, which the head does not number.
fn as_named<C: Call>(call: &C, keys: usize, args: usize) -> &'static str {
    let sent = call.command(At { server: "server", deadline_ms: Some(1) });
    let source = C::SCRIPT.source;
    // A head names the values that are packed into one argument as ARGS.
    let named_args = if source.contains("-- ARGS") { packed(&sent.args) } else { sent.args.len() };
    let section = if source.contains("-- ARGS") { "ARGS" } else { "ARGV" };
    let expected = (named(source, "KEYS") + keys, named(source, section) + args);
    assert_eq!((sent.keys.len(), named_args), expected, "{}", C::SCRIPT.name);
    C::SCRIPT.name
}

#[test]
fn a_call_sends_the_keys_and_arguments_that_the_scripts_head_names() {
    let (partition, article, rebuild) = (partition(), article(), "rebuild");
    let (ip_hash, limits, user) = ("h", [WIDE; 2], tests::id(7));
    let token = Used { number: 1, epoch: 1, viewed_ms: 1, after_ms: 1, lifetime_ms: 1 };
    let id = || written(42);
    let read = Read { article: id(), user: None, token, outbox_max: 1, limit: WIDE, request_id: "r", ip_hash };
    let mut names = BTreeSet::new();
    for kind in Kind::of(Truth::Redis) {
        let excluded = kind.excludes().len();
        names.insert(as_named(&toggle(kind, 7, true), 2 * excluded, excluded));
        names.insert(as_named(&Import { partition, kind, pairs: &[(user, article)], until: "1" }, 2 + excluded, 2));
    }
    for kind in Kind::ALL.iter().copied() {
        names.extend([
            as_named(&TakeLimit { kind, user, article, ip_hash, limits }, 0, 0),
            as_named(&Compare { kind, article, users: &[] }, 0, 0),
            as_named(&Restate { kind, article: id(), users: &[] }, 0, 0),
            as_named(&RestoreMembers { rebuild, kind, article, about: 0, users: &[] }, 0, 0),
        ]);
    }
    names.extend([
        as_named(&Query { articles: vec![], user: None }, 0, 2 * Kind::ALL.len()),
        as_named(&Query { articles: vec![(partition, article); 3], user: None }, 0, 2 * Kind::ALL.len() + 6),
        as_named(&View { article: id(), visitor: Subject::Visitor("v"), ip_hash, limits }, 0, 0),
        as_named(&read, 0, 0),
        as_named(&TakeTurn { turn: "t", lasts_ms: 1 }, 0, 0),
        as_named(&JwksTake { name: "n", known: "", lasts_ms: 1 }, 0, 0),
        as_named(&JwksPut { name: "n", set: "1:{}" }, 0, 0),
        as_named(&Ack { partition, group: "relay", ids: &[] }, 0, 0),
        as_named(&Project { partition, token: 1, entries: &[] }, 0, 0),
        as_named(&Hold { partition, pairs: &[], lasts_ms: 1 }, 0, 0),
        as_named(&Undo { partition, pairs: &[], cause: Cause::Erase, until: "" }, 0, 0),
        as_named(&Release { partition, pairs: &[], until: "1" }, 0, 0),
        as_named(&ImportCounters { article: id(), pv: 1, reads: 1 }, 0, 0),
        as_named(&DeleteArticle { article: id(), token: 1 }, 2 * Kind::ALL.len(), 0),
        as_named(&SnapshotTake { partition, most: 1 }, 0, 0),
        as_named(&SnapshotRead { partition, articles: &[] }, 0, 0),
        as_named(&SnapshotDone { article: id(), pv: 1, reads: 1 }, 0, 0),
        as_named(&PartitionState { partition }, 0, 0),
        as_named(&Fence { partition, rebuild }, 0, 0),
        as_named(&Clear { partition, rebuild, keys: vec![] }, 0, 0),
        as_named(&RestoreStats { rebuild, article, pv: 1, uv_sketch: vec![], reads: 1 }, 0, 0),
        as_named(&RestoreBars { partition, set: BarSet::of(tests::id(9)), rebuild, users: &[] }, 0, 0),
        as_named(&Warm { partition, epoch: 1, group: "relay", rebuilt: Rebuilt::default() }, 0, 0),
    ]);
    assert_eq!(names, scripts::ALL.iter().map(|script| script.name).collect(), "every script has a call");
}
