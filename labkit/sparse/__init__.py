"""What zeros are worth: storages that leave them out, one idea a file.

* `places`: where the stored weights are, as a bitmap or as CSR;
* `gaps`: the same as gaps from one to the next, of fixed width or in Rice code;
* `storage`: a whole tensor, places and values, as bytes and back;
* `sizes`: bits a weight as functions of the sparsity, and where they meet.
"""
