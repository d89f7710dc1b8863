"""Low rank: a layer as several smaller ones, one idea a file.

* `svd`: the singular value decomposition of a matrix, its errors, the break-even rank;
* `randomized`: the same from a random sketch;
* `decomposition`: a layer cut to any rank, both factors kept;
* `moments`: mean and covariance of what a layer reads or answers;
* `data_aware`: PCA of a layer's inputs and of its responses;
* `convolution`: kernels split by channels or by height and width;
* `tucker`, `cp`: kernels as a core between two projections, or as a sum of products;
* `ranks`: the ranks of a whole network at one budget;
* `parts`: what the smaller layers cost, and the kernel that they multiply back to.

Kernels lie as LiteRT has them: dense (out, in), convolution (out, height, width, in).
`labkit.factorized` puts the smaller layers into model files, where they run one after
the other. They are never multiplied back: that gives the old size and the old cost.
"""
