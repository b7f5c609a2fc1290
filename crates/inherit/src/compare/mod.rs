//! Two models over the same cases: what one breaks and what it fixes, and how sure that is.
