//! What others may have put into ZooKeeper: names of nodes and their data; and URLs of masters.
#![no_main]

use election::{MasterUrl, Member};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &[u8])| {
    let (name, data) = input;
    let _ = name.parse::<MasterUrl>();
    for name in [name, "json.info_0000000001", "info_0000000002", "0000000003"] {
        if let Some(member) = Member::parse(name) {
            let _ = member.info(data);
            assert_eq!(Member::leader([&name.to_owned()]), Some(member));
        }
    }
});
