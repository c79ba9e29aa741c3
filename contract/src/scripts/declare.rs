//! The macros that declare a script's call: its fields, its answer, and its KEYS and ARGV in the order of the script's
//! header.

/// The type of a call.
macro_rules! script {
    (
        $(#[$doc:meta])*
        $name:ident $(<$life:lifetime>)? = $script:ident -> $answer:ty { $($(#[$of:meta])* $field:ident: $type:ty,)* }
        |$call:ident, $at:ident| in $partition:expr,
        keys($($key:expr),* $(,)?), $as:ident($($arg:expr),* $(,)?) $(, limits($limits:expr))?
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $name $(<$life>)? {
            $($(#[$of])* pub $field: $type,)*
        }

        impl $(<$life>)? $crate::scripts::Call for $name $(<$life>)? {
            type Answer = $answer;
            const SCRIPT: $crate::scripts::Script = $crate::scripts::text::$script;

            fn partition(&self) -> $crate::Partition {
                let $call = self;
                // A call whose keys belong to no article does not use itself.
                let _ = $call;
                $partition
            }

            fn command(&self, $at: $crate::scripts::At<'_>) -> $crate::scripts::Command {
                let ($call, mut command) = (self, $crate::scripts::Command::default());
                $($crate::scripts::part::Part::append($key, &mut command.keys);)*
                let args = arguments!($as);
                $(let args = $crate::scripts::part::appended(args, $arg);)*
                command.args = args.into();
                command
            }

            $(fn limits(&self) -> &[$crate::scripts::Limit] {
                let $call = self;
                $limits
            })?
        }
    };
}

/// The form of a call's arguments: `args` are separate values; `packed` are one value, for the scripts of requests.
macro_rules! arguments {
    (args) => {
        Vec::<Vec<u8>>::new()
    };
    (packed) => {
        $crate::scripts::packed::Packed::default()
    };
}

/// The type of an answer, with its fields in the order of the script's answer.
macro_rules! answer {
    ($(#[$doc:meta])* $name:ident { $($(#[$of:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name {
            $($(#[$of])* pub $field: $type,)*
        }

        impl $crate::scripts::FromReply for $name {
            fn read(reply: &mut $crate::scripts::Reply) -> Option<Self> {
                Some(Self { $($field: $crate::scripts::FromReply::read(reply)?,)* })
            }
        }
    };
}
