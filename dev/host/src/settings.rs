//! The interface by which components ask for their variables.

use wasmtime::component::{Accessor, HasSelf};

use crate::bindings::spin::variables::variables as wit;
use crate::guest::Guest;
use crate::variables::check_name;

impl wit::Host for Guest {}

impl<T: Send> wit::HostWithStore<T> for HasSelf<Guest> {
    async fn get(accessor: &Accessor<T, Self>, name: String) -> Result<String, wit::Error> {
        check_name(&name).map_err(|reason| wit::Error::InvalidName(format!("{name:?} {reason}")))?;
        let value = accessor.with(|mut access| access.get().component.variables.get(&name).cloned());
        value.ok_or_else(|| wit::Error::Undefined(format!("the component has no variable {name:?}")))
    }
}
