"""How fast the harness is, always as a ratio to something named that ran beside it.

    make bench                       all of it, into results.md and results.json
    python -m benchmarks step        one of step, methods, checkpoint, startup, job, data, images, gpu;
                                     printed, not stored

Absolute times belong to a machine and its hour; ratios of two programs that took turns travel
better. Nothing here is a test: a test that fails on a busy machine teaches people to ignore tests.
"""
