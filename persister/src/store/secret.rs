//! Secrets: from the environment or from a file, as Kubernetes mounts them.

use std::{env, fs};

use anyhow::{Context as _, bail};
use secrecy::SecretString;

/// The value of an environment variable, or the content of the file that the variable of the same name with `_FILE` at
/// its end names, without the line break at its end. Errors name the variable and never show its value.
pub(crate) fn secret(variable: &str) -> anyhow::Result<SecretString> {
    optional(variable)?.with_context(|| format!("{variable} is not set; see `persister --help` for its form"))
}

/// The same of a secret that not everyone has.
pub(crate) fn optional(variable: &str) -> anyhow::Result<Option<SecretString>> {
    let in_file = format!("{variable}_FILE");
    let value = match (env::var(variable), env::var_os(&in_file)) {
        (Ok(_), Some(_)) => bail!("{variable} and {in_file} are both set; unset one"),
        (Ok(value), None) => value,
        (Err(env::VarError::NotUnicode(_)), _) => bail!("{variable} is not UTF-8"),
        (Err(env::VarError::NotPresent), Some(file)) => {
            let text = fs::read_to_string(file).with_context(|| format!("the file of {in_file} cannot be read"))?;
            text.trim_end_matches(['\n', '\r']).to_owned()
        }
        (Err(env::VarError::NotPresent), None) => String::new(),
    };
    Ok((!value.is_empty()).then(|| value.into()))
}
