//! Requests that are open at once, in the order that a case writes: each on a connection of its own, the next event only
//! when Envoy has nothing more to do for the one before.
//!
//! One worker does all of it, so what it has read first it has handed to the plug-in first.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Instant;

use anyhow::{Context, bail};
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::task::JoinHandle;

use super::client::http1;
use super::service::Services;
use super::upstream::Planned;
use super::{PATIENCE, PAUSE, Running, of_plugin, properties, wire};
use engine::exchange::{Event, Framing, Happening, Request, Step, Upstream};
use engine::outcome::{Answer, Outcome};

/// Whose call it is that the plug-in makes in the background.
const NO_OWNER: usize = usize::MAX;

/// One of the requests.
struct Exchange<'r> {
    request: &'r Request,
    /// What the client still writes to, until it goes away.
    writer: Option<OwnedWriteHalf>,
    answer: Option<JoinHandle<Option<Answer>>>,
    client: Option<SocketAddr>,
}

impl Running {
    /// Has the events happen, and waits until everything that belongs to the requests is over.
    pub(super) async fn interleave(
        &self,
        requests: &[(Request, Upstream)],
        events: &[Event],
    ) -> anyhow::Result<Vec<Outcome>> {
        let (log, access) = (self.gateway.process().log_mark()?, self.gateway.process().access_mark()?);
        let planned = requests.iter().enumerate().map(|(index, (request, upstream))| {
            let told = events.iter().any(|event| event.step_of(index).is_some_and(Step::is_of_answer));
            Planned::new(&request.path, upstream, told)
        });
        self.upstream.plan(planned.collect());
        let mut services = self.services.lock().await;
        let all: BTreeMap<_, _> = requests
            .iter()
            .flat_map(|(request, _)| &request.services)
            .map(|service| (service.cluster.clone(), service.clone()))
            .collect();
        let held: BTreeSet<String> = events.iter().filter_map(Event::cluster).map(str::to_owned).collect();
        services.hold(held);
        services.behave(&all.into_values().collect::<Vec<_>>()).await?;
        let new = |(request, _)| Exchange { request, writer: None, answer: None, client: None };
        let mut exchanges: Vec<_> =
            requests.iter().map(|(request, upstream)| new((request, upstream))).collect();
        // Whose call each is that the services have seen.
        let mut owners: Vec<usize> = Vec::new();
        for event in events {
            let owner = self.happen(event, &mut exchanges, &services, &owners).await;
            let owner = owner.with_context(|| event.to_string())?;
            self.rest().await?;
            owners.resize(services.calls().len(), owner.unwrap_or(NO_OWNER));
        }
        services.hold(BTreeSet::new());
        self.upstream.tell_everything();

        let mut outcomes = Vec::new();
        for (index, exchange) in exchanges.into_iter().enumerate() {
            let answer = match exchange.answer {
                Some(answer) => {
                    tokio::time::timeout(http1::PATIENCE, answer).await.ok().transpose()?.flatten()
                }
                None => None,
            };
            let line = match exchange.client {
                Some(client) => self.access_line(&client.to_string(), access).await?,
                None => None,
            };
            let access_log = line.iter().flat_map(properties).collect();
            let details = line.map(|line| line.details).filter(|details| !details.is_empty());
            outcomes.push((index, Outcome { answer, details, access_log, ..Outcome::default() }));
        }
        // Calls that came after the last event are those of the request that it was about.
        let calls = services.calls();
        owners.resize(calls.len(), owners.last().copied().unwrap_or_default());
        let seen = self.upstream.seen_of_plan().await?;
        let (log, counters) =
            (of_plugin(&self.gateway.process().log_since(log)?, &self.plugin), self.counters()?);
        let outcomes = outcomes.into_iter().map(|(index, outcome)| {
            let own = calls.iter().zip(&owners).filter(|(_, owner)| **owner == index);
            Outcome {
                upstream: seen.get(index).cloned().flatten(),
                calls: own.map(|(call, _)| call.clone()).collect(),
                log: log.clone(),
                counters: counters.clone(),
                ..outcome
            }
        });
        Ok(outcomes.collect())
    }

    /// Has one event happen, and says for which request; nothing where it is for none.
    async fn happen(
        &self,
        event: &Event,
        exchanges: &mut [Exchange<'_>],
        services: &Services,
        owners: &[usize],
    ) -> anyhow::Result<Option<usize>> {
        let (index, step) = match &event.happening {
            Happening::Step { request, step } => (*request, *step),
            Happening::Configure(change) => {
                change.judge(self.gateway.configure(change.configuration.as_deref(), &self.plugin)?)?;
                return Ok(None);
            }
            Happening::Answer { cluster, call } => {
                let calls = services.calls();
                let of_cluster = calls.iter().enumerate().filter(|(_, call)| call.cluster == *cluster);
                let Some((place, _)) = of_cluster.clone().nth(*call) else {
                    bail!("the service has seen {} calls so far", of_cluster.count());
                };
                services.release(cluster, *call);
                return Ok(owners.get(place).copied());
            }
        };
        if step.is_of_answer() {
            self.upstream.tell(index)?;
            return Ok(Some(index));
        }
        let exchange = exchanges.get_mut(index).context("no such request")?;
        let request = exchange.request;
        let chunked = request.framing() == Framing::Chunked;
        let bytes = match step {
            Step::RequestHeaders => {
                let stream = TcpStream::connect(self.gateway.process().address()).await;
                let stream = stream.context("Envoy does not accept a connection")?;
                stream.set_nodelay(true)?;
                exchange.client = Some(stream.local_addr()?);
                let (reader, writer) = stream.into_split();
                let method = request.method.clone();
                exchange.writer = Some(writer);
                exchange.answer = Some(tokio::spawn(async move {
                    http1::answer(&mut BufReader::new(reader), &method, &|| {}).await.ok().flatten()
                }));
                http1::head(request)
            }
            Step::RequestBody(piece) => {
                let pieces = request.pieces();
                let piece = pieces.get(piece).context("no such piece")?;
                if chunked { wire::chunk(piece) } else { piece.to_vec() }
            }
            Step::End => wire::last_chunk(&request.trailers),
            Step::Reset => {
                let mark = self.gateway.process().access_mark()?;
                if let Some(answer) = exchange.answer.take() {
                    let over = answer.is_finished();
                    answer.abort();
                    let _ = answer.await;
                    exchange.writer = None;
                    if let Some(client) = exchange.client.filter(|_| !over) {
                        self.access_line(&client.to_string(), mark).await?;
                    }
                }
                return Ok(Some(index));
            }
            Step::ResponseHeaders | Step::ResponseBody(_) | Step::ResponseEnd => return Ok(Some(index)),
        };
        let before = self.gateway.process().bytes_read()?;
        if let Some(writer) = &mut exchange.writer {
            // Who was answered before need not be read any more.
            if writer.write_all(&bytes).await.is_ok() {
                self.read(before + bytes.len() as u64).await?;
            }
        }
        Ok(Some(index))
    }

    /// Waits until Envoy has read a number of bytes of clients, with a timeout, since it may have stopped reading.
    async fn read(&self, bytes: u64) -> anyhow::Result<()> {
        let deadline = Instant::now() + http1::READING;
        while self.gateway.process().bytes_read()? < bytes && Instant::now() < deadline {
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    /// Waits until nothing is read or written any more.
    async fn rest(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let (mut before, mut quiet) = (self.gateway.process().traffic()?, 0);
        while quiet < 2 && Instant::now() < deadline {
            tokio::time::sleep(PAUSE).await;
            let now = self.gateway.process().traffic()?;
            quiet = if now == before { quiet + 1 } else { 0 };
            before = now;
        }
        Ok(())
    }
}
