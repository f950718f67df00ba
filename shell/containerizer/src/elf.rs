//! The layout of 64-bit little-endian ELF files, as elf(5) gives it: offsets of fields, and the values that are used here.

/// The first bytes of such a file.
pub(crate) const MAGIC: &[u8; 6] = b"\x7fELF\x02\x01";

// Fields of the header of a 64-bit ELF file.
pub(crate) const E_TYPE: usize = 16;
pub(crate) const E_MACHINE: usize = 18;
pub(crate) const E_ENTRY: usize = 24;
pub(crate) const E_PHOFF: usize = 32;
pub(crate) const E_SHOFF: usize = 40;
pub(crate) const E_PHENTSIZE: usize = 54;
pub(crate) const E_PHNUM: usize = 56;
pub(crate) const E_SHNUM: usize = 60;
pub(crate) const HEADER: usize = 64;
pub(crate) const ET_EXEC: u64 = 2;
pub(crate) const ET_DYN: u64 = 3;
pub(crate) const EM_X86_64: u64 = 62;

// Fields of a program header.
pub(crate) const P_FLAGS: usize = 4;
pub(crate) const P_OFFSET: usize = 8;
pub(crate) const P_VADDR: usize = 16;
pub(crate) const P_PADDR: usize = 24;
pub(crate) const P_FILESZ: usize = 32;
pub(crate) const P_MEMSZ: usize = 40;
pub(crate) const P_ALIGN: usize = 48;
pub(crate) const PROGRAM_HEADER: usize = 56;

/// Returns the number in `length` bytes from `at`. Bytes beyond the end are zero.
pub(crate) fn number(bytes: &[u8], at: usize, length: usize) -> u64 {
    bytes.iter().skip(at).take(length).rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}
