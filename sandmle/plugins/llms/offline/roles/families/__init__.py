"""Rule families: how labels follow from features, one record each, in files by modality."""
