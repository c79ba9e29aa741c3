//! What `make up` runs before the stack: dev/progress and dev/demo.

use anyhow::{Context, Result};
use std::net::TcpListener;
use std::process::{Command, Output};

/// Runs a command in the checkout.
fn run(program: &str, arguments: &[&str]) -> Result<Output> {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(stack::root()).env("PROGRESS_INTERVAL", "0");
    command.output().with_context(|| program.to_owned())
}

/// The port that dev/demo takes if it tries this one first.
fn port_of_the_pages(first: u16) -> Result<u16> {
    let listen = format!("import runpy; print(runpy.run_path('dev/demo')['listen'](None, {first}).server_port)");
    let output = run("python3", &["-c", &listen])?;
    let port = String::from_utf8(output.stdout)?;
    port.trim().parse().with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn the_pages_are_on_another_port_if_theirs_is_in_use() -> Result<()> {
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let port = taken.local_addr()?.port();
    assert_ne!(port_of_the_pages(port)?, port);
    drop(taken);
    assert_eq!(port_of_the_pages(port)?, port);
    Ok(())
}

#[test]
fn a_build_says_how_far_it_is_and_hides_no_warning_or_error() -> Result<()> {
    let cargo = r"
        printf '   Compiling one v1.0.0\n    Building [>    ] 1/40: one\r    Building [==>  ] 20/40: two, three\r' >&2
        printf 'warning: unused\n  --> one.rs\n\nerror: no such thing\r\nlast words' >&2
        exit 101";
    let output = run("dev/progress", &["build", "sh", "-c", cargo])?;
    let said = String::from_utf8(output.stderr)?;
    let (progress, rest): (Vec<&str>, Vec<&str>) = said.split('\n').partition(|line| line.starts_with("build: "));
    assert!(progress.contains(&"build: 20 of 40 steps done, less than a minute left"), "{said}");
    assert_eq!(rest, ["warning: unused", "  --> one.rs", "", "error: no such thing\r", "last words"]);
    assert_eq!(output.status.code(), Some(101));
    Ok(())
}
