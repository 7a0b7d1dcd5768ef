"""Networks on real images: architectures, data and training."""
