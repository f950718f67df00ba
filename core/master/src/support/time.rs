//! Times in messages.

/// Converts a time to a `TimeInfo`: nanoseconds since 1970.
pub(crate) fn time_info(at: model::Timestamp) -> messages::v1::TimeInfo {
    messages::v1::TimeInfo { nanoseconds: i64::try_from(at.nanos()).unwrap_or(i64::MAX) }
}
