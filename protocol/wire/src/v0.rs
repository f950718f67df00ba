//! `mesos.scheduler.Call` of the v0 driver. Its bytes are those of the v1 call, except in `Subscribe`, where `force`
//! has number 2 and the fields after it have numbers that are larger by one. The decoder renumbers these fields and
//! reads the result as the v1 call.

use messages::v1::scheduler::Call;

use crate::protobuf::scan::{Fields, Payload, put_bytes, put_varint};
use crate::{DecodeError, Limits, decode, encode};

/// The number of `Call.subscribe`, in both versions.
const SUBSCRIBE: u32 = 3;
/// The number of `Call.Subscribe.framework_info`, in both versions.
const FRAMEWORK_INFO: u32 = 1;
/// The number of `Call.Subscribe.force`, in v0 only.
const FORCE: u32 = 2;

/// Reads a v0 call as a v1 call, and the `force` of its `subscribe`: whether to replace a scheduler that is still
/// connected.
///
/// # Errors
///
/// Returns an error if the bytes are malformed, incomplete, or beyond the limits.
pub fn decode_scheduler_call(bytes: &[u8], limits: &Limits) -> Result<(Call, bool), DecodeError> {
    if bytes.len() > limits.max_bytes {
        return Err(DecodeError::TooLarge { size: bytes.len(), limit: limits.max_bytes });
    }
    let mut force = false;
    let renumbered = map_subscribe(bytes, |subscribe, out| {
        rewrite(subscribe, out, |number, payload, out| match (number, payload) {
            (FORCE, Payload::Varint(value)) => force = value != 0,
            (FORCE, _) => {}
            (0..=FRAMEWORK_INFO, payload) => put(number, payload, out),
            (number, payload) => put(number - 1, payload, out),
        })
    })?;
    Ok((decode(&renumbered, limits)?, force))
}

/// Writes a v1 call as a v0 driver does; `force` is left out unless it is set, as by the driver.
pub fn encode_scheduler_call(call: &Call, force: bool) -> Vec<u8> {
    let renumber = |subscribe: &[u8], out: &mut Vec<u8>| {
        if force {
            put(FORCE, Payload::Varint(1), out);
        }
        rewrite(subscribe, out, |number, payload, out| {
            put(if number <= FRAMEWORK_INFO { number } else { number + 1 }, payload, out);
        })
    };
    // This cannot fail, since `encode` has written the bytes.
    map_subscribe(&encode(call), renumber).unwrap_or_default()
}

fn map_subscribe(
    bytes: &[u8],
    mut change: impl FnMut(&[u8], &mut Vec<u8>) -> Result<(), DecodeError>,
) -> Result<Vec<u8>, DecodeError> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut result = Ok(());
    rewrite(bytes, &mut out, |number, payload, out| match (number, payload) {
        (SUBSCRIBE, Payload::Bytes(subscribe)) => {
            let mut changed = Vec::with_capacity(subscribe.len());
            if let Err(error) = change(subscribe, &mut changed) {
                result = Err(error);
            }
            put_bytes(SUBSCRIBE, &changed, out);
        }
        (number, payload) => put(number, payload, out),
    })?;
    result.map(|()| out)
}

fn rewrite(
    bytes: &[u8],
    out: &mut Vec<u8>,
    mut each: impl FnMut(u32, Payload<'_>, &mut Vec<u8>),
) -> Result<(), DecodeError> {
    let mut fields = Fields::new(bytes);
    while let Some(field) = fields.next_field()? {
        each(field.number, field.payload, out);
    }
    Ok(())
}

fn put(number: u32, payload: Payload<'_>, out: &mut Vec<u8>) {
    let tag = |wire: u64| u64::from(number) << 3 | wire;
    match payload {
        Payload::Varint(value) => {
            put_varint(tag(0), out);
            put_varint(value, out);
        }
        Payload::Fixed64(bytes) => {
            put_varint(tag(1), out);
            out.extend_from_slice(&bytes);
        }
        Payload::Bytes(bytes) => put_bytes(number, bytes, out),
        Payload::Fixed32(bytes) => {
            put_varint(tag(5), out);
            out.extend_from_slice(&bytes);
        }
    }
}
