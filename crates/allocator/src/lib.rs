//! Who is offered what next: hierarchical fair sharing, quota, filters, constraints. Pure.
