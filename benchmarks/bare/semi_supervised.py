"""Semi-supervised learning by hand: FixMatch and Mean Teacher as their papers have them.

Both take the modules that learn and the augmentation, and give two functions: the loss of labelled and
unlabelled inputs at a share of the training, and what is to be called after each optimizer step with its
number, or None.
"""

import copy
import math

import torch
from torch.nn import functional


def fixmatch(model, head, augment, threshold):
    """The guess for a weak view is the label of a strong one (arXiv 2001.07685, eq. 4)."""

    def loss(labelled, labels, unlabelled, share):
        views = [augment.weak(labelled), augment(unlabelled), augment.weak(unlabelled)]
        logits = head(model(torch.cat(views)))
        own, strong, weak = logits.split([len(view) for view in views])
        confidence, guess = weak.detach().softmax(dim=1).max(dim=1)
        agreement = functional.cross_entropy(strong, guess, reduction="none")
        return functional.cross_entropy(own, labels) + (agreement * (confidence >= threshold)).mean()

    return loss, None


def mean_teacher(model, head, augment, weight, ramp, decay):
    """A view is predicted as the moving average of the network predicts another (arXiv 1703.01780)."""
    teacher = [copy.deepcopy(part).requires_grad_(False) for part in (model, head)]
    slow = [parameter for part in teacher for parameter in part.parameters()]
    fast = [parameter for part in (model, head) for parameter in part.parameters()]

    def loss(labelled, labels, unlabelled, share):
        views = [augment.weak(labelled), augment(unlabelled)]
        other = augment(unlabelled)
        own, student = head(model(torch.cat(views))).split([len(view) for view in views])
        with torch.no_grad():
            wanted = teacher[1](teacher[0](other)).softmax(dim=1)
        risen = math.exp(-5 * max(0.0, 1 - share / ramp) ** 2)
        distance = functional.mse_loss(student.softmax(dim=1), wanted)
        return functional.cross_entropy(own, labels) + weight * risen * distance

    @torch.no_grad()
    def follow(step):
        torch._foreach_lerp_(slow, fast, 1 - min(decay, (1 + step) / (10 + step)))

    return loss, follow


def train(method, learned, labelled, unlabelled, optimizer, ema, batch, epochs, at_end):
    """The loop: passes over the unlabelled inputs, beside which the labelled ones repeat.

    labelled and unlabelled are (inputs, targets) and inputs; `ema` is the decay of the average of weights
    and statistics that would be evaluated. `at_end(loss)` is called after each epoch with the mean loss
    of its steps.
    """
    loss_of, follow = method
    inputs, labels = labelled
    parameters = [parameter for part in learned for parameter in part.parameters()]
    live = [t for part in learned for t in part.state_dict(keep_vars=True).values() if t.is_floating_point()]
    average = [tensor.detach().clone() for tensor in live]
    for part in learned:
        part.train()
    done, steps = 0, epochs * math.ceil(len(unlabelled) / batch)
    labelled_rows = repeated(len(inputs), batch)
    for _ in range(epochs):
        total = torch.zeros(())
        passed = 0
        for rows in torch.randperm(len(unlabelled)).split(batch):
            own = next(labelled_rows)
            unseen = unlabelled.index_select(0, rows)
            loss = loss_of(inputs.index_select(0, own), labels.index_select(0, own), unseen, done / steps)
            loss.backward()
            optimizer.step()
            for parameter in parameters:
                parameter.grad = None
            done, passed = done + 1, passed + 1
            with torch.no_grad():
                torch._foreach_lerp_(average, live, 1 - min(ema, (1 + done) / (10 + done)))
            if follow is not None:
                follow(done)
            total += loss.detach()
        at_end(total.item() / passed)


def repeated(count, batch):
    """Batches of rows, pass after pass, each in an order of its own."""
    while True:
        yield from torch.randperm(count).split(batch)
