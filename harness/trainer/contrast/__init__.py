"""The methods of the contrastive trainer, one file each."""
