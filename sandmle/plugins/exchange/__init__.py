"""Exchange: tasks and trajectories into other people's tools, and theirs into ours."""
