//! The only door to Labor's database: tenant sessions, control plane, queue.
