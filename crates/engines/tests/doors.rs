//! The network: a program reaches the ports it was given, and nothing else.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use undercast_engines::sandbox::launch;

use crate::setup::{finish, python, run};

#[tokio::test]
async fn the_host_answers_on_a_port_inside() {
    let script = "import urllib.request as r; print(r.urlopen('http://localhost:9001/x').read().decode(), \
        r.urlopen('http://127.0.0.1:80/y').read().decode())";
    let mut spec = python(script);
    spec.ports = vec![9001, 80];
    let mut running = launch(spec).await.unwrap();
    let doors = running.take_doors();
    assert_eq!(doors.iter().map(|door| door.port).collect::<Vec<_>>(), [9001, 80]);
    for door in doors {
        let outside = TcpStream::connect(("127.0.0.1", door.port)).map_err(|error| error.kind());
        assert_eq!(outside.unwrap_err(), ErrorKind::ConnectionRefused, "the port is inside only");
        let listener = tokio::net::TcpListener::from_std(door.listener).unwrap();
        let (mut connection, _) = listener.accept().await.unwrap();
        let mut request = [0; 1024];
        let count = connection.read(&mut request).await.unwrap();
        let path = std::str::from_utf8(&request[..count]).unwrap().split(' ').nth(1).unwrap().to_owned();
        let answer = format!("HTTP/1.0 200 OK\r\n\r\nhost says {path}");
        connection.write_all(answer.as_bytes()).await.unwrap();
    }
    assert_eq!(finish(running).await.ok(), "host says /x host says /y\n");
}

#[tokio::test]
async fn two_sandboxes_may_have_the_same_port() {
    let mut spec = python("import socket; socket.create_connection(('127.0.0.1', 9001)).recv(9); print('ok')");
    spec.ports = vec![9001];
    let (mut one, mut two) = (launch(spec.clone()).await.unwrap(), launch(spec).await.unwrap());
    for running in [&mut one, &mut two] {
        let door = running.take_doors().pop().unwrap();
        door.listener.set_nonblocking(false).unwrap();
        door.listener.accept().unwrap().0.write_all(b"hello").unwrap();
    }
    assert_eq!(finish(one).await.ok(), "ok\n");
    assert_eq!(finish(two).await.ok(), "ok\n");
}

#[tokio::test]
async fn nothing_else_is_reachable() {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let everywhere = TcpListener::bind("0.0.0.0:0").unwrap();
    let abstract_name = format!("undercast-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&abstract_name).unwrap();
    let _unix = UnixListener::bind_addr(&address).unwrap();
    // An address of the host itself, if it has one beside loopback.
    let own = UdpSocket::bind("0.0.0.0:0").and_then(|socket| {
        socket.connect("192.0.2.1:9")?;
        socket.local_addr()
    });
    let own = own.map_or_else(|_| "192.0.2.1".to_owned(), |own| own.ip().to_string());
    let script = format!(
        r"
import errno, socket
def attempt(name, family, kind, address, protocol=0):
    try:
        with socket.socket(family, kind, protocol) as s:
            s.settimeout(3)
            s.connect(address)
            print(name, 'CONNECTED')
    except OSError as error:
        print(name, errno.errorcode.get(error.errno, error))
tcp, udp = socket.SOCK_STREAM, socket.SOCK_DGRAM
attempt('loopback', socket.AF_INET, tcp, ('127.0.0.1', {}))
attempt('own address', socket.AF_INET, tcp, ('{own}', {}))
attempt('internet', socket.AF_INET, tcp, ('1.1.1.1', 53))
attempt('internet udp', socket.AF_INET, udp, ('1.1.1.1', 53))
attempt('link-local', socket.AF_INET, tcp, ('169.254.169.254', 80))
attempt('internet 6', socket.AF_INET6, tcp, ('2606:4700:4700::1111', 53))
attempt('abstract', socket.AF_UNIX, tcp, '\0{abstract_name}')
attempt('hypervisor', 40, tcp, (2, 1024))
attempt('packets', 17, socket.SOCK_RAW, ('lo', 0))
attempt('raw', socket.AF_INET, socket.SOCK_RAW, ('127.0.0.1', 0), 1)
print(len(socket.if_nameindex()))
",
        tcp.local_addr().unwrap().port(),
        everywhere.local_addr().unwrap().port(),
    );
    let expected = "loopback ECONNREFUSED\nown address ENETUNREACH\ninternet ENETUNREACH\n\
        internet udp ENETUNREACH\nlink-local ENETUNREACH\ninternet 6 ENETUNREACH\nabstract ECONNREFUSED\n\
        hypervisor EAFNOSUPPORT\npackets EAFNOSUPPORT\nraw EPERM\n1\n";
    assert_eq!(run(python(&script)).await.ok(), expected);

    // The listeners do answer: only not from inside.
    let port = everywhere.local_addr().unwrap().port();
    TcpStream::connect(("127.0.0.1", port)).unwrap();
}

#[tokio::test]
async fn a_sandbox_reaches_its_own_listeners() {
    let script = r"
import socket, threading
server = socket.create_server(('127.0.0.1', 7000))
threading.Thread(target=lambda: server.accept()[0].sendall(b'self')).start()
print(socket.create_connection(('localhost', 7000)).recv(9))
";
    assert_eq!(run(python(script)).await.ok(), "b'self'\n");
    let mut nothing = Vec::new();
    let refused = TcpStream::connect("127.0.0.1:7000").and_then(|mut s| s.read_to_end(&mut nothing));
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::ConnectionRefused);
}
