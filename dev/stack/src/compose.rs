//! The stores in containers instead of the machine's own packages.

use crate::paths;

/// Arguments to `docker` that run one service of `dev/compose.yaml` in the foreground: its end is the container's end,
/// so a container is a child process like the others. A project per service and port keeps stacks apart.
pub(crate) fn up(service: &str, port: u16) -> Vec<String> {
    let file = paths::root().join("dev/compose.yaml").display().to_string();
    let project = format!("interaction-{service}-{port}");
    ["compose", "-f", &file, "-p", &project, "up", "--no-log-prefix", service].map(str::to_owned).to_vec()
}
