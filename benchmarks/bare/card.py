"""A loop tuned by hand for one graphics card: channels last, autocast, compiled, nothing waited for.

`loss_of` takes what `views_of` makes of a batch's inputs, and its targets; the whole of it is compiled,
heads and loss included. Weights stay in float32.
"""

import torch


def train(loss_of, views_of, learned, batches, optimizer, scale, at_end):
    """Goes round the batches, (inputs, targets) on the device; `at_end(loss)` after each epoch.

    `scale` says how many epochs of how many steps, the precision, and the mode of `torch.compile`.
    """
    device = batches[0][0].device
    parameters = [parameter for part in learned for parameter in part.parameters()]
    for part in learned:
        part.train().to(memory_format=torch.channels_last)
    step_of = loss_of if scale.compile is None else torch.compile(loss_of, mode=scale.compile)
    halved = scale.precision == "bf16"
    tried, torch.backends.cudnn.benchmark = torch.backends.cudnn.benchmark, True
    for _ in range(scale.epochs):
        total = torch.zeros((), device=device)
        for step in range(scale.steps):
            inputs, targets = batches[step % len(batches)]
            views = views_of(inputs)
            with torch.autocast(device.type, dtype=torch.bfloat16, enabled=halved):
                loss = step_of(*views, targets)
            loss.backward()
            optimizer.step()
            for parameter in parameters:
                parameter.grad = None
            total += loss.detach()
        at_end(total.item() / scale.steps)  # waits for the device
    torch.backends.cudnn.benchmark = tried
