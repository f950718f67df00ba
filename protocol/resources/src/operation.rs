//! The properties of each type of offer operation. Only this module names all types. Every difference between them is
//! decided here by a match without a default arm, so a new type does not compile until each match has an arm for it.

use messages::v1::offer::Operation;
use messages::v1::offer::operation::Type;
use messages::v1::{ExecutorInfo, Resource, ResourceProviderId, TaskInfo, agent_info};

use crate::{Resources, conversions};

/// The time at which the result of an operation is known, and who may use it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Application {
    /// LAUNCH, LAUNCH_GROUP: tasks use the resources as they are.
    Launch,
    /// The master applies it at once, since the agent can hardly refuse it; the operations after it in the same call
    /// see the result. Mesos calls such operations speculative.
    Immediate,
    /// The master applies it at once, and the operations after it in the same call do not see the result: Mesos
    /// reserves the freedom to resize volumes later.
    ImmediateForLaterOffers,
    /// A resource provider reports the result.
    ByResourceProvider,
    /// A type of a newer version.
    Unknown,
}

/// The properties that all operations of a type share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OperationSpec {
    /// The type itself.
    pub kind: Type,
    /// The name in calls: `CREATE_DISK`.
    pub name: &'static str,
    /// The field of `Offer.Operation` that describes it: `create_disk`; also its name in metrics. Empty for UNKNOWN.
    pub field: &'static str,
    /// The time at which the result of an operation is known.
    pub application: Application,
    /// The capability that an agent needs to carry it out; `None` if every agent can.
    pub capability: Option<agent_info::capability::Type>,
    /// Whether the shared volumes that are left of the offers have to be looked up again afterwards.
    pub changes_volumes: bool,
}

impl OperationSpec {
    /// The specifications of all types, in the order of their numbers.
    pub const ALL: [OperationSpec; 11] = [
        OperationSpec::of(Type::Unknown),
        OperationSpec::of(Type::Launch),
        OperationSpec::of(Type::Reserve),
        OperationSpec::of(Type::Unreserve),
        OperationSpec::of(Type::Create),
        OperationSpec::of(Type::Destroy),
        OperationSpec::of(Type::LaunchGroup),
        OperationSpec::of(Type::GrowVolume),
        OperationSpec::of(Type::ShrinkVolume),
        OperationSpec::of(Type::CreateDisk),
        OperationSpec::of(Type::DestroyDisk),
    ];

    /// The types that convert resources, in the order of their numbers: all that do not launch tasks.
    pub fn conversions() -> impl Iterator<Item = OperationSpec> {
        Self::ALL.into_iter().filter(|spec| match spec.application {
            Application::Immediate | Application::ImmediateForLaterOffers | Application::ByResourceProvider => true,
            Application::Launch | Application::Unknown => false,
        })
    }

    /// Returns the specification of a type.
    pub const fn of(kind: Type) -> OperationSpec {
        use agent_info::capability::Type as Capability;
        let (name, field, application, capability, changes_volumes) = match kind {
            Type::Unknown => ("UNKNOWN", "", Application::Unknown, None, false),
            Type::Launch => ("LAUNCH", "launch", Application::Launch, None, false),
            Type::LaunchGroup => ("LAUNCH_GROUP", "launch_group", Application::Launch, None, false),
            Type::Reserve => ("RESERVE", "reserve", Application::Immediate, None, false),
            Type::Unreserve => ("UNRESERVE", "unreserve", Application::Immediate, None, false),
            Type::Create => ("CREATE", "create", Application::Immediate, None, true),
            Type::Destroy => ("DESTROY", "destroy", Application::Immediate, None, true),
            Type::GrowVolume => {
                let capability = Some(Capability::ResizeVolume);
                ("GROW_VOLUME", "grow_volume", Application::ImmediateForLaterOffers, capability, true)
            }
            Type::ShrinkVolume => {
                let capability = Some(Capability::ResizeVolume);
                ("SHRINK_VOLUME", "shrink_volume", Application::ImmediateForLaterOffers, capability, true)
            }
            Type::CreateDisk => {
                let capability = Some(Capability::ResourceProvider);
                ("CREATE_DISK", "create_disk", Application::ByResourceProvider, capability, true)
            }
            Type::DestroyDisk => {
                let capability = Some(Capability::ResourceProvider);
                ("DESTROY_DISK", "destroy_disk", Application::ByResourceProvider, capability, true)
            }
        };
        OperationSpec { kind, name, field, application, capability, changes_volumes }
    }

    /// Returns whether the master applies the operation before the agent has answered.
    pub const fn is_speculative(&self) -> bool {
        match self.application {
            Application::Launch
            | Application::Immediate
            | Application::ImmediateForLaterOffers
            | Application::Unknown => true,
            Application::ByResourceProvider => false,
        }
    }
}

/// The resources in one field of an operation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ResourceList<'a> {
    /// A field that holds one resource.
    One(&'a Resource),
    /// A repeated field.
    Many(&'a [Resource]),
}

impl<'a> ResourceList<'a> {
    /// Returns the resources of the field, which is a single resource or a list.
    pub fn as_slice(self) -> &'a [Resource] {
        match self {
            ResourceList::One(resource) => std::slice::from_ref(resource),
            ResourceList::Many(resources) => resources,
        }
    }
}

/// Returns all resources of an operation in the order in which Mesos checks them; `None` if the field of its type is
/// not set.
pub fn resource_lists(operation: &Operation) -> Option<Vec<ResourceList<'_>>> {
    use ResourceList::{Many, One};
    Some(match operation.r#type() {
        Type::Unknown => Vec::new(),
        Type::Launch => operation.launch.as_ref()?.task_infos.iter().flat_map(lists_of_task).collect(),
        Type::LaunchGroup => {
            let group = operation.launch_group.as_ref()?;
            let tasks = group.task_group.tasks.iter().flat_map(lists_of_task);
            std::iter::once(Many(&group.executor.resources)).chain(tasks).collect()
        }
        Type::Reserve => {
            let reserve = operation.reserve.as_ref()?;
            vec![Many(&reserve.resources), Many(&reserve.source)]
        }
        Type::Unreserve => vec![Many(&operation.unreserve.as_ref()?.resources)],
        Type::Create => vec![Many(&operation.create.as_ref()?.volumes)],
        Type::Destroy => vec![Many(&operation.destroy.as_ref()?.volumes)],
        Type::GrowVolume => {
            let grow = operation.grow_volume.as_ref()?;
            vec![One(&grow.volume), One(&grow.addition)]
        }
        Type::ShrinkVolume => vec![One(&operation.shrink_volume.as_ref()?.volume)],
        Type::CreateDisk => vec![One(&operation.create_disk.as_ref()?.source)],
        Type::DestroyDisk => vec![One(&operation.destroy_disk.as_ref()?.source)],
    })
}

fn lists_of_task(task: &TaskInfo) -> impl Iterator<Item = ResourceList<'_>> {
    let executor = task.executor.as_deref().map(|executor: &ExecutorInfo| ResourceList::Many(&executor.resources));
    std::iter::once(ResourceList::Many(&task.resources)).chain(executor)
}

/// Changes every list of resources of an operation that converts resources. A field that holds one resource is changed
/// as a list of one. Tasks and executors of LAUNCH and LAUNCH_GROUP are left alone.
pub fn for_each_resource_list(operation: &mut Operation, change: impl Fn(&mut Vec<Resource>)) {
    let one = |resource: &mut Resource| {
        let mut list = vec![std::mem::take(resource)];
        change(&mut list);
        *resource = list.pop().unwrap_or_default();
    };
    match operation.r#type() {
        Type::Unknown | Type::Launch | Type::LaunchGroup => {}
        Type::Reserve => {
            if let Some(reserve) = &mut operation.reserve {
                change(&mut reserve.source);
                change(&mut reserve.resources);
            }
        }
        Type::Unreserve => operation.unreserve.iter_mut().for_each(|unreserve| change(&mut unreserve.resources)),
        Type::Create => operation.create.iter_mut().for_each(|create| change(&mut create.volumes)),
        Type::Destroy => operation.destroy.iter_mut().for_each(|destroy| change(&mut destroy.volumes)),
        Type::GrowVolume => {
            if let Some(grow) = &mut operation.grow_volume {
                one(&mut grow.volume);
                one(&mut grow.addition);
            }
        }
        Type::ShrinkVolume => operation.shrink_volume.iter_mut().for_each(|shrink| one(&mut shrink.volume)),
        Type::CreateDisk => operation.create_disk.iter_mut().for_each(|create| one(&mut create.source)),
        Type::DestroyDisk => operation.destroy_disk.iter_mut().for_each(|destroy| one(&mut destroy.source)),
    }
}

/// Returns the tasks that an operation launches; `None` for operations that launch none.
pub fn tasks(operation: &Operation) -> Option<&[TaskInfo]> {
    match operation.r#type() {
        Type::Launch => operation.launch.as_ref().map(|launch| launch.task_infos.as_slice()),
        Type::LaunchGroup => operation.launch_group.as_ref().map(|group| group.task_group.tasks.as_slice()),
        Type::Unknown
        | Type::Reserve
        | Type::Unreserve
        | Type::Create
        | Type::Destroy
        | Type::GrowVolume
        | Type::ShrinkVolume
        | Type::CreateDisk
        | Type::DestroyDisk => None,
    }
}

/// Returns the resource provider whose resources an operation converts; `None` for resources of the agent itself.
/// Validation has made sure that all resources of an operation belong to one provider.
pub fn provider(operation: &Operation) -> Option<ResourceProviderId> {
    match OperationSpec::of(operation.r#type()).application {
        Application::Launch | Application::Unknown => None,
        Application::Immediate | Application::ImmediateForLaterOffers | Application::ByResourceProvider => {
            resource_lists(operation)?.first()?.as_slice().first()?.provider_id.clone()
        }
    }
}

/// Returns the resources that an operation consumes; empty if it launches tasks or cannot be converted.
pub fn consumed(operation: &Operation) -> Resources {
    match OperationSpec::of(operation.r#type()).application {
        Application::Launch | Application::Unknown => Resources::new(),
        Application::Immediate | Application::ImmediateForLaterOffers => {
            let steps = conversions(operation).unwrap_or_default();
            steps.iter().fold(Resources::new(), |sum, step| sum + step.consumed.clone())
        }
        Application::ByResourceProvider => {
            let lists = resource_lists(operation).unwrap_or_default();
            lists.first().and_then(|list| Resources::from_proto(list.as_slice()).ok()).unwrap_or_default()
        }
    }
}

#[cfg(test)]
mod tests {
    use messages::schema::{HasDescriptor, Kind, Label, MessageDescriptor};

    use super::*;

    fn types() -> impl Iterator<Item = Type> {
        let Some(Kind::Enum(types)) = Operation::desc().by_name("type").map(|field| field.kind) else { panic!() };
        types.values.iter().map(|(number, _)| Type::try_from(*number).unwrap())
    }

    /// Returns an operation with one resource in each field of its message that can hold any.
    fn filled(kind: Type) -> Operation {
        let resource = r#"{"name":"x","type":"SCALAR","scalar":{"value":1},"provider_id":{"value":"p"}}"#;
        let spec = OperationSpec::of(kind);
        let field = Operation::desc().by_name(spec.field).unwrap();
        let Kind::Message(desc) = field.kind else { panic!("{} is no message", spec.field) };
        let values = desc.fields.iter().filter_map(|field| {
            let value = match field.kind {
                Kind::Message(m) if is_resource(m) && field.label == Label::Repeated => format!("[{resource}]"),
                Kind::Message(m) if is_resource(m) => resource.to_owned(),
                Kind::Message(m) if m.name.ends_with("Scalar") => r#"{"value":1}"#.to_owned(),
                Kind::Enum(e) => format!("{:?}", e.values.last()?.1),
                _ => return None,
            };
            Some(format!("{:?}:{value}", field.name))
        });
        let values: Vec<String> = values.collect();
        let json = format!(r#"{{"type":"{}","{}":{{{}}}}}"#, spec.name, spec.field, values.join(","));
        wire::json::decode(json.as_bytes(), &wire::Limits::default()).unwrap()
    }

    fn is_resource(desc: &MessageDescriptor) -> bool {
        desc.name == Resource::desc().name
    }

    #[test]
    fn all_types_are_listed() {
        let mut numbers: Vec<i32> = types().map(|kind| kind as i32).collect();
        numbers.sort_unstable();
        assert_eq!(OperationSpec::ALL.map(|spec| spec.kind as i32).to_vec(), numbers);
        assert_eq!(OperationSpec::conversions().count(), numbers.len() - 3);
    }

    #[test]
    fn each_type_has_its_names() {
        for kind in types() {
            let spec = OperationSpec::of(kind);
            assert_eq!(spec.name, kind.as_str_name());
            assert_eq!(spec.field.is_empty(), kind == Type::Unknown);
            assert!(kind == Type::Unknown || spec.field == spec.name.to_lowercase());
        }
    }

    /// The lists for reading and for changing contain every field of every conversion that holds resources.
    #[test]
    fn all_resources_of_conversions_are_listed() {
        for kind in types().filter(|kind| !matches!(kind, Type::Unknown | Type::Launch | Type::LaunchGroup)) {
            let mut operation = filled(kind);
            let lists = |operation: &Operation| -> Vec<String> {
                let lists = resource_lists(operation).unwrap();
                lists.iter().flat_map(|list| list.as_slice()).map(|resource| resource.name.clone()).collect()
            };
            let Some(Kind::Message(desc)) =
                Operation::desc().by_name(OperationSpec::of(kind).field).map(|field| field.kind)
            else {
                panic!()
            };
            let fields = desc.fields.iter().filter(|f| matches!(f.kind, Kind::Message(m) if is_resource(m))).count();
            assert_eq!(lists(&operation), vec!["x"; fields], "{kind:?}");
            assert_eq!(provider(&operation).map(|id| id.value), Some("p".to_owned()), "{kind:?}");
            for_each_resource_list(&mut operation, |list| list.iter_mut().for_each(|one| one.name = "y".to_owned()));
            assert_eq!(lists(&operation), vec!["y"; fields], "{kind:?}");
            let without = Operation { r#type: Some(kind as i32), ..Operation::default() };
            assert_eq!(resource_lists(&without), None, "{kind:?}");
        }
    }

    #[test]
    fn tasks_and_their_executors_are_listed() {
        let task = r#"{"name":"t","task_id":{"value":"t"},"agent_id":{"value":"a"},
            "resources":[{"name":"cpus","type":"SCALAR"}],
            "executor":{"executor_id":{"value":"e"},"resources":[{"name":"mem","type":"SCALAR"}]}}"#;
        let check = |json: String, expect: &[&str]| {
            let operation: Operation = wire::json::decode(json.as_bytes(), &wire::Limits::default()).unwrap();
            let lists = resource_lists(&operation).unwrap();
            let names: Vec<&str> = lists.iter().flat_map(|list| list.as_slice()).map(|one| one.name.as_str()).collect();
            assert_eq!(names, expect);
            assert_eq!(tasks(&operation).map(<[_]>::len), Some(1));
            assert_eq!((provider(&operation), consumed(&operation)), (None, Resources::new()));
        };
        check(format!(r#"{{"type":"LAUNCH","launch":{{"task_infos":[{task}]}}}}"#), &["cpus", "mem"]);
        let executor = r#"{"executor_id":{"value":"e"},"resources":[{"name":"disk","type":"SCALAR"}]}"#;
        check(
            format!(
                r#"{{"type":"LAUNCH_GROUP","launch_group":{{"executor":{executor},"task_group":{{"tasks":[{task}]}}}}}}"#
            ),
            &["disk", "cpus", "mem"],
        );
    }
}
