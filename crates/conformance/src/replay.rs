//! Recorded conversations, played to two masters.
use std::io;
use std::net::SocketAddrV4;
use std::path::PathBuf;

pub struct Conversation;
pub fn load(_: &[PathBuf]) -> io::Result<Vec<Conversation>> {
    Ok(Vec::new())
}
pub fn compare(_: &mut impl io::Write, _: &[Conversation], _: SocketAddrV4, _: SocketAddrV4) -> io::Result<bool> {
    Ok(true)
}
pub fn print(_: &mut impl io::Write, _: &[Conversation], _: SocketAddrV4) -> io::Result<bool> {
    Ok(true)
}
