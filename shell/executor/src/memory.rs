//! Returns unused memory to the system while the executor waits, which it does most of the time: a machine may run a
//! thousand executors.

use std::ffi::c_void;
use std::slice;

/// Returns memory that is needed only during activity: freed heap pages, and the pages of this program.
///
/// The pages of the program belong to its file in the page cache, and all executors share them. Each process maps the
/// pages that it has run through, and 64 KiB around each (the kernel's "fault around"), which is more than 2 MB for a
/// few events. Unmapped pages cost nothing, and the kernel maps them again when they are needed.
pub fn release_unused() {
    trim_heap();
    unmap_program();
}

#[cfg(target_env = "gnu")]
#[allow(unsafe_code)]
fn trim_heap() {
    // SAFETY: `malloc_trim` has no preconditions.
    unsafe { libc::malloc_trim(0) };
}

#[cfg(not(target_env = "gnu"))]
fn trim_heap() {}

/// Drops the mapped pages of every segment of this program that is never written to. Data that the loader relocated is
/// in writable segments and stays.
#[cfg(target_pointer_width = "64")]
#[allow(unsafe_code)]
fn unmap_program() {
    // SAFETY: the kernel gives the address and number of the program headers of the running program (getauxval(3)),
    // which stay mapped as long as it runs.
    let headers = unsafe {
        let address = libc::getauxval(libc::AT_PHDR) as *const libc::Elf64_Phdr;
        let count = usize::try_from(libc::getauxval(libc::AT_PHNUM)).unwrap_or(0);
        if address.is_null() {
            return;
        }
        slice::from_raw_parts(address, count)
    };
    // The difference between the real address of the headers and the address in the headers is where the program is
    // loaded.
    let Some(own) = headers.iter().find(|header| header.p_type == libc::PT_PHDR) else { return };
    let base = (headers.as_ptr().addr() as u64).wrapping_sub(own.p_vaddr);
    let page = rustix::param::page_size() as u64;
    for header in headers.iter().filter(|h| h.p_type == libc::PT_LOAD && h.p_flags & libc::PF_W == 0) {
        let begin = base.wrapping_add(header.p_vaddr) / page * page;
        // The last page may also belong to a segment that is written to.
        let end = base.wrapping_add(header.p_vaddr).wrapping_add(header.p_memsz) / page * page;
        if end > begin {
            // SAFETY: the range is file-backed and was never modified (position-independent code has no text
            // relocations), so what is dropped is read again from the same file when it is next touched.
            unsafe { libc::madvise(begin as *mut c_void, (end - begin) as usize, libc::MADV_DONTNEED) };
        }
    }
}

#[cfg(not(target_pointer_width = "64"))]
fn unmap_program() {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_goes_on() {
        for _ in 0..3 {
            release_unused();
            assert_eq!("still here".to_uppercase(), "STILL HERE");
        }
    }
}
