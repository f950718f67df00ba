//! The I/O shell: HTTP, libprocess links, timers, disks; hosts a master or an agent core.
