//! The macro that turns a table of flags into a struct.

/// Generates a struct with a field for each supported flag, and its [`FlagGroup`](crate::FlagGroup).
///
/// ```text
/// flags! {
///     /// The description of the struct.
///     ExampleFlags {
///         address: AddressFlags;                                    // another table, as a field
///         "Title of a section" {
///             port: u16 = "5050" => "Help.";                        // with a default
///             work_dir: PathBuf => "Help.";                         // required
///             #[alias = "old_name"]
///             timeout: Option<Duration>, in POSITIVE => "Help.";    // optional, with bounds
///             [NoEffect: "reason"] { perf_events: String => "Help."; }
///             [Refused: "reason"] { acls: Json => "Help."; }
///         }
///     }
/// }
/// ```
///
/// A flag that has no effect or is refused gets no field, so that a program that reads it does not compile.
macro_rules! flags {
    (
        $(#[$doc:meta])*
        $name:ident {
            $( $group:ident : $group_type:ty; )*
            $( $section:literal {
                $(
                    $(#[alias = $alias:literal])*
                    $field:ident : $type:ty $(= $default:literal)? $(, in $bounds:expr)? => $help:literal;
                )*
                $( [$support:ident : $reason:expr] {
                    $(
                        $(#[alias = $other_alias:literal])*
                        $other:ident : $other_type:ty $(= $other_default:literal)? => $other_help:literal;
                    )*
                } )*
            } )*
        }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $name {
            $(
                #[doc = concat!("The flags of [`", stringify!($group_type), "`].")]
                pub $group: $group_type,
            )*
            $($(
                // A text of `--help` may have brackets, which are no links there.
                #[allow(rustdoc::broken_intra_doc_links)]
                #[doc = $help]
                pub $field: $type,
            )*)*
        }

        impl $crate::definition::FlagGroup for $name {
            const SECTIONS: &'static [$crate::definition::Section] = &[$(
                $crate::definition::Section {
                    title: $section,
                    flags: &[
                        $($crate::definition::Flag {
                            name: stringify!($field),
                            aliases: &[$($alias),*],
                            kind: <$type as $crate::value::Field>::KIND,
                            default: $crate::macros::optional!($($default)?),
                            required: <$type as $crate::value::Field>::REQUIRED
                                && $crate::macros::optional!($($default)?).is_none(),
                            bounds: $crate::macros::bounds!($type $(, $bounds)?),
                            support: $crate::definition::Support::Supported,
                            help: $help,
                            check: $crate::value::check::<$type>,
                        },)*
                        $($($crate::definition::Flag {
                            name: stringify!($other),
                            aliases: &[$($other_alias),*],
                            kind: <$other_type as $crate::value::Field>::KIND,
                            default: $crate::macros::optional!($($other_default)?),
                            required: false,
                            bounds: $crate::bounds::Bounds::Any,
                            support: $crate::definition::Support::$support($reason),
                            help: $other_help,
                            check: $crate::value::check::<$other_type>,
                        },)*)*
                    ],
                },
            )*];

            fn read(values: &$crate::parse::Values) -> Result<Self, $crate::error::Error> {
                // A table may have no fields.
                let _ = values;
                Ok($name {
                    $( $group: $crate::definition::FlagGroup::read(values)?, )*
                    $($(
                        $field: values.read(
                            stringify!($field),
                            $crate::macros::optional!($($default)?),
                            &$crate::macros::bounds!($type $(, $bounds)?),
                        )?,
                    )*)*
                })
            }
        }
    };
}

/// Turns a literal that may be missing into an `Option`.
macro_rules! optional {
    () => {
        None::<&'static str>
    };
    ($value:literal) => {
        Some($value)
    };
}

/// Returns the bounds of a row, or else those of its type.
macro_rules! bounds {
    ($type:ty) => {
        <$type as $crate::value::Field>::BOUNDS
    };
    ($type:ty, $bounds:expr) => {
        $bounds
    };
}

pub(crate) use {bounds, flags, optional};
