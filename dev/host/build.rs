//! Generates the bindings of Spin's interfaces from the WIT files in the `spin-sdk` package that `Cargo.lock` names, so
//! that components and this host always speak the same version and no copy of the files has to be kept.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// Folder under the package's `wit/deps`, and the interface in it that the host offers.
const INTERFACES: [(&str, &str); 3] = [
    ("spin-redis@3.0.0", "spin:redis/redis@3.0.0"),
    ("spin-mysql@3.0.0", "spin:mysql/mysql@3.0.0"),
    ("spin-variables@3.0.0", "spin:variables/variables@3.0.0"),
];

fn main() -> Result<(), Box<dyn Error>> {
    let wit = sdk_folder()?.join("wit/deps");
    let paths = INTERFACES.map(|(folder, _)| wit.join(folder));
    if let Some(missing) = paths.iter().find(|path| !path.is_dir()) {
        return Err(format!("{} is missing: spin-sdk changed its interfaces", missing.display()).into());
    }
    let imports = INTERFACES.map(|(_, interface)| format!("import {interface};")).join(" ");
    // `bindgen!` takes its path as a literal only, so the invocation itself is generated.
    let bindings = format!(
        r#"wasmtime::component::bindgen!({{
    path: {paths:?},
    inline: "package stand-in:host; world spin {{ {imports} }}",
    with: {{
        "spin:redis/redis.connection": crate::redis::Connection,
        "spin:mysql/mysql.connection": crate::mysql::Connection,
    }},
}});
"#
    );
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("bindings.rs"), bindings)?;
    println!("cargo::rerun-if-changed=build.rs");
    Ok(())
}

/// Returns the folder where cargo keeps the `spin-sdk` that the components of this workspace are built with.
fn sdk_folder() -> Result<PathBuf, Box<dyn Error>> {
    let metadata = cargo_metadata::MetadataCommand::new()
        .other_options(["--locked".into(), "--filter-platform".into(), env::var("TARGET")?])
        .exec()?;
    println!("cargo::rerun-if-changed={}", metadata.workspace_root.join("Cargo.lock"));
    let sdk = metadata.packages.iter().find(|package| package.name.as_str() == "spin-sdk");
    let sdk = sdk.ok_or("no crate of this workspace depends on spin-sdk")?;
    let manifest: &Path = sdk.manifest_path.as_std_path();
    Ok(manifest.parent().ok_or("a manifest without a folder")?.to_path_buf())
}
