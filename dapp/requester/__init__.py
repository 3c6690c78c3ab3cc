"""Whoever orders a task: deals its key, publishes its model, says its terms, and pays for its rounds."""
