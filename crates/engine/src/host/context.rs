//! What the host keeps of one context: the messages of its stream, and what the plug-in has said of it.

use std::collections::BTreeMap;

use super::maps::Map;
use super::reply::LocalReply;
use crate::exchange::Service;

/// The bodies of an HTTP stream; the ABI's numbers.
#[derive(Debug, Clone, Copy)]
pub(super) enum Body {
    Request = 0,
    Response = 1,
}

/// A stream or a root as host calls see it. A root has neither messages nor properties.
#[derive(Default)]
pub(super) struct Context {
    /// Headers and trailers by their number. One that cannot be read in this phase is absent.
    pub(super) maps: [Option<Map>; 4],
    /// Maps that have gone on with their message, by their number.
    pub(super) gone: [Map; 4],
    /// Bodies by their number, likewise.
    pub(super) bodies: [Option<Vec<u8>>; 2],
    /// The gateway's properties.
    pub(super) properties: BTreeMap<Vec<u8>, Vec<u8>>,
    /// What the plug-in has set.
    pub(super) own_properties: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The answer of the plug-in instead of the upstream's.
    pub(super) reply: Option<LocalReply>,
    /// The plug-in has closed the stream.
    pub(super) closed: bool,
    /// Which halves of the stream the plug-in lets go on; the ABI's numbers.
    pub(super) continued: [bool; 2],
    /// What the services do with the calls of this stream; a root's calls belong to no request.
    pub(super) services: Option<Vec<Service>>,
    /// The host calls that were made in its callbacks.
    pub(super) calls: u64,
    /// The instructions of its callbacks.
    pub(super) instructions: u64,
}

impl Context {
    /// A map that callbacks can read from now on.
    pub(super) fn arrive(&mut self, number: usize, map: Map) {
        if let Some(place) = self.maps.get_mut(number) {
            *place = Some(map);
        }
    }

    /// A map goes on with its message: no callback can read it any more.
    pub(super) fn release(&mut self, number: usize) {
        if let (Some(map), Some(gone)) =
            (self.maps.get_mut(number).and_then(Option::take), self.gone.get_mut(number))
        {
            *gone = map;
        }
    }

    /// A map that has gone on; empty when there was none.
    pub(super) fn gone(&self, number: usize) -> &Map {
        static NONE: Map = Map::new();
        self.gone.get(number).unwrap_or(&NONE)
    }

    /// What callbacks can read of a body from now on.
    pub(super) fn body_arrives(&mut self, body: Body, bytes: Vec<u8>) {
        if let Some(place) = self.bodies.get_mut(body as usize) {
            *place = Some(bytes);
        }
    }

    /// What the plug-in has left of it.
    pub(super) fn take_body(&mut self, body: Body) -> Vec<u8> {
        self.bodies.get_mut(body as usize).and_then(Option::take).unwrap_or_default()
    }

    /// Notes that the plug-in lets a half go on; nothing where there is no such half.
    pub(super) fn let_go(&mut self, half: u32) -> Option<()> {
        *self.continued.get_mut(half as usize)? = true;
        Some(())
    }

    /// Whether the plug-in has let this half go on since it was asked last.
    pub(super) fn take_continued(&mut self, half: u32) -> bool {
        self.continued.get_mut(half as usize).is_some_and(std::mem::take)
    }

    /// Whether the plug-in has ended the stream, one way or the other.
    pub(super) fn is_over(&self) -> bool {
        self.reply.is_some() || self.closed
    }
}
