//! Safe types over the Linux calls that the server stands on: epoll, eventfd, timerfd,
//! signals, stream sockets and files; and over the C encoders that Node brings along. This is
//! the one crate of the engine that may contain `unsafe`; each block says why it is sound.

mod address;
mod beneath;
pub mod codec;
mod file;
mod listener;
mod notify;
mod poller;
mod process;
mod signals;
mod sigpipe;
mod stream;
mod timer;
mod waker;

pub use address::Address;
pub use beneath::{Open, leads_nowhere, open_absolute, open_beneath, open_folder};
pub use file::{
    FileKind, FileStat, file_stat, folder_names, is_of_disk, is_out_of_descriptors, read_ahead,
    read_cached, send_file,
};
pub use listener::{BindError, Listener, SocketMode};
pub use notify::Notify;
pub use poller::{Event, Events, Poller};
pub use process::{
    Links, cpu_time_of, open_log, raise_open_files_limit, reap, thread_cpu_time, thread_id,
    user_id, yield_now,
};
pub use signals::{Signals, exit_now};
pub use sigpipe::block_signals;
pub use stream::Stream;
pub use timer::Timer;
pub use waker::Waker;
