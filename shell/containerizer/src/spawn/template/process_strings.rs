//! The memory in which the kernel finds the arguments and the environment of a process (proc_pid_cmdline(5),
//! proc_pid_environ(5)). A process can write other ones there, as long as there is room.

use std::ffi::{CString, c_char};
use std::io;
use std::ptr;

/// The room for arguments in a template, in bytes.
pub(super) const ARGUMENTS: usize = 2 << 10;
/// The room for the environment in a template, in bytes.
pub(super) const ENVIRONMENT: usize = 16 << 10;

/// Returns an argument, and a variable, that fill so much room.
pub(super) fn padding() -> (String, (&'static str, String)) {
    ("-".repeat(ARGUMENTS), ("PADDING", "-".repeat(ENVIRONMENT)))
}

#[allow(unsafe_code)]
unsafe extern "C" {
    /// The variables of this process, as libc finds them (environ(7)).
    static mut environ: *const *const c_char;
}

/// The places of the strings of this process.
#[derive(Debug)]
pub(super) struct ProcessStrings {
    arguments: Place,
    environment: Place,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    begin: usize,
    length: usize,
}

impl ProcessStrings {
    /// Finds the strings of this process, and removes the padding from them.
    ///
    /// # Errors
    /// Returns the error of the operating system, or of the kind `OutOfMemory` if there is less room than the agent expects.
    pub(super) fn take() -> io::Result<Self> {
        let stat = std::fs::read_to_string("/proc/self/stat")?;
        // The fields are numbered from 3, the state, which follows the name in parentheses (proc_pid_stat(5)).
        let fields = stat.rsplit_once(')').map(|(_, fields)| fields).unwrap_or_default();
        let field = |number: usize| fields.split_ascii_whitespace().nth(number - 3)?.parse::<usize>().ok();
        let place = |begin, end| Some(Place { begin: field(begin)?, length: field(end)?.checked_sub(field(begin)?)? });
        let strings = place(48, 49).zip(place(50, 51));
        match strings {
            Some((arguments, environment))
                if arguments.begin != 0
                    && arguments.length >= ARGUMENTS
                    && environment.begin != 0
                    && environment.length >= ENVIRONMENT =>
            {
                let mut strings = ProcessStrings { arguments, environment };
                let own = std::env::args().take(2).filter_map(|argument| CString::new(argument).ok());
                strings.replace(&own.collect::<Vec<_>>(), &[]);
                Ok(strings)
            }
            _ => Err(io::ErrorKind::OutOfMemory.into()),
        }
    }

    /// Replaces the arguments and the environment of this process, also for what reads its environment by libc. What does
    /// not fit is cut off.
    pub(super) fn replace(&mut self, arguments: &[CString], environment: &[CString]) {
        self.arguments.write(arguments);
        let mut variables = self.environment.write(environment);
        variables.push(ptr::null());
        // SAFETY: this process has one thread, which does not keep references into its environment. The array lives as long
        // as the process.
        #[allow(unsafe_code)]
        unsafe {
            environ = variables.leak().as_ptr();
        };
    }
}

impl Place {
    /// Writes strings, each with its zero byte, and zeroes after them. Returns their addresses.
    fn write(self, strings: &[CString]) -> Vec<*const c_char> {
        let begin: *mut u8 = ptr::with_exposed_provenance_mut(self.begin);
        let mut used = 0;
        let mut addresses = Vec::with_capacity(strings.len() + 1);
        for string in strings {
            let bytes = string.as_bytes_with_nul();
            if bytes.len() > self.length - used {
                break;
            }
            // SAFETY: the kernel has put the strings of this process there; they are on its stack, above all frames, may be
            // written, and nothing refers to them. The copy stays within their length.
            #[allow(unsafe_code)]
            unsafe {
                let place = begin.add(used);
                ptr::copy_nonoverlapping(bytes.as_ptr(), place, bytes.len());
                addresses.push(place.cast_const().cast());
            }
            used += bytes.len();
        }
        let mut rest = used;
        while rest < self.length {
            // SAFETY: as above. Pages with nothing but zeroes are left as they are, so that they stay shared with the template.
            #[allow(unsafe_code)]
            unsafe {
                if begin.add(rest).read() != 0 {
                    begin.add(rest).write(0);
                }
            }
            rest += 1;
        }
        addresses
    }
}
