//! How many instructions a request costs the server. The number varies by less than a hundredth between machines, however busy
//! they are.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::{
    drive::Drive,
    requests::{ANONYMOUS, Requests, likes, reads, views},
};
use crate::{bench::Bench, ids, report::Figure, samples::Samples, server::Server, world::World};

/// Callgrind runs one thread at a time, so more clients would only wait.
const CLIENTS: usize = 8;
/// Counts only after `callgrind_control -i on`, and treats a component's compiled code as code that may change.
const CALLGRIND: [&str; 5] = [
    "valgrind",
    "--tool=callgrind",
    "--instr-atstart=no",
    "--smc-check=all-non-file",
    "--callgrind-out-file=/dev/null",
];

/// A name, a request in words, and the requests.
const CASES: [(&str, &str, Requests); 6] = [
    ("instructions/like", "a like", |tokens, _| likes(tokens, |_| ids::article(0, 0))),
    ("instructions/view", "a view", views),
    ("instructions/read-one", "a read of one article", |tokens, articles| reads(tokens, 1, articles)),
    ("instructions/read-one/anonymous", "the same without a token", |tokens, articles| {
        reads(&vec![ANONYMOUS.to_owned(); tokens.len()], 1, articles)
    }),
    ("instructions/read-20", "a read of 20 articles", |tokens, articles| reads(tokens, 20, articles)),
    ("instructions/read-100", "a read of 100 articles", |tokens, articles| reads(tokens, 100, articles)),
];

pub(super) async fn measure(bench: &Bench) -> Result<Vec<Figure>> {
    let (scale, world) = (&bench.scale, World::start().await?);
    let drive = Drive { bench, world: &world };
    // Warm up with a server that callgrind does not slow down.
    let app = world.app("app", "spin.toml", &bench.cores.server()).await?;
    drive.warm(&app).await?;
    drop(app);
    let cases: Vec<_> = CASES.iter().filter(|(name, ..)| bench.wants(name)).collect();
    if world.stack.app.kind() != "host" {
        let missing = |(name, what, _): &(&str, &str, Requests)| {
            Figure::missing(*name, format!("instructions of {what}"), "Spin serves by a process below `spin up`")
        };
        let figures = cases.into_iter().map(missing).collect();
        world.stop().await?;
        return Ok(figures);
    }
    let bar = bench.progress.bar(1 + cases.len());
    let hello = world.app_under(&CALLGRIND, "hello", "bench/hello/spin.toml", &bench.cores.server()).await?;
    let tokens = drive.strangers().tokens(scale.users);
    let mut nothing = Samples::default();
    nothing.push(counted(drive, &hello, &reads(&tokens, 1, scale.articles)).await?);
    drop(hello);
    bar.inc(1);
    let app = world.app_under(&CALLGRIND, "app", "spin.toml", &bench.cores.server()).await?;
    let mut figures = Vec::new();
    for (name, what, requests) in cases {
        let mut samples = Samples::default();
        samples.push(counted(drive, &app, &requests(&tokens, scale.articles)).await?);
        let figure = Figure::new(*name, format!("instructions of {what} in the server"), "1,000", &samples);
        figures.push(
            figure.against("hello", &samples, &nothing).conditions(format!(
                "host and component, without the kernel, by callgrind; {CLIENTS} keep-alive clients"
            )),
        );
        bar.inc(1);
    }
    bar.finish_and_clear();
    drop(app);
    world.stop().await?;
    Ok(figures)
}

/// Thousands of instructions for each request.
async fn counted(drive: Drive<'_>, server: &Server, lines: &str) -> Result<f64> {
    // The first round makes the instances and connections, and is not counted.
    drive.send(server, lines, CLIENTS, 1, None).await?;
    control(server, &["-z"])?;
    control(server, &["-i", "on"])?;
    let outcome = drive.send(server, lines, CLIENTS, drive.bench.scale.seconds, None).await?;
    // Callgrind shows no numbers once it does not count.
    let output = control(server, &["-e"])?;
    control(server, &["-i", "off"])?;
    // One line for each thread: "Th 2  61,107,588".
    let of_thread =
        |line: &str| line.trim().strip_prefix("Th ")?.split_whitespace().nth(1)?.replace(',', "").parse::<f64>().ok();
    let all: f64 = output.lines().filter_map(of_thread).sum::<f64>();
    ensure!(all > 0.0, "callgrind counted nothing: {output}");
    Ok(all / outcome.requests() / 1000.0)
}

fn control(server: &Server, arguments: &[&str]) -> Result<String> {
    let pid = server.pid().with_context(|| format!("{} is not running", server.name()))?.to_string();
    let output = Command::new("callgrind_control").args(arguments).arg(pid).output()?;
    ensure!(output.status.success(), "callgrind_control: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
