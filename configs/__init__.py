"""Recipes that ship with the package, as YAML files. Installed as `wsss_tf.configs`."""
