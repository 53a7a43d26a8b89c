//! One engine at a time: what it is told, and what it asks for in return.

mod bench;
mod following;
mod together;
