//! How Kafka's programs are started.

use crate::paths;
use std::path::Path;

/// With these the broker starts in half the time. A test never runs it long enough to need the full compiler.
const OPTIONS: [&str; 4] = ["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"];

/// The arguments of `java` for a program of Kafka's.
pub(super) fn java(libs: &Path) -> Vec<String> {
    let logging = paths::root().join("dev/kafka/log4j2.properties");
    let mut arguments = OPTIONS.map(str::to_owned).to_vec();
    arguments.push(format!("-Dlog4j2.configurationFile={}", logging.display()));
    arguments.extend(["-cp".to_owned(), format!("{}/*", libs.display())]);
    arguments
}
