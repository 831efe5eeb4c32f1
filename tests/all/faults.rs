//! What happens to machines: processes are killed, disks are full, names lead nowhere, crowds come. The service goes on, or
//! is there again, and what it answers is right.

mod clock;
mod crowd;
mod disk;
mod kill;
mod names;
mod overload;
mod stop;
