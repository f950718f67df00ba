//! The resources that the simulation offers and uses.

use messages::v1::resource::AllocationInfo;
use messages::v1::{Resource, value};

pub fn scalar(name: &str, amount: f64) -> Resource {
    Resource {
        name: name.to_owned(),
        r#type: value::Type::Scalar.into(),
        scalar: Some(value::Scalar { value: amount }),
        ..Resource::default()
    }
}

pub fn ports(begin: u64, end: u64) -> Resource {
    Resource {
        name: "ports".to_owned(),
        r#type: value::Type::Ranges.into(),
        ranges: Some(Box::new(value::Ranges { range: vec![value::Range { begin, end }] })),
        ..Resource::default()
    }
}

pub fn allocated(resource: Resource, role: &str) -> Resource {
    Resource { allocation_info: Some(AllocationInfo { role: Some(role.to_owned()) }), ..resource }
}
