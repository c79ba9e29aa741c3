use std::{fs, path::Path};

use anyhow::{Result, ensure};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use stack::{Stack, dev};

use crate::{WRONG, persister, secured};

/// Everything that must not be in a log.
fn secrets() -> Vec<(&'static str, String)> {
    let names = [
        "JWT_KEY",
        "JWT_CACHE_KEY",
        "VISITOR_KEY",
        "VIEW_TOKEN_KEY",
        "IP_HASH_KEY",
        "MIGRATOR_PASSWORD",
        "PERSISTER_PASSWORD",
        "HANDLERS_PASSWORD",
        "READER_PASSWORD",
        "REDIS_PASSWORD",
        "KAFKA_PASSWORD",
        "KAFKA_CLIENT_SECRET",
        "KAFKA_KEY_PASSWORD",
    ];
    let mut secrets: Vec<_> = names.map(|name| (name, dev(name).to_owned())).into();
    secrets.push(("JWT_KEY in base64", URL_SAFE_NO_PAD.encode(dev("JWT_KEY"))));
    secrets.push(("a wrong password", WRONG.to_owned()));
    secrets
}

/// Fails if a log below the stack's folder contains a secret, or if a part of the stack has no log.
pub(crate) fn absent_from_logs(stack: &Stack) -> Result<()> {
    let mut searched = vec![];
    search(stack.data(), &mut searched)?;
    for log in ["app.log", "persister.log", "redis.log", "mysql.log", "kafka.log"] {
        ensure!(searched.iter().any(|name| name == log), "no {log} among {searched:?}");
    }
    Ok(())
}

fn search(folder: &Path, searched: &mut Vec<String>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        // The stores' own data may contain secrets.
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && !["redis", "mysql", "kafka"].contains(&name.as_str()) {
            search(&path, searched)?;
        }
        if path.is_file() && path.extension().is_some_and(|kind| kind == "log" || kind == "txt") {
            let text = String::from_utf8_lossy(&fs::read(&path)?).into_owned();
            for (secret, value) in secrets() {
                ensure!(!text.contains(&value), "{secret} is in {}", path.display());
            }
            searched.push(name);
        }
    }
    Ok(())
}

#[test]
fn no_help_shows_a_secret() -> Result<()> {
    secured(async |stack| {
        let password = [
            ("INTERACTION_KAFKA_PASSWORD", dev("KAFKA_PASSWORD")),
            ("INTERACTION_KAFKA_SASL_OAUTHBEARER_CLIENT_SECRET", dev("KAFKA_CLIENT_SECRET")),
            ("INTERACTION_KAFKA_SSL_KEY_PASSWORD", dev("KAFKA_KEY_PASSWORD")),
        ];
        let mut seen = vec![];
        let mut open = vec![String::new()];
        while let Some(command) = open.pop() {
            let arguments: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
            let (good, said) = persister(stack, &arguments, &password).await?;
            ensure!(good && said.contains("Usage:"), "{said}");
            for (secret, value) in secrets() {
                ensure!(!said.contains(&value), "{secret} is in the help of {command:?}");
            }
            open.extend(subcommands(&said).map(|below| format!("{command} {below}")));
            seen.push(command);
        }
        ensure!(seen.len() > 10 && seen.iter().any(|command| command == " dlq replay"), "only {seen:?}");
        Ok(())
    })
}

/// The commands that a help text names, without `help` itself.
fn subcommands(help: &str) -> impl Iterator<Item = &str> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    // A text that continues in the next line is indented further.
    let names = lines.filter_map(|line| line.strip_prefix("  ").filter(|line| !line.starts_with(' ')));
    names.filter_map(|line| line.split(' ').next()).filter(|name| *name != "help")
}

#[test]
fn a_url_that_cannot_be_parsed_is_not_shown() -> Result<()> {
    secured(async |stack| {
        for (variable, urls) in [
            (
                "INTERACTION_REDIS_URL",
                [
                    "redis://user:a-wrong-password@:port",
                    "a-wrong-password",
                    "http://user:a-wrong-password@127.0.0.1",
                    "redis://user:a-wrong-password%ff@127.0.0.1:6379/x",
                ],
            ),
            (
                "INTERACTION_MYSQL_URL",
                [
                    "mysql://user:a-wrong-password@:port/db",
                    "a-wrong-password",
                    "mysql://user:a-wrong-password@127.0.0.1/db?ssl-mode=SOMETIMES",
                    "mysql://user:a-wrong-password%ff@127.0.0.1/db",
                ],
            ),
        ] {
            for url in urls {
                let (good, said) = persister(stack, &["reconcile"], &[(variable, url)]).await?;
                ensure!(!good && said.contains(variable) && !said.contains(WRONG), "{url}: {said}");
            }
        }
        Ok(())
    })
}

#[test]
fn a_secret_comes_from_one_place() -> Result<()> {
    secured(async |stack| {
        let both = [("INTERACTION_KAFKA_PASSWORD", WRONG)];
        let (good, said) = persister(stack, &["audit"], &both).await?;
        ensure!(!good && said.contains("INTERACTION_KAFKA_PASSWORD_FILE are both set"), "{said}");
        let nowhere = [("INTERACTION_KAFKA_PASSWORD_FILE", "/nowhere")];
        let (good, said) = persister(stack, &["audit"], &nowhere).await?;
        ensure!(!good && said.contains("the file of INTERACTION_KAFKA_PASSWORD_FILE cannot be read"), "{said}");
        Ok(())
    })
}
