"""Architectures: a batch of inputs goes in, one representation per row comes out.

A model is an `nn.Module` built as `Model(shape, **options)`, where `shape` is that of one sample,
without the batch: (F,) a row of features, (C, H, W) an image, (T, F) a sequence of T steps.
`forward` maps (B, *shape) to (B, D), `width` is D, and `takes` names the ranks it accepts. A model
knows no loss, optimizer, label, data set or number of classes: heads belong to the trainer, so that
one model serves every trainer unchanged.

A model may have three things more. An argument `codes` after `shape`, if it can learn vectors of
categories: the last columns of a row (F,) are then whole numbers, and `codes` says how many values each
has (see `harness.core.code_columns`); it is left out where no column is such. `fit_inputs(inputs)` is
called once before training, with the inputs of the training rows (n, *shape): what it sets, such as
bins or initial weights, is in buffers and parameters. It is not called where the weights come from
elsewhere. And `members`: the representation then consists of so many parts of equal width, one after
the other, and a trainer that can (`uses_members`) gives each a head and a loss.

Raises, when built: `ValueError` for an option out of range, `UserError` for an option that does not
fit the shape of the data or the file of weights.
"""
