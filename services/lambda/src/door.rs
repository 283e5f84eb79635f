//! The way from inside a sandbox to this cloud: a port inside, each connection copied to the cloud's own door.

use std::net::TcpListener;

use tokio::net::TcpStream;
use tokio::sync::watch;
use undercast_kernel::Kernel;

/// The port of this cloud, as its address says it.
pub(crate) fn port(kernel: &Kernel) -> u16 {
    kernel.settings().host.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or(4566)
}

/// Copies connections until `alive` ends.
pub(crate) async fn serve(kernel: Kernel, listener: TcpListener, mut alive: watch::Receiver<()>) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "a function's way to this cloud could not be opened"
            );
            return;
        }
    };
    let port = port(&kernel);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = alive.changed() => return,
        };
        let Ok((inside, _)) = accepted else { return };
        let mut alive = alive.clone();
        kernel.spawn(async move {
            tokio::select! {
                copied = copy(inside, port) => if let Err(error) = copied {
                    tracing::debug!(error = &error as &dyn std::error::Error, "a connection out of a function ended early");
                },
                _ = alive.changed() => {}
            }
        });
    }
}

async fn copy(mut inside: TcpStream, port: u16) -> std::io::Result<()> {
    let mut outside = TcpStream::connect(("127.0.0.1", port)).await?;
    inside.set_nodelay(true)?;
    outside.set_nodelay(true)?;
    tokio::io::copy_bidirectional(&mut inside, &mut outside).await.map(drop)
}
