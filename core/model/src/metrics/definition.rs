//! The definition of metrics: a table in which each has a row, and the struct that follows from it.

/// Whether a metric only grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// It only grows while its process runs.
    Counter,
    /// It may fall.
    Gauge,
}

/// A metric with a fixed name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetricDefinition {
    /// Mesos' name, such as `master/tasks_running`.
    pub name: &'static str,
    /// Whether it only grows.
    pub kind: MetricKind,
}

/// Declares the struct of the metrics of a core. Each row has the kind, the field, and the name of a metric; the rows
/// in `shell` have no field, since the shell computes them when they are read, or nothing in Tepui corresponds to them. The
/// fields in `with` are groups of metrics whose names are composed.
macro_rules! metrics {
    (
        $(#[$meta:meta])*
        pub struct $type:ident {
            $($(#[$doc:meta])* $kind:ident $field:ident = $name:literal,)*
        }
        shell {
            $($shell_kind:ident = $shell_name:literal,)*
        }
        with {
            $($(#[$group_doc:meta])* $visibility:vis $group:ident: $group_type:ty,)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Default)]
        pub struct $type {
            $($(#[$doc])* #[doc = concat!("The metric `", $name, "`.")] pub $field: MetricValue,)*
            $($(#[$group_doc])* $visibility $group: $group_type,)*
        }

        impl $type {
            /// Every metric with a fixed name, in the order of the table; those of the shell are the last.
            pub const DEFINITIONS: &[MetricDefinition] = &[
                $(MetricDefinition { name: $name, kind: MetricKind::$kind },)*
                $(MetricDefinition { name: $shell_name, kind: MetricKind::$shell_kind },)*
            ];

            /// Iterates over the fields of the table by name.
            fn fixed(&self) -> impl Iterator<Item = (Cow<'static, str>, f64)> + '_ {
                [$((Cow::Borrowed($name), self.$field.get() as f64),)*].into_iter()
            }
        }
    };
}

pub(crate) use metrics;
