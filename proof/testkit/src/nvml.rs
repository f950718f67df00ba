//! A library that stands in for NVML, the library of NVIDIA's driver.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::skip::skipped;

/// The functions of `nvml.h` that an agent calls, for two GPUs with the minor numbers 3 and 5 and the driver 535.183.01.
pub const TWO_GPUS: &str = r#"
#include <string.h>
static int minors[] = {3, 5};
int nvmlInit_v2(void) { return 0; }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = 2; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device) {
    if (index > 1) return 2;
    *device = &minors[index];
    return 0;
}
int nvmlDeviceGetMinorNumber(void *device, unsigned *minor) { *minor = *(int *)device; return 0; }
int nvmlSystemGetDriverVersion(char *text, unsigned length) { strncpy(text, "535.183.01", length); return 0; }
const char *nvmlErrorString(int code) { return code == 2 ? "Invalid Argument" : "Unknown Error"; }
"#;

/// Compiles `libnvidia-ml.so.1` with these functions in a directory; `None`, after the test was reported as skipped, without
/// a C compiler.
pub fn library(test: &str, directory: &Path, source: &str) -> Option<PathBuf> {
    let (code, library) = (directory.join("nvml.c"), directory.join("libnvidia-ml.so.1"));
    std::fs::write(&code, source).unwrap();
    match Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&code).status() {
        Ok(status) if status.success() => Some(library),
        failed => {
            skipped(test, &format!("a C compiler is needed: {failed:?}"));
            None
        }
    }
}
