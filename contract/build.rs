//! Resolves the includes of `lua/*.lua` and fixes each script's SHA-1, so that a component can send EVALSHA without
//! having hashed or loaded anything at run time.

use std::{env, fmt::Write as _, fs, path::Path};

use sha1::{Digest, Sha1};

const INCLUDE: &str = "-- @include ";

fn main() {
    let folder = Path::new(&env::var("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("../lua");
    println!("cargo::rerun-if-changed={}", folder.display());

    let mut names: Vec<String> = fs::read_dir(&folder)
        .expect("lua/ is readable")
        .filter_map(|entry| {
            let name = entry.expect("lua/ is readable").file_name().into_string().ok()?;
            Some(name.strip_suffix(".lua")?.to_owned())
        })
        .collect();
    names.sort();

    let mut rust = String::new();
    for name in &names {
        let source = resolve(&folder, &format!("{name}.lua"));
        // After the line with the script's flags, if it has one.
        let lines = source.lines().skip_while(|line| line.starts_with("#!"));
        let header: Vec<&str> = lines.map_while(|line| line.strip_prefix("--")).collect();
        let digest = Sha1::digest(source.as_bytes());
        let sha = digest.iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        // The script's own header is its documentation, laid out as it is.
        let _ = writeln!(rust, "/// ```text");
        for line in header {
            let _ = writeln!(rust, "/// {}", line.strip_prefix(' ').unwrap_or(line));
        }
        let _ = writeln!(rust, "/// ```");
        let _ = writeln!(
            rust,
            "pub(super) const {}: Script = Script {{ name: {name:?}, source: {source:?}, sha: {sha:?} }};",
            name.to_uppercase()
        );
    }
    let all = names.iter().map(|name| name.to_uppercase()).collect::<Vec<_>>().join(", ");
    let _ =
        writeln!(rust, "/// Every script, for warming a server's script cache.\npub const ALL: &[Script] = &[{all}];");

    let out = Path::new(&env::var("OUT_DIR").expect("cargo sets it")).join("scripts.rs");
    fs::write(out, rust).expect("OUT_DIR is writable");
}

/// The file with each `-- @include name` line replaced by `include/name.lua`.
fn resolve(folder: &Path, file: &str) -> String {
    let path = folder.join(file);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines().fold(String::new(), |mut whole, line| {
        if let Some(name) = line.strip_prefix(INCLUDE) {
            whole.push_str(&resolve(folder, &format!("include/{}.lua", name.trim())));
        } else {
            whole.push_str(line);
            whole.push('\n');
        }
        whole
    })
}
