"""Order studies of known truth: synthetic ones, real ones, and the rules that judge them."""
