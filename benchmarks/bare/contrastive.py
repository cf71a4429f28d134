"""Contrastive learning by hand: each method as its paper has it, around plain modules.

Every function takes the modules that learn and gives two: `loss(first, second, labels)` of two views of a
batch, and `follow(share)`, to be called after each optimizer step with the share of the training that is
done, or None.
"""

import copy
import math

import torch
from torch import nn
from torch.nn import functional


def simclr(model, projector, temperature):
    """NT-Xent (arXiv 2002.05709, eq. 1)."""

    def loss(first, second, labels):
        similarity = similarities(projector(model(torch.cat([first, second]))), temperature)
        partner = torch.arange(len(similarity), device=similarity.device).roll(len(first))
        return functional.cross_entropy(similarity, partner)

    return loss, None


def supcon(model, projector, temperature):
    """The mean over each anchor's positives, outside the logarithm (arXiv 2004.11362, eq. 2)."""

    def loss(first, second, labels):
        log_p = similarities(projector(model(torch.cat([first, second]))), temperature).log_softmax(dim=1)
        labels = labels.repeat(2)
        together = (labels[:, None] == labels).fill_diagonal_(False)
        return -(log_p.masked_fill(~together, 0).sum(dim=1) / together.sum(dim=1)).mean()

    return loss, None


def moco(model, projector, queue, temperature, momentum):
    """A queue of keys that a slow copy makes (arXiv 1911.05722, algorithm 1); `queue` is normalised."""
    copied, slow_follows = slow_copy(model, projector)
    newest = torch.arange(0)

    def loss(first, second, labels):
        nonlocal newest
        queries = functional.normalize(projector(model(first)).float(), dim=1)
        with torch.no_grad():
            keys = functional.normalize(copied(second).float(), dim=1)
        own = (queries * keys).sum(dim=1, keepdim=True)
        logits = torch.cat([own, queries @ queue.clone().T], dim=1) / temperature
        start = int(newest[-1]) + 1 if len(newest) else 0
        newest = (torch.arange(len(keys)) + start) % len(queue)
        queue[newest] = keys
        return functional.cross_entropy(logits, torch.zeros(len(logits), dtype=torch.long))

    return loss, lambda share: slow_follows(momentum)


def byol(model, projector, predictor, momentum):
    """A predictor of what a slow copy makes of the other view (arXiv 2006.07733, eq. 2)."""
    copied, slow_follows = slow_copy(model, projector)

    def loss(first, second, labels):
        both = torch.cat([first, second])
        with torch.no_grad():
            wanted = copied(both).roll(len(first), dims=0)
        predicted = predictor(projector(model(both)))
        return 4 - 4 * functional.cosine_similarity(predicted, wanted, dim=1).mean()

    def follow(share):
        slow_follows(1 - (1 - momentum) * (math.cos(math.pi * share) + 1) / 2)

    return loss, follow


def simsiam(model, projector, predictor):
    """A predictor of the other view, through which no gradient flows (arXiv 2011.10566, algorithm 1)."""

    def loss(first, second, labels):
        projected = projector(model(torch.cat([first, second])))
        wanted = projected.detach().roll(len(first), dims=0)
        return 1 - functional.cosine_similarity(predictor(projected), wanted, dim=1).mean()

    return loss, None


def vicreg(model, projector, invariance, variance, covariance):
    """Variance, invariance, covariance (arXiv 2105.04906, algorithm 1)."""

    def loss(first, second, labels):
        one, other = projector(model(torch.cat([first, second]))).chunk(2)
        total = invariance * functional.mse_loss(one, other)
        for view in (one, other):
            centred = view - view.mean(dim=0)
            spread = (centred.square().sum(dim=0) / (len(view) - 1) + 1e-4).sqrt()
            shared = centred.T @ centred / (len(view) - 1)
            off_diagonal = shared.square().sum() - shared.diagonal().square().sum()
            total = total + variance * functional.relu(1 - spread).mean() / 2
            total = total + covariance * off_diagonal / view.shape[1]
        return total

    return loss, None


def barlow(model, projector, redundancy):
    """The cross-correlation of two views against the identity (arXiv 2103.03230, algorithm 1)."""

    def loss(first, second, labels):
        views = projector(model(torch.cat([first, second]))).chunk(2)
        one, other = (functional.batch_norm(view, None, None, training=True) for view in views)
        correlation = one.T @ other / len(one)
        diagonal = correlation.diagonal()
        off_diagonal = correlation.square().sum() - diagonal.square().sum()
        return (1 - diagonal).square().sum() + redundancy * off_diagonal

    return loss, None


def similarities(embeddings, temperature):
    """The cosines of all pairs over the temperature; nothing is similar to itself."""
    with torch.autocast(embeddings.device.type, enabled=False):  # bfloat16 has not the digits
        normalised = functional.normalize(embeddings.float(), dim=1)
        return (normalised @ normalised.T / temperature).fill_diagonal_(-torch.inf)


def slow_copy(*parts):
    """A copy that no gradient reaches, and how it follows the parts."""
    copied = nn.Sequential(*copy.deepcopy(parts)).requires_grad_(False)
    slow, fast = list(copied.parameters()), [parameter for part in parts for parameter in part.parameters()]

    @torch.no_grad()
    def follow(momentum):
        torch._foreach_lerp_(slow, fast, 1 - momentum)

    return copied, follow


def train(method, learned, inputs, targets, augment, optimizer, batch, epochs, at_end):
    """The loop: `at_end(loss)` is called after each epoch with the mean loss of its steps."""
    loss_of, follow = method
    parameters = [parameter for part in learned for parameter in part.parameters()]
    for part in learned:
        part.train()
    done, steps = 0, epochs * math.ceil(len(inputs) / batch)
    for _ in range(epochs):
        total = torch.zeros(())
        passed = 0
        for rows in torch.randperm(len(inputs)).split(batch):
            samples = inputs.index_select(0, rows)
            loss = loss_of(augment(samples), augment(samples), targets.index_select(0, rows))
            loss.backward()
            optimizer.step()
            for parameter in parameters:
                parameter.grad = None
            done, passed = done + 1, passed + 1
            if follow is not None:
                follow(done / steps)
            total += loss.detach()
        at_end(total.item() / passed)
