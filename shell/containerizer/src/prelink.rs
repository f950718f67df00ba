//! Applies the load-time relocations of a position-independent program once, in its copy.
//!
//! The dynamic linker writes the load address into every pointer of the program's constant data, each time the program
//! starts: 45,000 pointers on a megabyte of pages, which each process then has for itself. An agent starts thousands of
//! processes from one copy, so that the copy is given a fixed address instead, as prelink(8) and Android's zygote do. The
//! pages then stay those of the copy, and all processes share them.
//!
//! The address is random for each copy, so for each start of an agent, and the same for all processes of that copy. The
//! libraries, the stack and the heap of each process have random addresses as before.
//!
//! Sources: elf(5), the System V ABI with its supplement for x86-64, and glibc's `elf/rtld.c`.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::elf::{
    E_ENTRY, E_MACHINE, E_PHENTSIZE, E_PHNUM, E_PHOFF, E_TYPE, EM_X86_64, ET_DYN, ET_EXEC, HEADER, MAGIC, P_ALIGN,
    P_FILESZ, P_FLAGS, P_MEMSZ, P_OFFSET, P_PADDR, P_VADDR, PROGRAM_HEADER, number,
};

const MAX_PROGRAM_HEADERS: usize = 64;
const PT_NULL: u64 = 0;
const PT_LOAD: u64 = 1;
const PT_DYNAMIC: u64 = 2;
const PT_INTERP: u64 = 3;
const PT_GNU_STACK: u64 = 0x6474_e551;
const PF_W: u64 = 2;

// Tags of the dynamic section.
const DT_PLTRELSZ: u64 = 2;
const DT_RELA: u64 = 7;
const DT_RELASZ: u64 = 8;
const DT_RELAENT: u64 = 9;
const DT_REL: u64 = 17;
const DT_PLTREL: u64 = 20;
const DT_TEXTREL: u64 = 22;
const DT_JMPREL: u64 = 23;
const DT_RELR: u64 = 36;
const DT_GNU_HASH: u64 = 0x6fff_fef5;
const DT_RELACOUNT: u64 = 0x6fff_fff9;
const DT_FLAGS_1: u64 = 0x6fff_fffb;
const DF_1_PIE: u64 = 0x0800_0000;
/// The tags whose value is an address: PLTGOT, HASH, STRTAB, SYMTAB, RELA, INIT, FINI, JMPREL, INIT_ARRAY, FINI_ARRAY,
/// PREINIT_ARRAY, GNU_HASH, VERSYM, VERDEF, VERNEED.
const ADDRESSES: [u64; 15] =
    [3, 4, 5, 6, DT_RELA, 12, 13, DT_JMPREL, 25, 26, 32, DT_GNU_HASH, 0x6fff_fff0, 0x6fff_fffc, 0x6fff_fffe];

// Types of relocations.
const R_X86_64_64: u64 = 1;
const R_X86_64_COPY: u64 = 5;
const R_X86_64_GLOB_DAT: u64 = 6;
const R_X86_64_JUMP_SLOT: u64 = 7;
const R_X86_64_RELATIVE: u64 = 8;
const R_X86_64_DTPMOD64: u64 = 16;
const R_X86_64_DTPOFF64: u64 = 17;
const R_X86_64_TPOFF64: u64 = 18;
const R_X86_64_IRELATIVE: u64 = 37;
const RELA: usize = 24;

/// The most bytes of a table or of writable data that are read into memory. Those of Tepui are a megabyte each.
const MAX_PART: u64 = 64 << 20;

/// The load address of a copy lies where Linux loads position-independent programs: at 2/3 of the address space, with 28
/// random bits for the page (`ELF_ET_DYN_BASE`, `mmap_rnd_bits`). All are below the addresses of libraries and stack.
const LOWEST: u64 = 0x5500_0000_0000;
const RANDOM_BITS: u32 = 40;

/// Gives a position-independent program a fixed load address, and applies its relocations to that address. `random`
/// chooses the address. Returns whether it was done. A program of another kind is left as it is: one for another
/// architecture, one that is linked statically, one that exports symbols, or one with tables of an unusual form.
///
/// # Errors
/// Returns the error of the operating system if the file cannot be read or written.
pub(crate) fn prelink(program: &File, random: u64) -> io::Result<bool> {
    match Image::read(program)? {
        Some(mut image) => match image.relocate(random) {
            Some(()) => image.write(program).map(|()| true),
            None => Ok(false),
        },
        None => Ok(false),
    }
}

/// A part of the program in memory.
struct Part {
    offset: u64,
    /// Its address before the program is moved.
    address: u64,
    bytes: Vec<u8>,
}

impl Part {
    fn read(program: &File, offset: u64, address: u64, length: u64) -> io::Result<Option<Self>> {
        if length > MAX_PART {
            return Ok(None);
        }
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        match program.read_exact_at(&mut bytes, offset) {
            Ok(()) => Ok(Some(Part { offset, address, bytes })),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn get(&self, at: usize, length: usize) -> Option<u64> {
        self.bytes.get(at..at.checked_add(length)?)?;
        Some(number(&self.bytes, at, length))
    }

    fn put(&mut self, at: usize, length: usize, value: u64) -> Option<()> {
        self.bytes.get_mut(at..at.checked_add(length)?)?.copy_from_slice(value.to_le_bytes().get(..length)?);
        Some(())
    }

    fn add(&mut self, at: usize, value: u64) -> Option<()> {
        let sum = self.get(at, 8)?.checked_add(value)?;
        self.put(at, 8, sum)
    }
}

/// The parts of a program that change when it gets its address.
struct Image {
    header: Part,
    program_headers: Part,
    /// The writable segments, with the dynamic section in one of them.
    data: Vec<Part>,
    dynamic: u64,
    dynamic_size: u64,
    relocations: Part,
    jump_slots: Part,
    /// The largest alignment of a segment.
    alignment: u64,
}

impl Image {
    /// Returns `None` for a program of another kind.
    fn read(program: &File) -> io::Result<Option<Self>> {
        let Some(header) = Part::read(program, 0, 0, HEADER as u64)? else { return Ok(None) };
        let Some(length) = length_of_program_headers(&header) else { return Ok(None) };
        let offset = header.get(E_PHOFF, 8).unwrap_or(0);
        let Some(program_headers) = Part::read(program, offset, offset, length)? else { return Ok(None) };
        let Some(segments) = Segments::of(&program_headers) else { return Ok(None) };
        let mut data = Vec::new();
        for (offset, address, length) in segments.writable {
            let Some(part) = Part::read(program, offset, address, length)? else { return Ok(None) };
            data.push(part);
        }
        let (dynamic, dynamic_size) = segments.dynamic;
        let Some(tables) = Tables::of(&data, dynamic, dynamic_size) else { return Ok(None) };
        let read = |(address, length): (u64, u64)| match segments.readable.offset_of(address, length) {
            Some(offset) => Part::read(program, offset, address, length),
            None => Ok(None),
        };
        let Some(hash) = read((tables.hash, 16))? else { return Ok(None) };
        let Some(length) = length_of_buckets(&hash) else { return Ok(None) };
        let Some(hash) = read((tables.hash, length))? else { return Ok(None) };
        if exports_symbols(&hash) {
            return Ok(None);
        }
        let (Some(relocations), Some(jump_slots)) = (read(tables.relocations)?, read(tables.jump_slots)?) else {
            return Ok(None);
        };
        let alignment = segments.alignment;
        Ok(Some(Image { header, program_headers, data, dynamic, dynamic_size, relocations, jump_slots, alignment }))
    }

    /// Moves the program. Returns `None`, and leaves the image in an undefined state, if it has an unknown relocation.
    fn relocate(&mut self, random: u64) -> Option<()> {
        let base = LOWEST + (random & ((1 << RANDOM_BITS) - 1) & !(self.alignment - 1));
        let relative = self.apply_relocations(base)?;
        self.change_dynamic(base, relative)?;
        for at in (0..self.program_headers.bytes.len()).step_by(PROGRAM_HEADER) {
            if !matches!(self.program_headers.get(at, 4)?, PT_NULL | PT_GNU_STACK) {
                self.program_headers.add(at + P_VADDR, base)?;
                self.program_headers.add(at + P_PADDR, base)?;
            }
        }
        self.header.add(E_ENTRY, base)?;
        self.header.put(E_TYPE, 2, ET_EXEC)
    }

    /// Returns the number of relocations that are done with. They are the first of the table.
    fn apply_relocations(&mut self, base: u64) -> Option<u64> {
        let mut relative = 0;
        for at in (0..self.relocations.bytes.len()).step_by(RELA) {
            let place = self.relocations.get(at, 8)?;
            if self.relocations.get(at + 8, 8)? == R_X86_64_RELATIVE {
                // The others follow, because the linker sorts them (`-z combreloc`).
                if at != usize::try_from(relative).ok()? * RELA {
                    return None;
                }
                relative += 1;
                let value = self.relocations.get(at + 16, 8)?.checked_add(base)?;
                at_address(&mut self.data, place)?.put(value)?;
            } else {
                move_relocation(&mut self.relocations, at, base)?;
            }
        }
        for at in (0..self.jump_slots.bytes.len()).step_by(RELA) {
            let place = self.jump_slots.get(at, 8)?;
            if self.jump_slots.get(at + 8, 8)? & 0xffff_ffff == R_X86_64_JUMP_SLOT {
                // With lazy binding, the slot leads back to the linker's code.
                let mut slot = at_address(&mut self.data, place)?;
                let value = slot.get()?.checked_add(base)?;
                slot.put(value)?;
            }
            move_relocation(&mut self.jump_slots, at, base)?;
        }
        Some(relative)
    }

    fn change_dynamic(&mut self, base: u64, relative: u64) -> Option<()> {
        for at in (self.dynamic..self.dynamic + self.dynamic_size).step_by(16) {
            let tag = at_address(&mut self.data, at)?.get()?;
            let mut value = at_address(&mut self.data, at + 8)?;
            let old = value.get()?;
            let done = relative.checked_mul(RELA as u64)?;
            match tag {
                0 => break,
                DT_RELA => value.put(old.checked_add(base)?.checked_add(done)?)?,
                DT_RELASZ => value.put(old.checked_sub(done)?)?,
                DT_RELACOUNT => value.put(0)?,
                DT_FLAGS_1 => value.put(old & !DF_1_PIE)?,
                tag if ADDRESSES.contains(&tag) => value.put(old.checked_add(base)?)?,
                _ => {}
            }
        }
        Some(())
    }

    fn write(&self, program: &File) -> io::Result<()> {
        let parts = [&self.program_headers, &self.relocations, &self.jump_slots];
        for part in self.data.iter().chain(parts).chain([&self.header]) {
            program.write_all_at(&part.bytes, part.offset)?;
        }
        Ok(())
    }
}

fn length_of_program_headers(header: &Part) -> Option<u64> {
    let is_known = header.bytes.starts_with(MAGIC)
        && header.get(E_TYPE, 2)? == ET_DYN
        && header.get(E_MACHINE, 2)? == EM_X86_64
        && header.get(E_PHENTSIZE, 2)? == PROGRAM_HEADER as u64;
    let count = header.get(E_PHNUM, 2)?;
    (is_known && count <= MAX_PROGRAM_HEADERS as u64).then_some(count * PROGRAM_HEADER as u64)
}

/// What of a segment is in the file.
struct Readable(Vec<(u64, u64, u64)>);

impl Readable {
    fn offset_of(&self, address: u64, length: u64) -> Option<u64> {
        let end = address.checked_add(length)?;
        let (offset, start, _) =
            self.0.iter().find(|(_, start, size)| *start <= address && end <= start.saturating_add(*size))?;
        offset.checked_add(address - start)
    }
}

struct Segments {
    readable: Readable,
    writable: Vec<(u64, u64, u64)>,
    dynamic: (u64, u64),
    alignment: u64,
}

impl Segments {
    fn of(headers: &Part) -> Option<Self> {
        let (mut readable, mut writable, mut dynamic, mut is_dynamic) = (Vec::new(), Vec::new(), None, false);
        let mut alignment = 4096;
        for at in (0..headers.bytes.len()).step_by(PROGRAM_HEADER) {
            let (offset, address) = (headers.get(at + P_OFFSET, 8)?, headers.get(at + P_VADDR, 8)?);
            let (in_file, in_memory) = (headers.get(at + P_FILESZ, 8)?, headers.get(at + P_MEMSZ, 8)?);
            // The end of the program stays below the libraries.
            if address.checked_add(in_memory)? > 1 << RANDOM_BITS {
                return None;
            }
            match headers.get(at, 4)? {
                PT_LOAD => {
                    readable.push((offset, address, in_file));
                    if headers.get(at + P_FLAGS, 4)? & PF_W != 0 {
                        writable.push((offset, address, in_file));
                    }
                    alignment = alignment.max(headers.get(at + P_ALIGN, 8)?);
                }
                PT_DYNAMIC => dynamic = Some((address, in_file)),
                PT_INTERP => is_dynamic = true,
                _ => {}
            }
        }
        let is_usual = is_dynamic && alignment.is_power_of_two() && alignment <= 2 << 20;
        is_usual.then_some(Segments { readable: Readable(readable), writable, dynamic: dynamic?, alignment })
    }
}

/// Addresses and lengths of the tables that the dynamic section names.
struct Tables {
    relocations: (u64, u64),
    jump_slots: (u64, u64),
    hash: u64,
}

impl Tables {
    fn of(data: &[Part], dynamic: u64, size: u64) -> Option<Self> {
        let section = data.iter().find(|part| {
            part.address <= dynamic && dynamic.saturating_add(size) <= part.address + part.bytes.len() as u64
        })?;
        let start = usize::try_from(dynamic - section.address).ok()?;
        let mut entries = std::collections::BTreeMap::new();
        for at in (start..start + usize::try_from(size).ok()?).step_by(16) {
            match section.get(at, 8)? {
                0 => break,
                tag => entries.insert(tag, section.get(at + 8, 8)?),
            };
        }
        let get = |tag: u64| entries.get(&tag).copied();
        let is_usual = [DT_REL, DT_RELR, DT_TEXTREL].iter().all(|tag| get(*tag).is_none())
            && get(DT_RELAENT).is_none_or(|size| size == RELA as u64)
            && get(DT_PLTREL).is_none_or(|kind| kind == DT_RELA);
        let relocations = (get(DT_RELA)?, get(DT_RELASZ)?);
        let jump_slots = (get(DT_JMPREL).unwrap_or(relocations.0), get(DT_PLTRELSZ).unwrap_or(0));
        let are_disjoint =
            relocations.0 + relocations.1 <= jump_slots.0 || jump_slots.0 + jump_slots.1 <= relocations.0;
        let are_whole = [relocations.1, jump_slots.1].iter().all(|length| length % RELA as u64 == 0);
        let is_supported = is_usual && are_whole && (are_disjoint || jump_slots.1 == 0);
        is_supported.then_some(Tables { relocations, jump_slots, hash: get(DT_GNU_HASH)? })
    }
}

/// Returns the length of the hash table of exported symbols up to the end of its buckets.
fn length_of_buckets(header: &Part) -> Option<u64> {
    let (buckets, words) = (header.get(0, 4)?, header.get(8, 4)?);
    (buckets <= 1 << 16 && words <= 1 << 16).then_some(16 + words * 8 + buckets * 4)
}

fn exports_symbols(hash: &Part) -> bool {
    hash.bytes.iter().skip(16).any(|byte| *byte != 0)
}

fn move_relocation(table: &mut Part, at: usize, base: u64) -> Option<()> {
    match table.get(at + 8, 8)? & 0xffff_ffff {
        R_X86_64_IRELATIVE => table.add(at + 16, base)?,
        R_X86_64_64 | R_X86_64_COPY | R_X86_64_GLOB_DAT | R_X86_64_JUMP_SLOT => {}
        R_X86_64_DTPMOD64 | R_X86_64_DTPOFF64 | R_X86_64_TPOFF64 => {}
        _ => return None,
    }
    table.add(at, base)
}

/// A word of the program's data.
struct Word<'a> {
    part: &'a mut Part,
    at: usize,
}

impl Word<'_> {
    fn get(&self) -> Option<u64> {
        self.part.get(self.at, 8)
    }

    fn put(&mut self, value: u64) -> Option<()> {
        self.part.put(self.at, 8, value)
    }
}

fn at_address(data: &mut [Part], address: u64) -> Option<Word<'_>> {
    let part =
        data.iter_mut().find(|p| p.address <= address && address < p.address.saturating_add(p.bytes.len() as u64))?;
    let at = usize::try_from(address - part.address).ok()?;
    Some(Word { part, at })
}
