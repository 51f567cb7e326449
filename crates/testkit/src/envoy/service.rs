//! The services that a plug-in calls: one server each, which does what the case says and notes what it saw.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use super::behaviour::{Gate, Shared, lock};
use super::{grpc, upstream, wire};
use engine::exchange::{Service, ServiceAnswer, ServiceCluster, ServiceProtocol, of_cluster};
use engine::outcome::Call;

/// How many connections may wait to be accepted.
const BACKLOG: u32 = 1024;

const PAUSE: Duration = Duration::from_millis(1);

/// All services of one Envoy; they work whenever their runtime does.
pub(super) struct Services {
    servers: Vec<Server>,
    log: Arc<Mutex<Vec<Call>>>,
    gate: Arc<Gate>,
}

/// One service.
struct Server {
    cluster: ServiceCluster,
    address: SocketAddr,
    behaviour: Arc<Mutex<Service>>,
    door: Option<Door>,
}

/// Where a service can be reached, or not.
enum Door {
    /// The task that listens, and drops its connections with itself.
    Open(JoinHandle<()>),
    /// Bound to reserve the port, but not listening, so connections are refused.
    Closed { _socket: TcpSocket },
}

impl Services {
    /// Binds a server for each cluster to a free port, without listening yet.
    pub(super) fn start(clusters: &[ServiceCluster]) -> io::Result<Self> {
        let servers = clusters.iter().map(|cluster| {
            let socket = socket(SocketAddr::from(([127, 0, 0, 1], 0)))?;
            let behaviour = Service {
                cluster: cluster.name.clone(),
                answer: ServiceAnswer::Closed,
                delay: 0,
                protocol: cluster.protocol,
            };
            Ok(Server {
                cluster: cluster.clone(),
                address: socket.local_addr()?,
                behaviour: Arc::new(Mutex::new(behaviour)),
                door: Some(Door::Closed { _socket: socket }),
            })
        });
        Ok(Self { servers: servers.collect::<io::Result<_>>()?, log: Arc::default(), gate: Arc::default() })
    }

    /// The clusters for Envoy.
    pub(super) fn clusters(&self) -> Vec<gateway::Cluster> {
        let cluster = |server: &Server| gateway::Cluster {
            http2: server.cluster.protocol == ServiceProtocol::Grpc,
            ..gateway::Cluster::at(&server.cluster.name, server.address)
        };
        self.servers.iter().map(cluster).collect()
    }

    /// Does this from now on, and forgets what was seen. Services that are not named do not listen.
    pub(super) async fn behave(&mut self, services: &[Service]) -> io::Result<()> {
        for server in &mut self.servers {
            let name = server.cluster.name.as_bytes();
            let answer = of_cluster(services, name).cloned();
            let closed = answer.as_ref().is_none_or(|service| service.answer == ServiceAnswer::Closed);
            if let Some(service) = answer {
                *lock(&server.behaviour) = service;
            }
            let shared = Shared::new(&server.behaviour, &self.log, &self.gate);
            server.swing(!closed, shared).await?;
        }
        lock(&self.log).clear();
        Ok(())
    }

    /// Services of these clusters answer when they are told to, and all others by themselves.
    pub(super) fn hold(&self, clusters: BTreeSet<String>) {
        self.gate.hold(clusters);
    }

    /// Has a service answer one of the calls that it has seen since.
    pub(super) fn release(&self, cluster: &str, call: usize) {
        self.gate.release(cluster, call);
    }

    /// What was seen since then.
    pub(super) fn calls(&self) -> Vec<Call> {
        lock(&self.log).clone()
    }

    /// Comes back when so many calls were seen.
    pub(super) async fn called(&self, times: usize) {
        while lock(&self.log).len() < times {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

impl Server {
    /// Opens or closes the door, and leaves it where it stands so already.
    async fn swing(&mut self, open: bool, shared: Shared) -> io::Result<()> {
        self.door = Some(match self.door.take() {
            Some(Door::Open(task)) if !open => {
                task.abort();
                // The port is free when the task is gone.
                let _ = task.await;
                Door::Closed { _socket: socket(self.address)? }
            }
            Some(Door::Closed { _socket }) if open => {
                Door::Open(tokio::spawn(accept(_socket.listen(BACKLOG)?, self.cluster.protocol, shared)))
            }
            Some(door) => door,
            // A door that could not be swung has failed the case before.
            None => Door::Closed { _socket: socket(self.address)? },
        });
        Ok(())
    }
}

fn socket(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

async fn accept(listener: TcpListener, protocol: ServiceProtocol, shared: Shared) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        // A connection that fails is Envoy's to report: its call has no answer.
        let shared = shared.clone();
        match protocol {
            ServiceProtocol::Http1 => drop(connections.spawn(async move { serve(stream, &shared).await })),
            ServiceProtocol::Grpc => {
                drop(connections.spawn(async move { grpc::serve(stream, &shared).await }))
            }
        }
        // Those that have ended need not be kept.
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(stream: TcpStream, shared: &Shared) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    while let Some(head) = wire::read_head(&mut reader).await? {
        let mut body = Vec::new();
        let framing = head.framing()?.unwrap_or(wire::Framing::Length(0));
        let trailers = wire::read_body(&mut reader, framing, &mut body).await?;
        let request = upstream::request(head, body, trailers);
        let to_head = *request.method == *b"HEAD";
        match shared.answer(request).await {
            Some(answer) => writer.write_all(&upstream::encode(&answer, to_head).concat()).await?,
            // Until Envoy gives it up.
            None => drop(wire::read_head(&mut reader).await?),
        }
    }
    Ok(())
}
