"""Speed, as ratios against named peers in the same run; never a test."""
