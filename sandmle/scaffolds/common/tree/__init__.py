"""What the tree searches share: the journal, the search policy, reading replies, and the bench in the session."""
