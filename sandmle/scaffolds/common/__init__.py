"""What several scaffolds share: prompt rendering, truncation, code fences, listing."""
