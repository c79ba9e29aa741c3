//! Which kinds: the same choice for every command that has one.

use clap::{
    Args,
    builder::{PossibleValuesParser, TypedValueParser},
};
use contract::{Kind, KindError};

#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Kinds {
    /// Only this kind; may be given more than once. Without it, all kinds.
    #[arg(long = "kind", value_parser = parser())]
    kinds: Vec<Kind>,
}

fn parser() -> impl TypedValueParser<Value = Kind> {
    PossibleValuesParser::new(Kind::ALL.iter().map(|kind| kind.name())).try_map(|name| name.parse().or(Err(KindError)))
}

impl Kinds {
    /// Whether none was named, so that events of no kind are meant too.
    pub(super) const fn is_any(&self) -> bool {
        self.kinds.is_empty()
    }

    pub(super) fn contains(&self, kind: Kind) -> bool {
        self.is_any() || self.kinds.contains(&kind)
    }

    /// Those that are meant, in the table's order.
    pub(super) fn iter(&self) -> impl Iterator<Item = Kind> + Clone {
        Kind::ALL.iter().copied().filter(|kind| self.contains(*kind))
    }
}
