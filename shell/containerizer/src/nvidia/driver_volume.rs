//! The directory with the files of NVIDIA's driver that containers with an image get at `/usr/local/nvidia`. They have to be
//! those of the machine's kernel driver, so that no image can have them.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

/// The programs of the driver for containers (as in Mesos' `gpu/volume.cpp` and NVIDIA's libnvidia-container).
const PROGRAMS: [&str; 5] =
    ["nvidia-smi", "nvidia-debugdump", "nvidia-persistenced", "nvidia-cuda-mps-control", "nvidia-cuda-mps-server"];

/// The beginnings of the names of its libraries.
const LIBRARIES: [&str; 22] = [
    "libnvidia-ml.so",
    "libnvidia-cfg.so",
    "libcuda.so",
    "libnvidia-opencl.so",
    "libnvidia-ptxjitcompiler.so",
    "libnvidia-fatbinaryloader.so",
    "libnvidia-compiler.so",
    "libvdpau_nvidia.so",
    "libnvidia-encode.so",
    "libnvcuvid.so",
    "libnvidia-eglcore.so",
    "libnvidia-glcore.so",
    "libnvidia-tls.so",
    "libnvidia-glsi.so",
    "libnvidia-fbc.so",
    "libnvidia-ifr.so",
    "libnvidia-nvvm.so",
    "libnvidia-allocator.so",
    "libGLX_nvidia.so",
    "libEGL_nvidia.so",
    "libGLESv2_nvidia.so",
    "libGLESv1_CM_nvidia.so",
];

/// Fills a directory with `bin` and `lib64`: copies of the programs in `path` (a list like PATH) and of the libraries in
/// `libraries`, with the links that lead to them. A directory that an earlier agent has filled is completed.
///
/// # Errors
/// Returns the first error of the operating system. A file that the driver does not have is none.
pub fn driver_volume(volume: &Path, libraries: &Path, path: &str) -> io::Result<()> {
    let (bin, lib) = (volume.join("bin"), volume.join("lib64"));
    fs::create_dir_all(&bin)?;
    fs::create_dir_all(&lib)?;
    // Some programs search here, as in Mesos, although all libraries are of 64 bits.
    fs::create_dir_all(volume.join("lib"))?;
    for name in PROGRAMS {
        let found = path.split(':').map(|directory| Path::new(directory).join(name)).find(|file| file.is_file());
        if let Some(found) = found {
            copy(&found, &bin.join(name))?;
        }
    }
    for entry in fs::read_dir(libraries)? {
        let entry = entry?;
        let name = entry.file_name();
        let is_wanted = name.to_str().is_some_and(|name| LIBRARIES.iter().any(|library| name.starts_with(library)));
        if !is_wanted {
            continue;
        }
        // The chain of links ends with the file of the version.
        let Ok(real) = fs::canonicalize(entry.path()) else { continue };
        let Some(real_name) = real.file_name().filter(|_| real.is_file()) else { continue };
        copy(&real, &lib.join(real_name))?;
        if real_name != name {
            link(Path::new(real_name), &lib.join(&name))?;
        }
    }
    Ok(())
}

/// Copies a file under another name first, so that an agent that is killed leaves no half of one.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    if to.exists() {
        return Ok(());
    }
    let partial = to.with_extension("partial");
    fs::copy(from, &partial)?;
    fs::rename(&partial, to)
}

fn link(target: &Path, link: &Path) -> io::Result<()> {
    match symlink(target, link) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_the_driver_are_copied_with_their_links() {
        let directory = tempfile::tempdir().unwrap();
        let (libraries, programs) = (directory.path().join("libraries"), directory.path().join("programs"));
        fs::create_dir_all(&libraries).unwrap();
        fs::create_dir_all(&programs).unwrap();
        fs::write(libraries.join("libcuda.so.535.1"), "cuda").unwrap();
        symlink("libcuda.so.535.1", libraries.join("libcuda.so.1")).unwrap();
        symlink("gone", libraries.join("libnvidia-ml.so.1")).unwrap();
        fs::write(libraries.join("libc.so.6"), "c").unwrap();
        fs::write(programs.join("nvidia-smi"), "smi").unwrap();
        let volume = directory.path().join("volume");
        for _ in 0..2 {
            driver_volume(&volume, &libraries, &format!("/no/such:{}", programs.display())).unwrap();
            assert_eq!(fs::read_to_string(volume.join("lib64/libcuda.so.1")).unwrap(), "cuda");
            assert_eq!(fs::read_link(volume.join("lib64/libcuda.so.1")).unwrap(), Path::new("libcuda.so.535.1"));
            assert_eq!(fs::read_to_string(volume.join("bin/nvidia-smi")).unwrap(), "smi");
            assert_eq!(fs::read_dir(volume.join("lib64")).unwrap().count(), 2);
        }
    }
}
