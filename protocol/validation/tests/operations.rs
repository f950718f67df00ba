//! Operations: a case gives one, the caller and the agent, and expects Mesos' reason ("" if the operation is allowed).

#![allow(clippy::unwrap_used)]

use ids::Role;
use messages::v1::offer::Operation;
use messages::v1::offer::operation::*;
use messages::v1::resource::disk_info::source::{self, Type as SourceType};
use messages::v1::resource::disk_info::{Persistence, Source};
use messages::v1::resource::{AllocationInfo, DiskInfo, ReservationInfo};
use messages::v1::{self, Resource};
use resources::Resources;
use validation::ValidationError;
use validation::operation::{Context, OperationAgent, OperationFramework, validate};

const VALID: &str = "";

/// The caller and the agent. By default the caller is a framework in role `eng` with SHARED_RESOURCES, and the agent
/// has all capabilities, the volume `taken`, and a task on the shared volume `used`.
#[derive(Clone, Copy)]
struct OperationScenario {
    principal: Option<&'static str>,
    agent: OperationAgent,
    operator: bool,
    shared_resources: bool,
}

const NEW: OperationAgent = OperationAgent {
    hierarchical_role: true,
    reservation_refinement: true,
    resource_provider: true,
    resize_volume: true,
};
const OLD: OperationAgent = OperationAgent {
    hierarchical_role: false,
    reservation_refinement: false,
    resource_provider: false,
    resize_volume: false,
};

const FRAMEWORK: OperationScenario =
    OperationScenario { principal: None, agent: NEW, operator: false, shared_resources: true };
const OPERATOR: OperationScenario = OperationScenario { operator: true, ..FRAMEWORK };

impl OperationScenario {
    #[track_caller]
    fn check(self, operation: Operation, reason: &str) {
        let roles = [Role::new("eng"), Role::new("eng/web")];
        let used = Resources::from_proto(&[shared(volume(10, "used"))]).unwrap();
        let taken = Resources::from_proto(&[volume(10, "taken")]).unwrap();
        let context = Context {
            principal: self.principal,
            agent: self.agent,
            framework: (!self.operator).then_some(OperationFramework {
                id: "f",
                roles: &roles,
                shared_resources: self.shared_resources,
            }),
            checkpointed: &(&used + &taken).unallocated(),
            in_use: &|wanted| used.unallocated().contains(wanted),
        };
        let verdict = validate(&operation, &context);
        assert_eq!(verdict.err().as_ref().map_or("", ValidationError::reason), reason);
    }
}

fn plain(name: &str, amount: u32) -> Resource {
    Resources::parse(&format!("{name}:{amount}"), "*").unwrap().to_proto().remove(0)
}

fn level(role: &str) -> ReservationInfo {
    ReservationInfo { r#type: Some(2), role: Some(role.to_owned()), ..Default::default() }
}

/// Returns a resource that is offered in `eng` and to be reserved for a role.
fn reserved(name: &str, amount: u32, role: &str) -> Resource {
    Resource {
        reservations: vec![level(role)],
        allocation_info: Some(AllocationInfo { role: Some(role.to_owned()) }),
        ..plain(name, amount)
    }
}

fn unallocated(resource: Resource) -> Resource {
    Resource { allocation_info: None, ..resource }
}

fn volume(megabytes: u32, id: &str) -> Resource {
    let persistence = Some(Persistence { id: id.to_owned(), principal: None });
    let mount = v1::Volume { container_path: "p".to_owned(), mode: v1::volume::Mode::Rw as i32, ..Default::default() };
    let disk = DiskInfo { persistence, volume: Some(Box::new(mount)), source: None };
    Resource { disk: Some(Box::new(disk)), ..reserved("disk", megabytes, "eng") }
}

fn shared(volume: Resource) -> Resource {
    Resource { shared: Some(v1::resource::SharedInfo {}), ..volume }
}

fn sourced(mut resource: Resource, kind: SourceType, id: Option<&str>, profile: Option<&str>) -> Resource {
    let mount = (kind == SourceType::Mount).then(|| source::Mount { root: Some("/m".to_owned()) });
    let id = id.map(str::to_owned);
    let source = Source { r#type: kind as i32, mount, id, profile: profile.map(str::to_owned), ..Default::default() };
    resource.disk.get_or_insert_default().source = Some(Box::new(source));
    resource
}

fn provided(resource: Resource) -> Resource {
    Resource { provider_id: Some(v1::ResourceProviderId { value: "rp".to_owned() }), ..resource }
}

fn of(kind: Type) -> Operation {
    Operation { r#type: Some(kind as i32), ..Default::default() }
}

fn reserve(resources: Vec<Resource>) -> Operation {
    exchange(vec![], resources)
}

fn exchange(source: Vec<Resource>, resources: Vec<Resource>) -> Operation {
    Operation { reserve: Some(Box::new(Reserve { source, resources })), ..of(Type::Reserve) }
}

fn unreserve(resources: Vec<Resource>) -> Operation {
    Operation { unreserve: Some(Box::new(Unreserve { resources })), ..of(Type::Unreserve) }
}

fn create(volumes: Vec<Resource>) -> Operation {
    Operation { create: Some(Box::new(Create { volumes })), ..of(Type::Create) }
}

fn destroy(volumes: Vec<Resource>) -> Operation {
    Operation { destroy: Some(Box::new(Destroy { volumes })), ..of(Type::Destroy) }
}

fn grow(volume: Resource, addition: Resource) -> Operation {
    Operation { grow_volume: Some(Box::new(GrowVolume { volume, addition })), ..of(Type::GrowVolume) }
}

fn shrink(volume: Resource, megabytes: f64) -> Operation {
    let subtract = v1::value::Scalar { value: megabytes };
    Operation { shrink_volume: Some(Box::new(ShrinkVolume { volume, subtract })), ..of(Type::ShrinkVolume) }
}

fn create_disk(source: Resource, target: SourceType, profile: Option<&str>) -> Operation {
    let create = CreateDisk { source, target_type: target as i32, target_profile: profile.map(str::to_owned) };
    Operation { create_disk: Some(Box::new(create)), ..of(Type::CreateDisk) }
}

fn destroy_disk(source: Resource) -> Operation {
    Operation { destroy_disk: Some(Box::new(DestroyDisk { source })), ..of(Type::DestroyDisk) }
}

#[test]
fn frameworks_can_reserve_only_for_the_role_of_the_offer() {
    let check = |resources: Vec<Resource>, reason: &str| FRAMEWORK.check(reserve(resources), reason);
    check(vec![reserved("cpus", 1, "eng"), reserved("mem", 1, "eng")], VALID);
    check(vec![], "Invalid resources: The resources have multiple resource providers: ");
    check(
        vec![reserved("cpus", 1, "eng"), provided(reserved("cpus", 1, "eng"))],
        "Invalid resources: Some resources have a resource provider and some do not",
    );
    check(vec![plain("cpus", 1)], "Resource cpus:1 is not dynamically reserved");
    check(
        vec![unallocated(reserved("cpus", 1, "eng"))],
        "A reserve operation was attempted on unallocated resource cpus(reservations: [(DYNAMIC,eng)]):1, but \
         frameworks can only perform reservations on allocated resources",
    );
    let for_other = Resource { reservations: vec![level("ads")], ..reserved("cpus", 1, "eng") };
    check(
        vec![for_other],
        "A reserve operation was attempted for a resource with role 'ads', but the resource was allocated to role 'eng'",
    );
    check(
        vec![reserved("cpus", 1, "ads")],
        "A reserve operation was attempted for a resource allocated to role 'ads', but the framework only has roles \
         '{ eng, eng/web }'",
    );
    check(
        vec![reserved("cpus", 1, "eng"), reserved("mem", 1, "eng/web")],
        "Invalid reservation resources: The resources have multiple allocation roles ('eng/web' and 'eng') but only \
         one allocation role is allowed",
    );
    let revocable = Resource { revocable: Some(v1::resource::RevocableInfo {}), ..reserved("cpus", 1, "eng") };
    check(
        vec![revocable],
        "Invalid resources: Invalid ReservationInfo: Dynamically reserved resource cpus(allocated: eng)(reservations: \
         [(DYNAMIC,eng)]){REV}:1 cannot be created from revocable resources",
    );
}

#[test]
fn reservations_require_capabilities_of_the_agent() {
    let old = OperationScenario { agent: OLD, ..FRAMEWORK };
    old.check(reserve(vec![reserved("cpus", 1, "eng")]), VALID);
    old.check(
        reserve(vec![reserved("cpus", 1, "eng/web")]),
        "Resource cpus(allocated: eng/web)(reservations: [(DYNAMIC,eng/web)]):1 with reservation for hierarchical role \
         'eng/web' cannot be reserved on an agent without HIERARCHICAL_ROLE capability",
    );
    let refined = Resource { reservations: vec![level("eng"), level("eng/web")], ..reserved("cpus", 1, "eng/web") };
    OperationScenario { agent: OperationAgent { hierarchical_role: true, ..OLD }, ..FRAMEWORK }.check(
        reserve(vec![refined.clone()]),
        "Resource cpus(allocated: eng/web)(reservations: [(DYNAMIC,eng),(DYNAMIC,eng/web)]):1 with reservation \
         refinement cannot be reserved on an agent without RESERVATION_REFINEMENT capability",
    );
    FRAMEWORK.check(reserve(vec![refined]), VALID);
}

#[test]
fn reservations_and_volumes_require_the_principal_of_the_caller() {
    let ann = OperationScenario { principal: Some("ann"), ..FRAMEWORK };
    let signed = |principal: &str| {
        let mut cpus = reserved("cpus", 1, "eng");
        cpus.reservations[0].principal = Some(principal.to_owned());
        reserve(vec![cpus])
    };
    ann.check(signed("ann"), VALID);
    ann.check(
        reserve(vec![reserved("cpus", 1, "eng")]),
        "A reserve operation was attempted by principal 'ann', but there is a reserved resource in the request with no \
         principal set",
    );
    ann.check(
        signed("bob"),
        "A reserve operation was attempted by authenticated principal 'ann', which does not match a reserved resource \
         in the request with principal 'bob'",
    );
    FRAMEWORK.check(signed("bob"), VALID);
    let created = |principal: &str| {
        let mut volume = volume(1, "v");
        volume.disk.as_mut().unwrap().persistence.as_mut().unwrap().principal = Some(principal.to_owned());
        create(vec![volume])
    };
    ann.check(created("ann"), VALID);
    ann.check(
        create(vec![volume(1, "v")]),
        "Create volume operation attempted by principal 'ann', but there is a volume in the operation with no principal \
         set in 'disk.persistence'",
    );
    ann.check(
        created("bob"),
        "Create volume operation attempted by authenticated principal 'ann', which does not match a volume in the \
         operation with principal 'bob' set in 'disk.persistence'",
    );
}

#[test]
fn operators_reserve_unallocated_resources_and_can_replace_reservations() {
    let cpus = |amount, role| unallocated(reserved("cpus", amount, role));
    OPERATOR.check(reserve(vec![cpus(1, "ads")]), VALID);
    OPERATOR.check(
        reserve(vec![reserved("cpus", 1, "ads")]),
        "A reserve operation was attempted with an allocated resource, but the operator API only allows reservations to \
         be made to unallocated resources",
    );
    OPERATOR.check(exchange(vec![cpus(1, "eng")], vec![cpus(1, "ads")]), VALID);
    OPERATOR.check(exchange(vec![cpus(1, "eng")], vec![]), "Invalid resources: Resource cannot be empty");
    OPERATOR.check(
        exchange(vec![cpus(1, "eng")], vec![cpus(2, "ads")]),
        "Source and target resources should refer to identical resource quantities: cpus:1 vs. cpus:2",
    );
    let mixed = vec![cpus(1, "eng"), unallocated(reserved("mem", 1, "ads"))];
    let target = vec![cpus(1, "eng"), unallocated(reserved("mem", 1, "eng"))];
    OPERATOR.check(
        exchange(mixed, target),
        "Invalid source: Mixed reservations are not supportedcpus(reservations: [(DYNAMIC,eng)]):1; mem(reservations: \
         [(DYNAMIC,ads)]):1",
    );
}

#[test]
fn only_plain_dynamic_reservations_can_be_unreserved() {
    FRAMEWORK.check(unreserve(vec![reserved("cpus", 1, "anybody")]), VALID);
    FRAMEWORK.check(unreserve(vec![plain("cpus", 1)]), "Resource cpus:1 is not dynamically reserved");
    FRAMEWORK.check(
        unreserve(vec![volume(1, "v")]),
        "A dynamically reserved persistent volume disk(allocated: eng)(reservations: [(DYNAMIC,eng)])[v:p]:1 cannot be \
         unreserved directly. Please destroy the persistent volume first then unreserve the resource",
    );
}

#[test]
fn volumes_require_reserved_disk_and_a_new_id() {
    FRAMEWORK.check(create(vec![volume(1, "a"), volume(1, "b")]), VALID);
    FRAMEWORK.check(create(vec![volume(1, "a"), volume(1, "a")]), "Persistence ID 'a' is not unique");
    FRAMEWORK.check(create(vec![volume(1, "taken")]), "Persistence ID 'taken' is not unique");
    FRAMEWORK.check(
        create(vec![reserved("disk", 1, "eng")]),
        "Not a persistent volume: Resource disk(allocated: eng)(reservations: [(DYNAMIC,eng)]):1 does not have DiskInfo",
    );
    FRAMEWORK.check(
        create(vec![Resource { reservations: vec![], ..volume(1, "v") }]),
        "Invalid resources: Invalid DiskInfo: Persistent volumes cannot be created from unreserved resources",
    );
    let mut read_only = volume(1, "v");
    read_only.disk.as_mut().unwrap().volume.as_mut().unwrap().mode = v1::volume::Mode::Ro as i32;
    FRAMEWORK.check(create(vec![read_only]), "Not a persistent volume: Read-only persistent volume not supported");
    FRAMEWORK.check(create(vec![shared(volume(1, "v"))]), VALID);
    OperationScenario { shared_resources: false, ..FRAMEWORK }.check(
        create(vec![shared(volume(1, "v"))]),
        "Create volume operation for 'disk(allocated: eng)(reservations: [(DYNAMIC,eng)])[v:p]<SHARED>:1' has been \
         attempted by framework 'f' with no SHARED_RESOURCES capability",
    );
}

#[test]
fn only_known_unused_volumes_can_be_destroyed() {
    FRAMEWORK.check(destroy(vec![volume(10, "taken")]), VALID);
    OPERATOR.check(destroy(vec![unallocated(volume(10, "taken"))]), VALID);
    FRAMEWORK.check(destroy(vec![volume(10, "nowhere")]), "Persistent volumes not found");
    FRAMEWORK.check(destroy(vec![volume(9, "taken")]), "Persistent volumes not found");
    FRAMEWORK.check(destroy(vec![shared(volume(10, "used"))]), "Persistent volumes in use");
    FRAMEWORK.check(destroy(vec![provided(volume(10, "theirs"))]), VALID);
}

#[test]
fn resizing_a_volume_is_checked() {
    let more = || reserved("disk", 5, "eng");
    FRAMEWORK.check(grow(volume(10, "v"), more()), VALID);
    let nothing = Resource { scalar: Some(v1::value::Scalar { value: 0.0 }), ..more() };
    FRAMEWORK
        .check(grow(volume(10, "v"), nothing), "The size of 'GrowVolume.addition' field must be greater than zero");
    FRAMEWORK
        .check(grow(provided(volume(10, "v")), more()), "Growing a volume from a resource provider is not supported");
    FRAMEWORK.check(grow(shared(volume(10, "v")), more()), "Growing a shared persistent volume is not supported");
    FRAMEWORK.check(
        grow(volume(10, "v"), plain("disk", 5)),
        "Incompatible resources in the 'GrowVolume.volume' and 'GrowVolume.addition' fields",
    );
    OperationScenario { agent: OLD, ..FRAMEWORK }.check(
        grow(volume(10, "v"), more()),
        "Volume disk(allocated: eng)(reservations: [(DYNAMIC,eng)])[v:p]:10 cannot be grown on an agent without \
         RESIZE_VOLUME capability",
    );
    FRAMEWORK.check(shrink(volume(10, "v"), 4.0), VALID);
    for nothing in [0.0, -1.0, 0.0001, f64::NAN] {
        FRAMEWORK.check(shrink(volume(10, "v"), nothing), "Value of 'ShrinkVolume.subtract' must be greater than zero");
    }
    FRAMEWORK.check(
        shrink(volume(10, "v"), 10.0),
        "Value of 'ShrinkVolume.subtract' must be smaller than the size of 'ShrinkVolume.volume'",
    );
    FRAMEWORK.check(
        shrink(sourced(volume(10, "v"), SourceType::Mount, None, None), 4.0),
        "Shrinking a volume on a MOUNT disk is not supported",
    );
    FRAMEWORK.check(
        shrink(reserved("disk", 10, "eng"), 4.0),
        "Invalid persistent volume in the 'ShrinkVolume.volume' field: Resource disk(allocated: eng)(reservations: \
         [(DYNAMIC,eng)]):10 does not have DiskInfo",
    );
}

#[test]
fn create_disk_requires_a_raw_disk_of_a_provider() {
    let raw = |id, profile| provided(sourced(plain("disk", 10), SourceType::Raw, id, profile));
    FRAMEWORK.check(create_disk(raw(None, Some("fast")), SourceType::Mount, None), VALID);
    FRAMEWORK.check(create_disk(raw(Some("i"), None), SourceType::Block, Some("fast")), VALID);
    FRAMEWORK.check(
        create_disk(sourced(plain("disk", 10), SourceType::Raw, None, None), SourceType::Block, None),
        "'source' is not managed by a resource provider",
    );
    FRAMEWORK.check(
        create_disk(provided(plain("disk", 10)), SourceType::Block, None),
        "'source' is not a RAW disk resource",
    );
    FRAMEWORK
        .check(create_disk(raw(None, Some("fast")), SourceType::Path, None), "'target_type' is neither MOUNT or BLOCK");
    FRAMEWORK.check(
        create_disk(raw(None, Some("fast")), SourceType::Mount, Some("slow")),
        "'target_profile' must not be set when 'source' has a profile",
    );
    FRAMEWORK.check(
        create_disk(raw(Some("i"), None), SourceType::Mount, None),
        "'target_profile' must be set when 'source' has no profile",
    );
    FRAMEWORK.check(destroy_disk(raw(Some("i"), None)), VALID);
    FRAMEWORK.check(destroy_disk(raw(None, Some("fast"))), "'source' is not backed by a CSI volume");
    FRAMEWORK
        .check(destroy_disk(provided(plain("disk", 10))), "'source' is neither a MOUNT, BLOCK or RAW disk resource");
    FRAMEWORK.check(
        destroy_disk(provided(sourced(volume(10, "v"), SourceType::Mount, Some("i"), None))),
        "A disk resource containing a persistent volume disk(allocated: eng)(reservations: \
         [(DYNAMIC,eng)])[MOUNT(,i,),v:p]:10 cannot be destroyed directly. Please destroy the persistent volume \
         first then destroy the disk resource",
    );
}
