//! Runs compiled filters in an interpreter of the instructions that they use, and compares the results with the rules.

use executor::{Filter, Instruction};

use super::*;
use crate::CapabilitySet;

const ALLOW: u32 = 0x7fff_0000;
const KILL: u32 = 0x8000_0000;
const ENOSYS: u32 = 0x0005_0026;
const EPERM: u32 = 0x0005_0001;

/// The result of a filter for a system call, after the kernel's interpreter (`kernel/seccomp.c`).
fn run(filter: &Filter, audit: u32, number: u32, arguments: [u64; 6]) -> u32 {
    let mut data = [0u32; 16];
    (data[0], data[1]) = (number, audit);
    for (index, argument) in arguments.into_iter().enumerate() {
        (data[4 + 2 * index], data[5 + 2 * index]) = (argument as u32, (argument >> 32) as u32);
    }
    let (mut at, mut accumulator) = (0, 0);
    loop {
        let Instruction(code, yes, no, value) = filter.instructions()[at];
        let branch = |holds: bool| usize::from(if holds { yes } else { no });
        at += 1;
        match code {
            0x20 => accumulator = data[value as usize / 4],
            0x54 => accumulator &= value,
            0x05 => at += value as usize,
            0x15 => at += branch(accumulator == value),
            0x25 => at += branch(accumulator > value),
            0x35 => at += branch(accumulator >= value),
            0x06 => return value,
            other => panic!("instruction {other:#x}"),
        }
    }
}

fn given(capabilities: CapabilitySet) -> Circumstances {
    Circumstances { architecture: Architecture::X86_64, capabilities, kernel: (6, 1) }
}

fn compiled(text: &str) -> Filter {
    compile(&Profile::parse(text).unwrap(), &given(CapabilitySet::EMPTY)).unwrap()
}

fn result(filter: &Filter, name: &str, arguments: &[u64]) -> u32 {
    let mut all = [0; 6];
    all[..arguments.len()].copy_from_slice(arguments);
    let number = Architecture::X86_64.syscalls()[name];
    run(filter, Architecture::X86_64.audit(), number, all)
}

#[test]
fn conditions_compare_whole_arguments() {
    let check = |op: &str, value: u64, value_two: u64, holds: &dyn Fn(u64) -> bool| {
        let filter = compiled(&format!(
            r#"{{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{{"names":["lseek"],"action":"SCMP_ACT_ERRNO","errnoRet":38,
            "args":[{{"index":1,"value":{value},"valueTwo":{value_two},"op":"{op}"}}]}}]}}"#
        ));
        let edges = [0, 1, value.wrapping_sub(1), value, value.wrapping_add(1), value << 32, value >> 32, u64::MAX];
        let near = edges.into_iter().chain(edges.map(|edge| edge ^ (1 << 32))).chain([value_two, value & value_two]);
        for argument in near {
            let expect = if holds(argument) { ENOSYS } else { ALLOW };
            assert_eq!(result(&filter, "lseek", &[7, argument]), expect, "{argument:#x} {op} {value:#x}");
        }
    };
    for value in [0, 1, 40, 0xffff_ffff, 0x1_0000_0000, 0x7_0000_0007, u64::MAX] {
        check("SCMP_CMP_EQ", value, 0, &|argument| argument == value);
        check("SCMP_CMP_NE", value, 0, &|argument| argument != value);
        check("SCMP_CMP_LT", value, 0, &|argument| argument < value);
        check("SCMP_CMP_LE", value, 0, &|argument| argument <= value);
        check("SCMP_CMP_GT", value, 0, &|argument| argument > value);
        check("SCMP_CMP_GE", value, 0, &|argument| argument >= value);
        let two = value & 0x5_0000_0005;
        check("SCMP_CMP_MASKED_EQ", value, two, &|argument| argument & value == two);
    }
}

#[test]
fn every_number_gets_the_action_of_its_rule() {
    let calls = Architecture::X86_64.syscalls();
    // Every third system call, so that the tree is deep and its jumps are long.
    let listed: Vec<&str> = calls.iter().filter(|(_, number)| *number % 3 == 0).map(|(name, _)| *name).collect();
    let names = listed.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(",");
    let filter = compiled(&format!(
        r#"{{"defaultAction":"SCMP_ACT_KILL_PROCESS","archMap":[{{"architecture":"SCMP_ARCH_X86_64","subArchitectures":null}}],
        "syscalls":[{{"names":[{names}],"action":"SCMP_ACT_ALLOW","args":[]}}]}}"#
    ));
    for (name, number) in &calls {
        let expect = if listed.contains(name) { ALLOW } else { KILL };
        assert_eq!(result(&filter, name, &[]), expect, "{name} {number}");
    }
    assert_eq!(run(&filter, Architecture::X86_64.audit(), 5000, [0; 6]), KILL);
}

#[test]
fn other_abis_do_not_pass() {
    let filter = compiled(r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[]}"#);
    assert_eq!(run(&filter, 0x4000_0003, 1, [0; 6]), KILL, "i386");
    assert_eq!(run(&filter, Architecture::X86_64.audit(), 0x4000_0001, [0; 6]), ENOSYS, "x32");
    assert_eq!(result(&filter, "read", &[]), ALLOW);
}

#[test]
fn rules_depend_on_capabilities_architecture_and_kernel() {
    let text = r#"{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[
        {"names":["mount"],"action":"SCMP_ACT_ALLOW","includes":{"caps":["CAP_SYS_ADMIN"]},"excludes":{}},
        {"names":["clone3"],"action":"SCMP_ACT_ERRNO","errnoRet":38,"excludes":{"caps":["CAP_SYS_ADMIN"]}},
        {"names":["ptrace"],"action":"SCMP_ACT_ALLOW","includes":{"minKernel":"4.8"}},
        {"names":["kcmp"],"action":"SCMP_ACT_ALLOW","includes":{"minKernel":"99.0"}},
        {"names":["arch_prctl"],"action":"SCMP_ACT_ALLOW","includes":{"arches":["amd64","x32"]}},
        {"names":["read"],"action":"SCMP_ACT_ALLOW","includes":{"arches":["s390"]}},
        {"names":["arm_fadvise64_64"],"action":"SCMP_ACT_ALLOW"}]}"#;
    let profile = Profile::parse(text).unwrap();
    let admin = CapabilitySet::of_name("SYS_ADMIN").unwrap();
    for (capabilities, mount, clone3) in [(CapabilitySet::EMPTY, EPERM, ENOSYS), (admin, ALLOW, EPERM)] {
        let filter = compile(&profile, &given(capabilities)).unwrap();
        let results =
            ["mount", "clone3", "ptrace", "kcmp", "arch_prctl", "read"].map(|name| result(&filter, name, &[]));
        assert_eq!(results, [mount, clone3, ALLOW, EPERM, ALLOW, EPERM]);
    }
}

#[test]
fn the_first_rule_counts_and_those_without_conditions_come_last() {
    let filter = compiled(
        r#"{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[
        {"names":["socket"],"action":"SCMP_ACT_ALLOW"},
        {"names":["socket"],"action":"SCMP_ACT_ERRNO","errnoRet":38,"args":[{"index":0,"value":40,"op":"SCMP_CMP_EQ"}]}]}"#,
    );
    assert_eq!((result(&filter, "socket", &[40]), result(&filter, "socket", &[2])), (ENOSYS, ALLOW));
}

/// A profile as Debian's package golang-github-containers-common has it: errors by name and by number, system calls of other
/// architectures and of other times, and parts without content.
#[test]
fn a_profile_of_containers_common_is_understood() {
    let text = r#"{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":38,"defaultErrno":"ENOSYS",
        "archMap":[{"architecture":"SCMP_ARCH_X86_64","subArchitectures":["SCMP_ARCH_X86","SCMP_ARCH_X32"]},
                   {"architecture":"SCMP_ARCH_AARCH64","subArchitectures":["SCMP_ARCH_ARM"]}],
        "syscalls":[
        {"names":["bdflush","kexec_load","of_tomorrow"],"action":"SCMP_ACT_ERRNO","args":[],"comment":"","includes":{},
         "excludes":{},"errnoRet":1,"errno":"EPERM"},
        {"names":["read","_llseek","timerfd"],"action":"SCMP_ACT_ALLOW","args":[],"comment":"","includes":{},"excludes":{}},
        {"names":["bpf"],"action":"SCMP_ACT_ALLOW","args":[],"comment":"","includes":{"caps":["CAP_SYS_ADMIN"]},"excludes":{}},
        {"names":["bpf"],"action":"SCMP_ACT_ERRNO","args":[],"comment":"","includes":{},
         "excludes":{"caps":["CAP_SYS_ADMIN"]},"errnoRet":2,"errno":"EACCES"},
        {"names":["socket"],"action":"SCMP_ACT_ERRNO","args":[{"index":0,"value":16,"valueTwo":0,"op":"SCMP_CMP_EQ"},
         {"index":2,"value":9,"valueTwo":0,"op":"SCMP_CMP_EQ"}],"comment":"","includes":{},
         "excludes":{"caps":["CAP_AUDIT_WRITE"]},"errnoRet":22,"errno":"EINVAL"},
        {"names":["socket"],"action":"SCMP_ACT_ALLOW","args":null,"comment":"","includes":{"minKernel":"4.8"},"excludes":{}}]}"#;
    let profile = Profile::parse(text).unwrap();
    let filter = compile(&profile, &given(CapabilitySet::EMPTY)).unwrap();
    const EACCES: u32 = 0x0005_000d;
    const EINVAL: u32 = 0x0005_0016;
    assert_eq!(["kexec_load", "read", "bpf", "mount"].map(|n| result(&filter, n, &[])), [EPERM, ALLOW, EACCES, ENOSYS]);
    assert_eq!([[16, 3, 9], [16, 3, 8]].map(|arguments| result(&filter, "socket", &arguments)), [EINVAL, ALLOW]);
    let admin = compile(&profile, &given(CapabilitySet::of_name("SYS_ADMIN").unwrap())).unwrap();
    assert_eq!(result(&admin, "bpf", &[]), ALLOW);
    assert!(check_seccomp_profile(text).is_ok());
    let misspelt = text.replace("EACCES", "EACCESS");
    assert!(check_seccomp_profile(&misspelt).unwrap_err().to_string().contains("'EACCESS' is no error number"));
}

#[test]
fn what_a_profile_denies_exists() {
    let check = |text: &str, expect: &str| {
        let refused = Profile::parse(text).and_then(|profile| compile(&profile, &given(CapabilitySet::EMPTY)));
        let said = refused.unwrap_err().to_string();
        assert!(said.contains(expect), "{said}");
    };
    let rule = |rule: &str| format!(r#"{{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{rule}]}}"#);
    check(&rule(r#"{"names":["mont"],"action":"SCMP_ACT_ERRNO"}"#), "'mont', which does not exist");
    check(&rule(r#"{"names":["mount"],"action":"SCMP_ACT_NOTIFY"}"#), "'SCMP_ACT_NOTIFY' is no action");
    check(&rule(r#"{"names":["mount"],"action":"SCMP_ACT_ERRNO","argz":[]}"#), "unknown field `argz`");
    let with_argument = |index: u32, op: &str| {
        rule(&format!(
            r#"{{"names":["mount"],"action":"SCMP_ACT_ERRNO","args":[{{"index":{index},"value":1,"op":"{op}"}}]}}"#
        ))
    };
    check(&with_argument(6, "SCMP_CMP_EQ"), "arguments 0 to 5, not 6");
    check(&with_argument(0, "SCMP_CMP_X"), "operator 'SCMP_CMP_X' is unknown");
    check(&rule(r#"{"names":["mount"],"action":"SCMP_ACT_ERRNO","includes":{"caps":["NET_RAW"]}}"#), "'NET_RAW'");
    check(
        r#"{"defaultAction":"SCMP_ACT_ALLOW","archMap":[],"syscalls":[]}"#,
        "'archMap' does not have SCMP_ARCH_X86_64",
    );
    check(r#"{"syscalls":[]}"#, "defaultAction");
    check("[", "not a profile");
}

#[test]
fn the_default_profile_denies_what_concerns_the_machine() {
    for architecture in [Architecture::X86_64, Architecture::Aarch64] {
        compile(&default_profile(architecture), &Circumstances { architecture, ..given(CapabilitySet::EMPTY) })
            .unwrap();
    }
    let profile = default_profile(Architecture::X86_64);
    let plain = compile(&profile, &given(CapabilitySet::EMPTY)).unwrap();
    let check = |name: &str, arguments: &[u64], expect: u32| {
        assert_eq!(result(&plain, name, arguments), expect, "{name} {arguments:?}");
    };
    for name in ["read", "openat", "execve", "ptrace", "futex_waitv", "capset", "setgroups", "rseq"] {
        check(name, &[], ALLOW);
    }
    for name in ["mount", "unshare", "bpf", "keyctl", "io_uring_setup", "kexec_load", "settimeofday"] {
        check(name, &[], EPERM);
    }
    check("clone", &[0x11], ALLOW);
    check("clone", &[0x1000_0011], EPERM);
    check("clone3", &[], ENOSYS);
    check("socket", &[2, 1, 0], ALLOW);
    check("socket", &[40, 1, 0], EPERM);
    check("personality", &[0xffff_ffff], ALLOW);
    check("personality", &[0x40_0000], EPERM);
    assert_eq!(run(&plain, Architecture::X86_64.audit(), 4711, [0; 6]), ENOSYS);
    let admin = compile(&profile, &given(CapabilitySet::of_name("SYS_ADMIN").unwrap())).unwrap();
    assert_eq!(
        ["mount", "unshare", "clone3", "keyctl"].map(|n| result(&admin, n, &[0x1000_0000])),
        [ALLOW, ALLOW, ALLOW, EPERM]
    );
    assert!(plain.instructions().len() < 500, "{}", plain.instructions().len());
}
