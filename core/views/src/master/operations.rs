//! Operations on resources, the oldest first.

use std::sync::Arc;

use messages::v1;
use model::master::OperationUuid;
use rustc_hash::FxHashMap;

use crate::snapshot_map::SnapshotMap;

type Operations = SnapshotMap<Arc<v1::Operation>>;
type Index = FxHashMap<OperationUuid, u64>;

pub(super) fn put(operations: &mut Operations, index: &mut Index, operation: &Arc<v1::Operation>) {
    let Some(uuid) = OperationUuid::from_proto(&operation.uuid) else { return };
    match index.get(&uuid).and_then(|key| operations.get_mut(*key)) {
        Some(slot) => *slot = Arc::clone(operation),
        None => {
            index.insert(uuid, operations.push(Arc::clone(operation)));
        }
    }
}

pub(super) fn remove(operations: &mut Operations, index: &mut Index, uuid: OperationUuid) {
    if let Some(key) = index.remove(&uuid) {
        operations.remove(key);
    }
}
