"""Other people's trajectories as a run directory that `sandmle train sft` imitates."""
