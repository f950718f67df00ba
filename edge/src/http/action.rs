//! The actions that endpoints permit their callers, in the terms of Mesos' authorization
//! (`include/mesos/authorizer/authorizer.proto` and `acls.proto` of Mesos 1.11).

/// The realm that a caller authenticates for. Everybody may use an endpoint without a realm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Realm {
    /// `mesos-master-readonly`, `mesos-agent-readonly`.
    ReadOnly,
    /// `mesos-master-readwrite`, `mesos-agent-readwrite`.
    ReadWrite,
    /// `mesos-master-scheduler`.
    Scheduler,
    /// `mesos-agent-executor`.
    Executor,
}

/// An action of Mesos' authorizer. A caller without the right to it gets 403 or a reduced response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// `GET_ENDPOINT_WITH_PATH`: the object is the endpoint's path without its process.
    GetEndpoint,
    /// `VIEW_FLAGS`.
    ViewFlags,
    /// `VIEW_FRAMEWORK`.
    ViewFramework,
    /// `VIEW_TASK`.
    ViewTask,
    /// `VIEW_EXECUTOR`.
    ViewExecutor,
    /// `VIEW_ROLE`.
    ViewRole,
    /// `VIEW_CONTAINER`.
    ViewContainer,
    /// `ACCESS_MESOS_LOG`: the log of the process.
    AccessMesosLog,
    /// `ACCESS_SANDBOX`: every other file below `/files`.
    AccessSandbox,
    /// `SET_LOG_LEVEL`.
    SetLogLevel,
    /// `RESERVE_RESOURCES`.
    ReserveResources,
    /// `UNRESERVE_RESOURCES`.
    UnreserveResources,
    /// `CREATE_VOLUME`.
    CreateVolume,
    /// `DESTROY_VOLUME`.
    DestroyVolume,
    /// `TEARDOWN_FRAMEWORK`.
    TeardownFramework,
    /// `GET_QUOTA`.
    GetQuota,
    /// `UPDATE_QUOTA`.
    UpdateQuota,
    /// `UPDATE_WEIGHT`.
    UpdateWeight,
    /// `GET_MAINTENANCE_SCHEDULE`.
    GetMaintenanceSchedule,
    /// `UPDATE_MAINTENANCE_SCHEDULE`.
    UpdateMaintenanceSchedule,
    /// `GET_MAINTENANCE_STATUS`.
    GetMaintenanceStatus,
    /// `START_MAINTENANCE`.
    StartMaintenance,
    /// `STOP_MAINTENANCE`.
    StopMaintenance,
    /// The call in the body determines the action: the operator, scheduler and executor APIs.
    OfTheCall,
}
