//! With and without inheritance: curves over labels and over time, and what follows from them.
