//! The program for the kernel: classic BPF (seccomp(2), `linux/filter.h`), which searches the number of the system call
//! in a tree, so that a profile of hundreds of system calls costs about ten instructions per call.

use executor::{Filter, Instruction};

use super::profile::{Action, Circumstances, Comparison, Condition, Profile, ProfileError, Rule, Rules};
use super::syscalls::Architecture;

/// Loads the word of `seccomp_data` at offset `k` into the accumulator.
const LOAD: u16 = 0x20;
const AND: u16 = 0x54;
const JUMP: u16 = 0x05;
const JUMP_EQUAL: u16 = 0x15;
const JUMP_GREATER: u16 = 0x25;
const JUMP_GREATER_OR_EQUAL: u16 = 0x35;
const RETURN: u16 = 0x06;

/// The offsets in `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;

/// The first number of the x32 ABI of x86-64, whose system calls have other numbers.
const X32: u32 = 0x4000_0000;
const ENOSYS: u16 = 38;
/// The maximum of instructions of a program (`BPF_MAXINSNS`).
const MAX_INSTRUCTIONS: usize = 4096;

/// Compiles a profile for a container.
///
/// The system calls of other ABIs than the machine's own end the process: a filter by number would not hold for them.
/// If several rules are about one system call, the first one counts whose conditions hold, and those without conditions
/// come last.
///
/// # Errors
/// Returns why the profile cannot be carried out.
pub(crate) fn compile(profile: &Profile, given: &Circumstances) -> Result<Filter, ProfileError> {
    let rules = profile.rules(given)?;
    let mut program = vec![
        instruction(LOAD, 0, 0, ARCHITECTURE),
        instruction(JUMP_EQUAL, 1, 0, given.architecture.audit()),
        instruction(RETURN, 0, 0, Action::KILL_PROCESS.0),
        instruction(LOAD, 0, 0, NUMBER),
    ];
    if given.architecture == Architecture::X86_64 {
        program.push(instruction(JUMP_GREATER_OR_EQUAL, 0, 1, X32));
        program.push(instruction(RETURN, 0, 0, Action::errno(ENOSYS).0));
    }
    program.extend(search(&leaves(&rules)));
    match program.len() {
        length if length > MAX_INSTRUCTIONS => Err(ProfileError::TooLarge(length)),
        _ => Ok(Filter::new(program)),
    }
}

fn instruction(code: u16, jump_true: u8, jump_false: u8, value: u32) -> Instruction {
    Instruction(code, jump_true, jump_false, value)
}

/// All numbers from `first` to the next leaf are decided by the same instructions.
#[derive(Debug, PartialEq)]
struct Leaf {
    first: u32,
    program: Vec<Instruction>,
}

/// Returns the leaves of the search tree in ascending order, the first one at 0.
fn leaves(rules: &Rules) -> Vec<Leaf> {
    let mut leaves: Vec<Leaf> = Vec::new();
    let mut add = |first: u32, program: Vec<Instruction>| match leaves.last() {
        Some(last) if last.program == program => {}
        _ => leaves.push(Leaf { first, program }),
    };
    let otherwise = || vec![instruction(RETURN, 0, 0, rules.default.0)];
    let mut next = 0;
    for (number, of_number) in &rules.by_number {
        if *number > next {
            add(next, otherwise());
        }
        add(*number, decide(of_number, rules.default));
        next = number + 1;
    }
    add(next, otherwise());
    leaves
}

/// Returns the instructions that search the leaf of the number in the accumulator.
fn search(leaves: &[Leaf]) -> Vec<Instruction> {
    match leaves {
        [] => Vec::new(),
        [leaf] => leaf.program.clone(),
        _ => {
            let (lower, upper) = leaves.split_at(leaves.len() / 2);
            let first = upper.first().map_or(0, |leaf| leaf.first);
            let (lower, upper) = (search(lower), search(upper));
            let mut program = Vec::with_capacity(lower.len() + upper.len() + 2);
            match u8::try_from(lower.len()) {
                Ok(distance) => program.push(instruction(JUMP_GREATER_OR_EQUAL, distance, 0, first)),
                // The distance of a conditional jump has eight bits.
                Err(_) => {
                    program.push(instruction(JUMP_GREATER_OR_EQUAL, 0, 1, first));
                    program.push(instruction(JUMP, 0, 0, u32::try_from(lower.len()).unwrap_or(u32::MAX)));
                }
            }
            program.extend(lower);
            program.extend(upper);
            program
        }
    }
}

/// Returns the instructions for one system call.
fn decide(rules: &[Rule], default: Action) -> Vec<Instruction> {
    let mut program = Vec::new();
    for rule in rules.iter().filter(|rule| !rule.conditions.is_empty()) {
        let mut body = vec![instruction(RETURN, 0, 0, rule.action.0)];
        // The conditions are prepended, so that each knows the distance to the next rule.
        for condition in rule.conditions.iter().rev() {
            let mut check = compare(condition, body.len());
            check.append(&mut body);
            body = check;
        }
        program.extend(body);
    }
    let last = rules.iter().find(|rule| rule.conditions.is_empty()).map_or(default, |rule| rule.action);
    program.push(instruction(RETURN, 0, 0, last.0));
    program
}

/// Returns the instructions that continue after themselves if a condition holds, and otherwise `behind` instructions
/// later. The halves of an argument are compared one after the other; both architectures are little-endian.
fn compare(condition: &Condition, behind: usize) -> Vec<Instruction> {
    let low = ARGUMENTS + condition.index * 8;
    let value = condition.value;
    let (value_high, value_low) = ((value >> 32) as u32, value as u32);
    let load = |offset| instruction(LOAD, 0, 0, offset);
    // Six conditions of at most seven instructions fit into eight bits.
    let no = u8::try_from(behind).unwrap_or(u8::MAX);
    match condition.comparison {
        Comparison::Equal => vec![
            load(low + 4),
            instruction(JUMP_EQUAL, 0, no + 2, value_high),
            load(low),
            instruction(JUMP_EQUAL, 0, no, value_low),
        ],
        Comparison::NotEqual => vec![
            load(low + 4),
            instruction(JUMP_EQUAL, 0, 2, value_high),
            load(low),
            instruction(JUMP_EQUAL, no, 0, value_low),
        ],
        Comparison::MaskedEqual(mask) => vec![
            load(low + 4),
            instruction(AND, 0, 0, (mask >> 32) as u32),
            instruction(JUMP_EQUAL, 0, no + 3, value_high),
            load(low),
            instruction(AND, 0, 0, mask as u32),
            instruction(JUMP_EQUAL, 0, no, value_low),
        ],
        Comparison::Greater => vec![
            load(low + 4),
            instruction(JUMP_GREATER, 3, 0, value_high),
            instruction(JUMP_EQUAL, 0, no + 2, value_high),
            load(low),
            instruction(JUMP_GREATER, 0, no, value_low),
        ],
        Comparison::GreaterOrEqual => vec![
            load(low + 4),
            instruction(JUMP_GREATER, 3, 0, value_high),
            instruction(JUMP_EQUAL, 0, no + 2, value_high),
            load(low),
            instruction(JUMP_GREATER_OR_EQUAL, 0, no, value_low),
        ],
        Comparison::Less => vec![
            load(low + 4),
            instruction(JUMP_GREATER, no + 3, 0, value_high),
            instruction(JUMP_EQUAL, 0, 2, value_high),
            load(low),
            instruction(JUMP_GREATER_OR_EQUAL, no, 0, value_low),
        ],
        Comparison::LessOrEqual => vec![
            load(low + 4),
            instruction(JUMP_GREATER, no + 3, 0, value_high),
            instruction(JUMP_EQUAL, 0, 2, value_high),
            load(low),
            instruction(JUMP_GREATER, no, 0, value_low),
        ],
    }
}
