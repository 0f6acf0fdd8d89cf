"""Built-in priors: activations to foreground probability to class probabilities."""
