//! Fault injection: killed processes, full disks, failing name lookups, overload. The service must survive or come
//! back, and its answers must be correct.

mod clock;
mod crowd;
mod disk;
mod kill;
mod names;
mod overload;
mod stop;
