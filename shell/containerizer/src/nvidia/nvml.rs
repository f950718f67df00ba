//! NVML, the management library of NVIDIA's driver. It is loaded at run time, since it comes with the driver of the machine.

use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The name that the driver installs.
const LIBRARY: &str = "libnvidia-ml.so.1";
/// `NVML_SUCCESS`.
const SUCCESS: c_int = 0;
/// `NVML_SYSTEM_DRIVER_VERSION_BUFFER_SIZE`.
const VERSION_LENGTH: usize = 80;

/// Why NVML cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum NvmlError {
    /// The library is not installed. The text is the loader's.
    #[error("NVML is not available: {0}: install NVIDIA's driver with its library {LIBRARY}")]
    NotAvailable(String),
    /// The library lacks a function.
    #[error("NVML has no function '{0}': install a current driver")]
    NoFunction(&'static str),
    /// A function has failed.
    #[error("Failed to {function}: {reason}")]
    Failed {
        /// The function, in Mesos' spelling.
        function: &'static str,
        /// The library's description of the error.
        reason: String,
    },
}

type Device = *mut c_void;

/// The loaded library. It stays loaded until the process ends.
#[derive(Debug)]
pub struct Nvml {
    count: unsafe extern "C" fn(*mut c_uint) -> c_int,
    handle: unsafe extern "C" fn(c_uint, *mut Device) -> c_int,
    minor: unsafe extern "C" fn(Device, *mut c_uint) -> c_int,
    version: unsafe extern "C" fn(*mut c_char, c_uint) -> c_int,
    describe: unsafe extern "C" fn(c_int) -> *const c_char,
    path: PathBuf,
}

impl Nvml {
    /// Loads and initialises the library, which the loader finds as for any program.
    ///
    /// # Errors
    /// Returns [`NvmlError`] if it is not installed or the driver does not run.
    pub fn load() -> Result<Self, NvmlError> {
        Self::load_from(Path::new(LIBRARY))
    }

    /// Loads the library at a path, or of a name.
    ///
    /// # Errors
    /// Returns the errors of [`Nvml::load`].
    #[allow(unsafe_code)]
    pub fn load_from(library: &Path) -> Result<Self, NvmlError> {
        let name =
            CString::new(library.as_os_str().as_bytes()).map_err(|error| NvmlError::NotAvailable(error.to_string()))?;
        // SAFETY: a C string. The initialisers of the library run; the operator has installed it.
        let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
        if handle.is_null() {
            return Err(NvmlError::NotAvailable(loader_error()));
        }
        // The later version of a function has the same type.
        let initialise = symbol(handle, &[c"nvmlInit_v2", c"nvmlInit"], "nvmlInit")?;
        // SAFETY: the functions of nvml.h have these types.
        let (initialise, nvml) = unsafe {
            let initialise: unsafe extern "C" fn() -> c_int = std::mem::transmute(initialise);
            let nvml = Nvml {
                count: std::mem::transmute::<*mut c_void, unsafe extern "C" fn(*mut c_uint) -> c_int>(symbol(
                    handle,
                    &[c"nvmlDeviceGetCount_v2", c"nvmlDeviceGetCount"],
                    "nvmlDeviceGetCount",
                )?),
                handle: std::mem::transmute::<*mut c_void, unsafe extern "C" fn(c_uint, *mut Device) -> c_int>(symbol(
                    handle,
                    &[c"nvmlDeviceGetHandleByIndex_v2", c"nvmlDeviceGetHandleByIndex"],
                    "nvmlDeviceGetHandleByIndex",
                )?),
                minor: std::mem::transmute::<*mut c_void, unsafe extern "C" fn(Device, *mut c_uint) -> c_int>(symbol(
                    handle,
                    &[c"nvmlDeviceGetMinorNumber"],
                    "nvmlDeviceGetMinorNumber",
                )?),
                version: std::mem::transmute::<*mut c_void, unsafe extern "C" fn(*mut c_char, c_uint) -> c_int>(
                    symbol(handle, &[c"nvmlSystemGetDriverVersion"], "nvmlSystemGetDriverVersion")?,
                ),
                describe: std::mem::transmute::<*mut c_void, unsafe extern "C" fn(c_int) -> *const c_char>(symbol(
                    handle,
                    &[c"nvmlErrorString"],
                    "nvmlErrorString",
                )?),
                path: loaded_path(library),
            };
            (initialise, nvml)
        };
        // SAFETY: it takes nothing.
        nvml.check("nvml::initialize", unsafe { initialise() })?;
        Ok(nvml)
    }

    /// Returns the path of the loaded library, beside which the driver has installed the others.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the number of GPUs.
    ///
    /// # Errors
    /// Returns [`NvmlError::Failed`] with the library's reason.
    #[allow(unsafe_code)]
    pub fn device_count(&self) -> Result<u32, NvmlError> {
        let mut count: c_uint = 0;
        // SAFETY: `count` is valid for writes.
        let code = unsafe { (self.count)(&raw mut count) };
        self.check("nvml::deviceGetCount", code).map(|()| count)
    }

    /// Returns the minor number of the device node of a GPU, which is `N` of `/dev/nvidiaN`.
    ///
    /// # Errors
    /// Returns [`NvmlError::Failed`] with the library's reason, for instance that no GPU has this index.
    #[allow(unsafe_code)]
    pub fn minor_number(&self, index: u32) -> Result<u32, NvmlError> {
        let mut device: Device = std::ptr::null_mut();
        let mut minor: c_uint = 0;
        // SAFETY: `device` is valid for writes.
        self.check("nvml::deviceGetHandleByIndex", unsafe { (self.handle)(index, &raw mut device) })?;
        // SAFETY: the library has made the handle; `minor` is valid for writes.
        self.check("nvml::deviceGetMinorNumber", unsafe { (self.minor)(device, &raw mut minor) })?;
        Ok(minor)
    }

    /// Returns the version of the driver, e.g. `535.183.01`.
    ///
    /// # Errors
    /// Returns [`NvmlError::Failed`] with the library's reason.
    #[allow(unsafe_code)]
    pub fn driver_version(&self) -> Result<String, NvmlError> {
        let mut buffer = [0u8; VERSION_LENGTH];
        // SAFETY: the buffer is as long as said.
        let code = unsafe { (self.version)(buffer.as_mut_ptr().cast(), VERSION_LENGTH as c_uint) };
        self.check("nvml::systemGetDriverVersion", code)?;
        let text = CStr::from_bytes_until_nul(&buffer).map(CStr::to_string_lossy).unwrap_or_default();
        Ok(text.into_owned())
    }

    #[allow(unsafe_code)]
    fn check(&self, function: &'static str, code: c_int) -> Result<(), NvmlError> {
        if code == SUCCESS {
            return Ok(());
        }
        // SAFETY: the library returns a constant string for every code.
        let text = unsafe { (self.describe)(code) };
        let reason = match text.is_null() {
            true => format!("error {code}"),
            // SAFETY: as above.
            false => unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned(),
        };
        Err(NvmlError::Failed { function, reason })
    }
}

/// Returns the first of the names that the library has.
#[allow(unsafe_code)]
fn symbol(handle: *mut c_void, names: &[&CStr], function: &'static str) -> Result<*mut c_void, NvmlError> {
    // SAFETY: an open library and C strings.
    let found = names.iter().map(|name| unsafe { libc::dlsym(handle, name.as_ptr()) }).find(|found| !found.is_null());
    found.ok_or(NvmlError::NoFunction(function))
}

#[allow(unsafe_code)]
fn loader_error() -> String {
    // SAFETY: the text is valid until the next call of the loader on this thread.
    let text = unsafe { libc::dlerror() };
    if text.is_null() {
        return "the library cannot be loaded".to_owned();
    }
    // SAFETY: as above.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

/// Returns the file that the loader has found, by the mappings of this process.
fn loaded_path(library: &Path) -> PathBuf {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let name = library.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let stem = name.split(".so").next().unwrap_or_default();
    let mapped = maps.lines().filter_map(|line| Some(Path::new(line.get(line.find('/')?..)?)));
    let is_it = |path: &&Path| path.file_name().and_then(|own| own.to_str()).is_some_and(|own| own.starts_with(stem));
    mapped.filter(|_| !stem.is_empty()).find(is_it).unwrap_or(library).to_owned()
}

#[cfg(test)]
mod tests {
    use testkit::nvml::{TWO_GPUS, library};

    use super::*;

    #[test]
    fn the_library_of_the_driver_knows_the_gpus() {
        let directory = tempfile::tempdir().unwrap();
        let test = "the_library_of_the_driver_knows_the_gpus";
        let Some(path) = library(test, directory.path(), TWO_GPUS) else { return };
        let nvml = Nvml::load_from(&path).unwrap();
        assert_eq!(nvml.device_count().unwrap(), 2);
        assert_eq!((nvml.minor_number(0).unwrap(), nvml.minor_number(1).unwrap()), (3, 5));
        let refused = nvml.minor_number(2).unwrap_err().to_string();
        assert_eq!(refused, "Failed to nvml::deviceGetHandleByIndex: Invalid Argument");
        assert_eq!(nvml.driver_version().unwrap(), "535.183.01");
        assert_eq!(nvml.path(), path);
    }

    #[test]
    fn a_machine_without_a_driver_says_so() {
        let missing = Nvml::load_from(Path::new("/no/such/libnvidia-ml.so.1")).unwrap_err().to_string();
        assert!(missing.starts_with("NVML is not available: /no/such/libnvidia-ml.so.1: "), "{missing}");
        let directory = tempfile::tempdir().unwrap();
        let test = "a_machine_without_a_driver_says_so";
        let Some(path) = library(test, directory.path(), "int nvmlInit(void) { return 9; }") else { return };
        let incomplete = Nvml::load_from(&path).unwrap_err().to_string();
        assert!(incomplete.starts_with("NVML has no function 'nvmlDeviceGetCount'"), "{incomplete}");
    }
}
