//! make demo and make up: the whole of Labor on one machine.
