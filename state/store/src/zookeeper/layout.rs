//! The layout of records: the node of a record, its division into parts, and the grouping of operations into requests.

use crate::RecordWrite;

/// The maximum size of a node's data in bytes. A request with one part stays well below 1 MB with keys and overhead.
pub const MAX_PART: usize = 512 * 1024;
/// The maximum size in bytes of all operations of a request.
pub const MAX_REQUEST: usize = 768 * 1024;
/// The maximum of operations in a request. ZooKeeper carries it out as one transaction, while others wait.
pub const MAX_OPERATIONS: usize = 1000;
/// The number of bytes before the data of the first part: the format, and the number of parts.
const HEADER: usize = 5;
const FORMAT: u8 = 1;

/// The change of one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// The path below `entries`.
    pub node: String,
    /// The new data; `None` to remove the node.
    pub data: Option<Vec<u8>>,
}

impl Operation {
    /// Returns the approximate size of the operation in a request, in bytes.
    pub fn size(&self) -> usize {
        self.data.as_ref().map_or(0, Vec::len) + 2 * self.node.len() + 128
    }
}

/// Returns the node of a part of a record, `<bucket>/<name>`.
pub fn node(key: &str, part: u32) -> String {
    let name = encode(key);
    let bucket = bucket(key);
    if part == 0 { format!("{bucket:02x}/{name}") } else { format!("{bucket:02x}/{name}#{part}") }
}

/// Returns the bucket of a key (FNV-1a, folded), which also spreads keys that differ only in their last characters.
fn bucket(key: &str) -> u8 {
    let hash = key.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    (hash ^ (hash >> 8) ^ (hash >> 16) ^ (hash >> 24)) as u8
}

/// Encodes characters that ZooKeeper does not accept in names, or that have a meaning here, as `%xx`.
fn encode(key: &str) -> String {
    let mut name = String::with_capacity(key.len());
    for byte in key.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b':' | b'@' => name.push(char::from(byte)),
            _ => name.push_str(&format!("%{byte:02x}")),
        }
    }
    name
}

/// Returns the key and the part of a node's name; `None` for a node of something else.
pub fn parse(name: &str) -> Option<(String, u32)> {
    let (name, part) = match name.split_once('#') {
        Some((name, part)) => (name, part.parse().ok().filter(|part| *part > 0)?),
        None => (name, 0),
    };
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let Some((first, others)) = rest.split_first() {
        rest = others;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digits = rest.get(..2).and_then(|digits| std::str::from_utf8(digits).ok())?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = &rest[2..];
    }
    Some((String::from_utf8(bytes).ok()?, part))
}

/// Returns the number of parts of a value.
pub fn parts(value: &[u8]) -> u32 {
    u32::try_from(value.len().div_ceil(MAX_PART)).unwrap_or(u32::MAX).max(1)
}

/// Returns the operations of a write. `before` is the number of parts that the record has now.
pub fn operations(write: &RecordWrite, before: u32) -> Vec<Operation> {
    let mut operations = Vec::new();
    let mut after = 0;
    if let Some(value) = &write.value {
        after = parts(value);
        let mut chunks = value.chunks(MAX_PART);
        let first = chunks.next().unwrap_or_default();
        let mut data = Vec::with_capacity(HEADER + first.len());
        data.push(FORMAT);
        data.extend_from_slice(&after.to_be_bytes());
        data.extend_from_slice(first);
        operations.push(Operation { node: node(&write.key, 0), data: Some(data) });
        let others = (1..).zip(chunks);
        operations
            .extend(others.map(|(part, chunk)| Operation { node: node(&write.key, part), data: Some(chunk.to_vec()) }));
    }
    operations.extend((after..before).map(|part| Operation { node: node(&write.key, part), data: None }));
    operations
}

/// Returns the number of parts of a record, and the first part.
pub fn first_part(data: &[u8]) -> Option<(u32, &[u8])> {
    let (header, rest) = data.split_at_checked(HEADER)?;
    let (format, count) = header.split_first()?;
    let count = u32::from_be_bytes(count.try_into().ok()?);
    (*format == FORMAT && count > 0).then_some((count, rest))
}

/// Groups operations into requests.
pub fn requests(operations: &[Operation]) -> Vec<&[Operation]> {
    let mut requests = Vec::new();
    let (mut begin, mut size) = (0, 0);
    for (index, operation) in operations.iter().enumerate() {
        let full = size + operation.size() > MAX_REQUEST || index - begin >= MAX_OPERATIONS;
        if index > begin && full {
            requests.push(&operations[begin..index]);
            (begin, size) = (index, 0);
        }
        size += operation.size();
    }
    if begin < operations.len() {
        requests.push(&operations[begin..]);
    }
    requests
}

/// Encodes operations for the journal.
pub fn pack(operations: &[Operation]) -> Vec<u8> {
    let mut packed = Vec::new();
    for operation in operations {
        put(&mut packed, operation.node.as_bytes());
        packed.push(u8::from(operation.data.is_some()));
        put(&mut packed, operation.data.as_deref().unwrap_or_default());
    }
    packed
}

fn put(packed: &mut Vec<u8>, bytes: &[u8]) {
    packed.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
    packed.extend_from_slice(bytes);
}

/// Decodes operations; `None` if the bytes are damaged.
pub fn unpack(mut packed: &[u8]) -> Option<Vec<Operation>> {
    let mut operations = Vec::new();
    while !packed.is_empty() {
        let node = String::from_utf8(take(&mut packed)?.to_vec()).ok()?;
        let (is_data, rest) = packed.split_first()?;
        packed = rest;
        let data = take(&mut packed)?.to_vec();
        operations.push(Operation { node, data: (*is_data == 1).then_some(data) });
    }
    Some(operations)
}

fn take<'a>(packed: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = packed.split_at_checked(8)?;
    let length = usize::try_from(u64::from_be_bytes(length.try_into().ok()?)).ok()?;
    let (bytes, rest) = rest.split_at_checked(length)?;
    *packed = rest;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Other programs may write below the same path.
        #[test]
        fn any_node_is_read_or_skipped(name in ".*", data: Vec<u8>) {
            let _ = parse(&name);
            let _ = first_part(&data);
            let _ = unpack(&data);
        }

        #[test]
        fn any_key_round_trips(key in ".*", part: u32) {
            let node = node(&key, part);
            let (_, name) = node.split_once('/').unwrap();
            prop_assert_eq!(parse(name), Some((key, part)));
        }

        #[test]
        fn a_truncated_journal_is_ignored(at: prop::sample::Index) {
            let packed = pack(&operations(&write("k", Some(30)), 3));
            let torn = &packed[..at.index(packed.len())];
            // A text that ends between two operations is a valid shorter one.
            prop_assert!(unpack(torn).is_none_or(|operations| pack(&operations) == torn));
        }
    }

    fn write(key: &str, length: Option<usize>) -> RecordWrite {
        RecordWrite { key: key.to_owned(), value: length.map(|length| vec![7; length]) }
    }

    #[test]
    fn names_and_keys_are_one_to_one() {
        for key in ["agents/1-S0", "a.b/c#d%e", "", "zoo keeper", "ä/ö"] {
            let (bucket, name) = node(key, 0).split_once('/').map(|(b, n)| (b.to_owned(), n.to_owned())).unwrap();
            assert_eq!(bucket.len(), 2);
            assert!(!name.contains('/') && !name.contains('.'), "{name}");
            assert_eq!(parse(&name), Some((key.to_owned(), 0)));
        }
        assert_eq!(parse("a%2fb#3"), Some(("a/b".to_owned(), 3)));
        for junk in ["%", "%4", "%zz", "a#", "a#0", "a#x", "%ff"] {
            assert_eq!(parse(junk), None, "{junk}");
        }
    }

    #[test]
    fn consecutive_ids_are_distributed() {
        let used: std::collections::BTreeSet<u8> = (0..4000).map(|n| bucket(&format!("agents/0f-S{n}"))).collect();
        assert!(used.len() > 200, "{}", used.len());
    }

    #[test]
    fn large_values_are_split_and_smaller_ones_replace_them() {
        let check = |length: Option<usize>, before: u32, written: usize, removed: usize| {
            let operations = operations(&write("k", length), before);
            let counts = (
                operations.iter().filter(|o| o.data.is_some()).count(),
                operations.iter().filter(|o| o.data.is_none()).count(),
            );
            assert_eq!(counts, (written, removed), "{length:?} {before}");
        };
        check(Some(0), 0, 1, 0);
        check(Some(MAX_PART), 1, 1, 0);
        check(Some(MAX_PART + 1), 1, 2, 0);
        check(Some(1), 3, 1, 2);
        check(None, 2, 0, 2);
        check(None, 0, 0, 0);
    }

    #[test]
    fn requests_stay_below_the_limit() {
        let operations: Vec<Operation> =
            (0..5000).flat_map(|n| operations(&write(&n.to_string(), Some(n * 7)), 0)).collect();
        let requests = requests(&operations);
        assert_eq!(requests.iter().map(|request| request.len()).sum::<usize>(), operations.len());
        for request in requests {
            let size: usize = request.iter().map(Operation::size).sum();
            assert!(request.len() <= MAX_OPERATIONS && (size <= MAX_REQUEST || request.len() == 1), "{size}");
        }
    }

    #[test]
    fn the_journal_returns_what_was_written() {
        let operations: Vec<Operation> =
            [Some(0), Some(3), None].into_iter().flat_map(|length| operations(&write("k", length), 2)).collect();
        let packed = pack(&operations);
        assert_eq!(unpack(&packed), Some(operations));
        assert_eq!(unpack(&packed[..packed.len() - 1]), None);
        assert_eq!(unpack(&[]), Some(Vec::new()));
    }
}
