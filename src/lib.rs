//! API, pages, webhook and workers of Labor.
