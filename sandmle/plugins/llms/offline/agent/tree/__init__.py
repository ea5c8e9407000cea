"""The scripted agent under the tree searches: whole programs and reviews, one conversation each."""
