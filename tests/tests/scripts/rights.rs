//! What Redis's users may do: what the scripts and the programs call, and nothing else.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use contract::scripts;
use stack::patient;

use crate::Server;

const RIGHTS: &str = include_str!("../../../docs/rights/redis.acl");
/// The scripts that components call, and the commands that they send.
const SCRIPTS_OF_COMPONENTS: [&str; 8] = ["jwks_put", "jwks_take", "limit", "query", "read", "toggle", "turn", "view"];
const SENT_BY_COMPONENTS: [&str; 5] = ["cluster|nodes", "eval", "evalsha", "info", "time"];
/// The commands that the persister sends.
const SENT_BY_PERSISTER: [&str; 18] = [
    "cluster|nodes",
    "config|get",
    "evalsha",
    "get",
    "info",
    "pttl",
    "scan",
    "script|load",
    "smembers",
    "sscan",
    "time",
    "xautoclaim",
    "xgroup|create",
    "xgroup|delconsumer",
    "xinfo|consumers",
    "xinfo|groups",
    "xrange",
    "xreadgroup",
];

/// The commands that a user may use.
fn permitted(user: &str) -> Result<BTreeSet<String>> {
    let line = RIGHTS.lines().find(|line| line.starts_with(&format!("user {user} "))).context("a line of that user")?;
    Ok(line.split(' ').filter_map(|word| word.strip_prefix('+')).map(str::to_owned).collect())
}

/// The commands in a script's text.
fn called(source: &str) -> impl Iterator<Item = String> {
    source.split("redis.call('").skip(1).map(|rest| {
        let words: Vec<&str> = rest.split('\'').collect();
        let command = words[0].to_lowercase();
        // Commands with subcommands.
        if ["xgroup", "xinfo"].contains(&command.as_str()) {
            format!("{command}|{}", words[2].to_lowercase())
        } else {
            command
        }
    })
}

#[test]
fn each_user_may_use_the_commands_that_are_called_and_no_other() -> Result<()> {
    let of = |used: fn(&str) -> bool, sent: &[&str]| -> BTreeSet<String> {
        let used = scripts::ALL.iter().filter(|script| used(script.name));
        used.flat_map(|script| called(script.source)).chain(sent.iter().map(|sent| (*sent).to_owned())).collect()
    };
    let of_components = of(|name| SCRIPTS_OF_COMPONENTS.contains(&name), &SENT_BY_COMPONENTS);
    assert_eq!(permitted("components")?, of_components);
    let of_persister = of(|name| !SCRIPTS_OF_COMPONENTS.contains(&name), &SENT_BY_PERSISTER);
    assert_eq!(permitted("persister")?, of_persister);
    Ok(())
}

/// Redis lets everybody in as `default` if its file does not name that user.
#[test]
fn nobody_else_gets_in() {
    let users: Vec<&str> = RIGHTS.lines().filter_map(|line| line.split_once(" on >")).map(|(user, _)| user).collect();
    assert_eq!(users, ["user components", "user persister"]);
    let others: Vec<&str> = RIGHTS.lines().filter(|line| !line.contains(" on >")).collect();
    assert_eq!(others, ["user default off"]);
}

#[tokio::test]
async fn the_users_have_no_other_command_and_no_other_key() -> Result<()> {
    let server = Server::start().await?;
    for url in [server.redis.components_url(), server.redis.persister_url()] {
        let mut user = redis::Client::open(url)?.get_multiplexed_async_connection_with_config(&patient()).await?;
        for command in [
            "FLUSHALL",
            "KEYS *",
            "CONFIG SET appendonly no",
            "SCRIPT FLUSH",
            "ACL LIST",
            "SHUTDOWN",
            "REPLICAOF NO ONE",
            "DEBUG SLEEP 0",
            "CLIENT LIST",
            "GET another",
            "SET another 1",
        ] {
            let mut words = command.split(' ');
            let mut command = redis::cmd(words.next().context("a command")?);
            let refused = command.arg(words.collect::<Vec<_>>()).exec_async(&mut user).await.err();
            let code = refused.as_ref().and_then(redis::RedisError::code);
            assert_eq!(code, Some("NOPERM"), "{command:?}: {refused:?}");
        }
    }
    Ok(())
}
