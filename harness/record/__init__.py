"""What a run leaves behind: its folder, its metadata, its scores and predictions."""
