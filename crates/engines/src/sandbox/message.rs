//! The conversation between the host, the keeper (the init process outside) and process 1 (inside).
//!
//! A message is four bytes of length, little-endian, and JSON. Descriptors travel beside the bytes.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::error::Failure;
use super::limits::Group;
use super::spec::SandboxSpec;

/// The kernel's own bound of descriptors in one message.
const MOST_DESCRIPTORS: usize = 253;
const LENGTH_BYTES: usize = 4;

/// The first message to the keeper: all it has to know.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Launch {
    pub(super) spec: SandboxSpec,
    pub(super) group: Option<Group>,
    /// How often, in milliseconds, the memory in use is counted; none where the kernel's own limit is exact.
    pub(super) watch_millis: Option<u32>,
}

/// What the keeper is told by the host, and process 1 by the keeper.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Order {
    /// The mapping and the limits stand: begin. To process 1 alone.
    Begin,
    Freeze,
    Thaw,
    Measure,
    /// End everything. To the keeper alone, which does not ask process 1.
    Kill,
}

/// What the host hears.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Notice {
    /// Process 1 exists, with this process id on the host.
    Born(i32),
    /// The program is executing. Its listeners travel with the message.
    Ready,
    Failed(Failure),
    Frozen,
    Thawed,
    Measured {
        peak_bytes: u64,
    },
    Ended(Ending),
}

/// How the program ended, as process 1 and the keeper know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ending {
    pub(super) how: How,
    /// How many processes the kernel ended for lack of memory.
    pub(super) out_of_memory_kills: u64,
    pub(super) peak_bytes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum How {
    Code(i32),
    Signal(i32),
    /// The watch ended it for using too much memory.
    OverMemory,
}

/// A message as it travels.
pub(super) fn encode(message: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; LENGTH_BYTES];
    serde_json::to_writer(&mut bytes, message)?;
    let length = u32::try_from(bytes.len() - LENGTH_BYTES).map_err(io::Error::other)?;
    if let Some(head) = bytes.get_mut(..LENGTH_BYTES) {
        head.copy_from_slice(&length.to_le_bytes());
    }
    Ok(bytes)
}

/// Takes the first whole message out of what was received so far.
pub(super) fn decode<T: DeserializeOwned>(received: &mut Vec<u8>) -> io::Result<Option<T>> {
    let Some(head) = received.first_chunk::<LENGTH_BYTES>() else { return Ok(None) };
    let length = u32::from_le_bytes(*head) as usize;
    let Some(body) = received.get(LENGTH_BYTES..LENGTH_BYTES + length) else { return Ok(None) };
    let message = serde_json::from_slice(body)?;
    received.drain(..LENGTH_BYTES + length);
    Ok(Some(message))
}

/// Sends a message and waits until it is on its way.
pub(super) fn send(mut to: &UnixStream, message: &impl Serialize) -> io::Result<()> {
    to.write_all(&encode(message)?)
}

/// Sends a message with the sockets themselves beside it.
pub(super) fn send_with(mut to: &UnixStream, message: &impl Serialize, listeners: &[TcpListener]) -> io::Result<()> {
    let bytes = encode(message)?;
    let fds = listeners.iter().map(AsFd::as_fd).collect::<Vec<_>>();
    let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
    let mut beside = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !beside.push(SendAncillaryMessage::ScmRights(&fds)) {
        return Err(io::Error::other("too many descriptors for one message"));
    }
    let sent = sendmsg(to, &[IoSlice::new(&bytes)], &mut beside, SendFlags::NOSIGNAL)?;
    to.write_all(bytes.get(sent..).unwrap_or(&[]))
}

/// Waits for the next message; `None` when the other side is gone.
pub(super) fn receive<T: DeserializeOwned>(mut from: &UnixStream) -> io::Result<Option<T>> {
    let mut head = [0; LENGTH_BYTES];
    match from.read_exact(&mut head) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let mut body = vec![0; u32::from_le_bytes(head) as usize];
    from.read_exact(&mut body)?;
    Ok(Some(serde_json::from_slice(&body)?))
}

/// Takes what has arrived, bytes and descriptors; 0 bytes mean that the other side is gone.
pub(super) fn take_arrived(
    from: impl AsFd,
    received: &mut Vec<u8>,
    descriptors: &mut Vec<OwnedFd>,
) -> io::Result<usize> {
    let mut bytes = [0; 4096];
    let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
    let mut beside = RecvAncillaryBuffer::new(&mut space);
    let mut into = [IoSliceMut::new(&mut bytes)];
    let count = recvmsg(from, &mut into, &mut beside, RecvFlags::CMSG_CLOEXEC)?.bytes;
    for message in beside.drain() {
        if let RecvAncillaryMessage::ScmRights(fds) = message {
            descriptors.extend(fds);
        }
    }
    received.extend_from_slice(bytes.get(..count).unwrap_or(&[]));
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_taken_whole_however_they_arrive() {
        let bytes = [encode(&Order::Freeze).unwrap(), encode(&Order::Kill).unwrap()].concat();
        let (mut received, mut taken) = (Vec::new(), Vec::new());
        for byte in bytes {
            received.push(byte);
            taken.extend(decode::<Order>(&mut received).unwrap());
        }
        assert_eq!(taken, [Order::Freeze, Order::Kill]);
        assert!(received.is_empty());
    }
}
