//! The state of one context: the messages of its stream, and the plug-in's decisions.

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

/// A stream or a root, as seen by host calls. A root has neither messages nor properties.
#[derive(Default)]
pub(super) struct Context {
    /// Headers and trailers by their number. One that cannot be read in this phase is absent.
    pub(super) maps: [Option<Map>; 4],
    /// Maps that were passed on with their message, by their number.
    pub(super) gone: [Map; 4],
    /// Bodies by their number, likewise.
    pub(super) bodies: [Option<Vec<u8>>; 2],
    /// The gateway's properties.
    pub(super) properties: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The properties set by the plug-in.
    pub(super) own_properties: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The plug-in's reply instead of the upstream's response.
    pub(super) reply: Option<LocalReply>,
    /// The plug-in has closed the stream.
    pub(super) closed: bool,
    /// The halves of the stream that the plug-in has continued; the ABI's numbers.
    pub(super) continued: [bool; 2],
    /// How services handle the calls of this stream; calls of a root do not belong to a request.
    pub(super) services: Option<Vec<Service>>,
    /// The number of host calls in its callbacks.
    pub(super) calls: u64,
    /// The number of instructions of its callbacks.
    pub(super) instructions: u64,
}

impl Context {
    /// Makes a map readable for callbacks.
    pub(super) fn arrive(&mut self, number: usize, map: Map) {
        if let Some(place) = self.maps.get_mut(number) {
            *place = Some(map);
        }
    }

    /// Passes a map on with its message: callbacks can no longer read it.
    pub(super) fn release(&mut self, number: usize) {
        if let (Some(map), Some(gone)) =
            (self.maps.get_mut(number).and_then(Option::take), self.gone.get_mut(number))
        {
            *gone = map;
        }
    }

    /// A map that was passed on; empty if there was none.
    pub(super) fn gone(&self, number: usize) -> &Map {
        static NONE: Map = Map::new();
        self.gone.get(number).unwrap_or(&NONE)
    }

    /// Sets the part of a body that callbacks can read.
    pub(super) fn body_arrives(&mut self, body: Body, bytes: Vec<u8>) {
        if let Some(place) = self.bodies.get_mut(body as usize) {
            *place = Some(bytes);
        }
    }

    /// The body after the plug-in's changes.
    pub(super) fn take_body(&mut self, body: Body) -> Vec<u8> {
        self.bodies.get_mut(body as usize).and_then(Option::take).unwrap_or_default()
    }

    /// Makes the headers readable again, as when a gateway writes its access log; bodies and trailers are gone.
    pub(super) fn enter_log_phase(&mut self, headers: [usize; 2]) {
        self.bodies = [const { None }; 2];
        for (number, map) in self.maps.iter_mut().enumerate() {
            if !headers.contains(&number) {
                *map = None;
            } else if map.is_none() {
                *map = self.gone.get(number).cloned();
            }
        }
    }

    /// Records that the plug-in continues a half, if that exists.
    pub(super) fn let_go(&mut self, half: u32) -> Option<()> {
        *self.continued.get_mut(half as usize)? = true;
        Some(())
    }

    /// Whether the plug-in has continued this half since the last query.
    pub(super) fn take_continued(&mut self, half: u32) -> bool {
        self.continued.get_mut(half as usize).is_some_and(std::mem::take)
    }

    /// Whether the plug-in has ended the stream, by a reply or by closing it.
    pub(super) fn is_over(&self) -> bool {
        self.reply.is_some() || self.closed
    }
}
