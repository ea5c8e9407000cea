"""Sets of tasks to run agents on."""
