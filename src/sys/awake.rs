//! Processors that do not sleep between two requests.
//!
//! A processor of a virtual machine that has nothing to do goes back to the host, and to wake it takes twenty
//! microseconds and more, several times as long as most answers of a file system. The kernel keeps processors awake
//! while somebody asks for it; root may ask.
//!
//! # Source
//! Kernel `Documentation/power/pm_qos_interface.rst`; `Documentation/virt/guest-halt-polling.rst`.

use std::fs::{File, OpenOptions};
use std::io::Write as _;

/// Where the kernel says how processors idle; `haltpoll` is that of virtual machines.
const IDLING: &str = "/sys/devices/system/cpu/cpuidle/current_driver";
/// Takes the latency that is asked for, for as long as it is open.
const LATENCY: &str = "/dev/cpu_dma_latency";

/// Processors are kept awake, where this machine's sleep takes long and this process may ask for it.
#[derive(Debug)]
pub struct Awake {
    _asked: Option<File>,
}

impl Awake {
    /// Asks the kernel to keep processors awake until this is dropped.
    pub fn ask() -> Self {
        let sleeps_long = std::fs::read(IDLING).is_ok_and(|driver| driver.trim_ascii() == b"haltpoll");
        let ask = || {
            let mut file = OpenOptions::new().write(true).open(LATENCY)?;
            file.write_all(&0_i32.to_ne_bytes()).map(|()| file)
        };
        let asked = if sleeps_long {
            ask().map_err(|error| log::debug!("processors sleep: {error}")).ok()
        } else {
            None
        };
        Self { _asked: asked }
    }
}
