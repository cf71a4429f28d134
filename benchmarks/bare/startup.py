"""One AdamW step on the digits, and nothing else."""

import torch
from sklearn.datasets import load_digits
from torch import nn

pixels, digits = load_digits(return_X_y=True)
inputs = torch.from_numpy(pixels[:64]).float().reshape(-1, 1, 8, 8)
targets = torch.from_numpy(digits[:64])
model = nn.Sequential(
    nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(32 * 16, 10)
)
optimizer = torch.optim.AdamW(model.parameters(), lr=0.003, fused=True)
nn.functional.cross_entropy(model(inputs), targets).backward()
optimizer.step()
