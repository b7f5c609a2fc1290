//! How well a model that is there may serve for a task, before anything is trained.
