"""The architectures of the paper's experiments, in their forms for small images."""
