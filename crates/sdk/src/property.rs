//! Properties of a request in the gateway, in addition to its headers.
//!
//! ```no_run
//! use sdk::property;
//!
//! let client = property::SOURCE_ADDRESS.get(); // "127.0.0.1:51234"
//! # let _ = client;
//! ```
//!
//! A plug-in can set properties of its own, named `<plug-in>.<property>`, for the plug-ins after it and for the access
//! log (Envoy: `%FILTER_STATE(wasm.<plug-in>.<property>:PLAIN)%`). They live as long as the request:
//!
//! ```no_run
//! use sdk::property::Property;
//!
//! const VERDICT: Property<Vec<u8>> = Property::new("my-plugin.verdict");
//! VERDICT.set("clean")?;
//! assert_eq!(VERDICT.get().as_deref(), Some(b"clean".as_slice()));
//! # Ok::<(), sdk::Status>(())
//! ```

use std::cell::Cell;
use std::marker::PhantomData;

use crate::Status;
use crate::host;

/// A property: its path and its type, as documented in Envoy's attributes.
pub struct Property<T> {
    /// The segments of its path, joined by NUL.
    path: &'static str,
    value: PhantomData<fn() -> T>,
}

/// A type of property.
pub trait Value: Sized {
    /// Decodes the bytes from the host, or returns `None` if they are not a valid value.
    fn read(bytes: Vec<u8>) -> Option<Self>;
}

impl Value for Vec<u8> {
    fn read(bytes: Vec<u8>) -> Option<Self> {
        Some(bytes)
    }
}

impl Value for i64 {
    fn read(bytes: Vec<u8>) -> Option<Self> {
        bytes.try_into().ok().map(i64::from_le_bytes)
    }
}

impl<T: Value> Property<T> {
    /// Creates a property from its path, with segments joined by NUL: `"request\0protocol"`.
    pub const fn new(path: &'static str) -> Self {
        Property { path, value: PhantomData }
    }

    /// Returns the value, or `None` if the gateway does not have it in this phase or the host call fails.
    pub fn get(&self) -> Option<T> {
        self.try_get().ok().flatten()
    }

    /// Returns the value, or `None` if the gateway does not have it in this phase. Use this for decisions that must not
    /// depend on failures of the gateway.
    ///
    /// # Errors
    ///
    /// The host's status if the call fails.
    pub fn try_get(&self) -> Result<Option<T>, Status> {
        Ok(host::property(self.path.as_bytes())?.and_then(T::read))
    }
}

impl Property<Vec<u8>> {
    /// Sets a property of the plug-in, whose path is one segment. Clients cannot set it, but every plug-in can.
    ///
    /// # Errors
    ///
    /// The host's status. A name that the gateway defines itself is accepted, but keeps the gateway's value.
    pub fn set(&self, value: impl AsRef<[u8]>) -> Result<(), Status> {
        host::set_property(self.path.as_bytes(), value.as_ref())
    }
}

/// Sets a property whose name is in the configuration, like [`Property::set`].
///
/// # Errors
///
/// The host's status.
pub fn set(name: &str, value: impl AsRef<[u8]>) -> Result<(), Status> {
    host::set_property(name.as_bytes(), value.as_ref())
}

/// `HTTP/1.1`, `HTTP/2`, …
pub const REQUEST_PROTOCOL: Property<Vec<u8>> = Property::new("request\0protocol");
/// The client's address and port.
pub const SOURCE_ADDRESS: Property<Vec<u8>> = Property::new("source\0address");
/// The client's address, without a port, as real-ip has determined it; `unknown` if a trusted proxy has sent none. Absent
/// without real-ip. Use [`client_address`] to read it.
pub const REAL_IP: Property<Vec<u8>> = Property::new("real-ip.client_address");
/// The address and port that the client connected to.
pub const DESTINATION_ADDRESS: Property<Vec<u8>> = Property::new("destination\0address");
/// The status of the response, once there is a response.
pub const RESPONSE_CODE: Property<i64> = Property::new("response\0code");
/// The response-code details, once there is a response.
pub const RESPONSE_CODE_DETAILS: Property<Vec<u8>> = Property::new("response\0code_details");

/// The name of the plug-in in the gateway.
pub(crate) const PLUGIN_NAME: &str = "plugin_name";
/// The host of the request, for callbacks that cannot read its headers.
pub(crate) const REQUEST_HOST: &str = "request\0host";

thread_local! {
    /// True if this gateway has Higress's names; unknown until one of them has a value.
    static SHORT_NAMES: Cell<Option<bool>> = const { Cell::new(None) };
}

/// A property with different names in stock Envoy and Higress.
struct TwoNames {
    /// `route_name`: Higress.
    short: &'static str,
    /// `xds.route_name`: Envoy 1.24 and later.
    stock: &'static str,
}

const ROUTE_NAME: TwoNames = TwoNames { short: "route_name", stock: "xds\0route_name" };
const CLUSTER_NAME: TwoNames = TwoNames { short: "cluster_name", stock: "xds\0cluster_name" };

impl TwoNames {
    /// Reads one name and then the other, and remembers which one has a value, so that later reads need one host call.
    fn get(&self) -> Result<Option<Vec<u8>>, Status> {
        match SHORT_NAMES.get() {
            Some(true) => host::property(self.short.as_bytes()),
            Some(false) => host::property(self.stock.as_bytes()),
            None => {
                for (path, short) in [(self.stock, false), (self.short, true)] {
                    if let Some(value) = host::property(path.as_bytes())? {
                        SHORT_NAMES.set(Some(short));
                        return Ok(Some(value));
                    }
                }
                Ok(None)
            }
        }
    }
}

/// Returns the client's address: that of real-ip, which runs before other plug-ins, or else that of the connection, with its
/// port. It is not an address if real-ip could not determine one.
///
/// # Errors
///
/// The host's status if a call fails.
pub fn client_address() -> Result<Option<Vec<u8>>, Status> {
    match REAL_IP.try_get()? {
        Some(address) => Ok(Some(address)),
        None => SOURCE_ADDRESS.try_get(),
    }
}

/// Returns the name of the request's route, if it has one.
///
/// # Errors
///
/// The host's status if the call fails.
pub fn route_name() -> Result<Option<Vec<u8>>, Status> {
    ROUTE_NAME.get()
}

/// Returns the name of the cluster of the request's route, if it has one: `outbound|80||svc.ns.svc.cluster.local` in Istio
/// and Higress.
///
/// # Errors
///
/// The host's status if the call fails.
pub fn cluster_name() -> Result<Option<Vec<u8>>, Status> {
    CLUSTER_NAME.get()
}
