//! What travels: Mesos JSON, RecordIO, the libprocess envelope and the checks on untrusted bytes; pure bytes in, bytes out, with limits.
