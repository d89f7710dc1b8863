"""Pruning: which weights and which units of a network to remove, one idea a file.

* `masking`: scores and a sparsity -> masks, with an exact count;
* `thresholds`: masks from a threshold, and the threshold that a mask amounts to;
* `scores`: the criteria that score each weight by itself;
* `surgeon`: scores that see how weights make up for each other, and compensation;
* `patterns`: masks of a fixed pattern, such as 2 of every 4;
* `units`: scores of whole units, and the choice among them.

A score says how much a weight matters: the larger, the longer it is kept. A mask is a
bool array in the shape of the weights, True = kept. `labkit.pruned` puts masks on the
networks of model files, `labkit.structured` removes units from them.
"""
