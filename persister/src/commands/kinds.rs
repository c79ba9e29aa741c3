//! The option `--kind`, the same for every command.

use clap::{
    Args,
    builder::{PossibleValuesParser, TypedValueParser},
};
use contract::{Kind, KindError};

#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Kinds {
    /// Only this kind; may be given more than once. Without it, all kinds.
    #[arg(long = "kind", value_parser = kind_parser())]
    kinds: Vec<Kind>,
}

/// Reads a kind's name.
pub(super) fn kind_parser() -> impl TypedValueParser<Value = Kind> {
    PossibleValuesParser::new(Kind::ALL.iter().map(|kind| kind.name())).try_map(|name| name.parse().or(Err(KindError)))
}

impl Kinds {
    /// Whether the option is missing, so that events without a kind are selected too.
    pub(super) const fn is_any(&self) -> bool {
        self.kinds.is_empty()
    }

    pub(super) fn contains(&self, kind: Kind) -> bool {
        self.is_any() || self.kinds.contains(&kind)
    }

    /// The selected kinds, in the order of the table.
    pub(super) fn iter(&self) -> impl Iterator<Item = Kind> + Clone {
        Kind::ALL.iter().copied().filter(|kind| self.contains(*kind))
    }
}
